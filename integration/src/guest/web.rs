//! A web server that says who asked it: for CRLs and OCSP replies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use super::netns::Namespace;

/// What a page is made of: the request's body.
type Page<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>> + Send + 'a;

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Web {
    asked: Arc<Mutex<Vec<IpAddr>>>,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves one page for whatever path, at port 80 of `address` in `host`.
    pub fn start(
        host: &Namespace,
        address: Ipv4Addr,
        page: impl Fn(&[u8]) -> Result<Vec<u8>> + Send + 'static,
    ) -> Result<Self> {
        let listener = host
            .run(|| TcpListener::bind((address, 80)))
            .context("listening for HTTP")?;
        listener.set_nonblocking(true)?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let server = std::thread::spawn({
            let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            let _ = answer(&stream, &page, &asked);
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(10)),
                    }
                }
            }
        });
        Ok(Self {
            asked,
            stop,
            server: Some(server),
        })
    }

    /// Who asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<IpAddr> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn answer(stream: &TcpStream, page: &Page<'_>, asked: &Mutex<Vec<IpAddr>>) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(stream.peer_addr()?.ip());
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.to_ascii_lowercase().starts_with("expect: 100") {
            (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, page) = match page(&body) {
        Ok(page) => ("200 OK", page),
        Err(error) => (
            "500 Internal Server Error",
            format!("{error:#}").into_bytes(),
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&page)?;
    Ok(())
}

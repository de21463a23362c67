//! `GET /metrics` over HTTP/1.1, on a loopback address.
//!
//! On a thread of its own: however many clients connect, and however slowly they read, the engine is asked once a second
//! at most. A client has a few seconds for all it does, and shorter where others wait; a few KiB for its request; and shares the
//! reply with all others.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HOST};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::Source;

/// What OpenMetrics 1.0 calls itself.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Clients served at once; more wait.
    pub(super) clients: usize,
    /// How long a client may take while others wait.
    pub(super) while_others_wait: Duration,
    /// How long a client may take for the head of its request.
    pub(super) head: Duration,
    /// How long a client may take for everything.
    pub(super) all: Duration,
}

const LIMITS: Limits = Limits {
    clients: 64,
    while_others_wait: Duration::from_millis(500),
    head: Duration::from_secs(3),
    all: Duration::from_secs(10),
};
/// Bytes of a request that are kept: all of its head.
const HEAD_BYTES: usize = 8 * 1024;
/// Header fields of a request.
const HEADERS: usize = 32;
/// Pause after an accept that failed, as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Opens the port, and serves until the process ends. The address with its port, if 0 was asked for.
///
/// # Errors
/// Where the port cannot be had.
pub(crate) fn serve(address: SocketAddr, source: Source) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(listener)?
    };
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || runtime.block_on(accept(listener, source, LIMITS)))?;
    Ok(address)
}

pub(super) async fn accept(listener: TcpListener, source: Source, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.clients));
    let mut served = VecDeque::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let place = place(&places, &mut served, limits.while_others_wait).await;
        let source = source.clone();
        let client = tokio::spawn(async move {
            // Whatever a client does wrong, or does not do in time, ends its connection and nothing else.
            let _ = timeout(limits.all, client(stream, source, limits.head)).await;
            drop(place);
        });
        served.push_back((Instant::now(), client.abort_handle()));
    }
}

/// A place for one more: where there is none, those make room who have had theirs longest.
async fn place(
    places: &Arc<Semaphore>,
    served: &mut VecDeque<(Instant, AbortHandle)>,
    enough: Duration,
) -> OwnedSemaphorePermit {
    served.retain(|(_, client)| !client.is_finished());
    let mut free = std::pin::pin!(Arc::clone(places).acquire_owned());
    loop {
        let oldest = served.front().map(|(since, _)| *since + enough);
        tokio::select! {
            biased;
            place = &mut free => return place.expect("nobody closes it"),
            () = sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => {
                if let Some((_, oldest)) = served.pop_front() {
                    oldest.abort();
                }
            }
        }
    }
}

async fn client(stream: TcpStream, source: Source, head: Duration) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(answer(&request, &source).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(request: &Request<Incoming>, source: &Source) -> Response<Full<Bytes>> {
    let plain =
        |status, text: &'static str| reply(status, PLAIN, Bytes::from_static(text.as_bytes()));
    if !is_for_us(request) {
        return plain(
            StatusCode::FORBIDDEN,
            "ask for this machine by its loopback address\n",
        );
    }
    if request.uri().path() != "/metrics" {
        return plain(
            StatusCode::NOT_FOUND,
            "there is /metrics, and nothing else\n",
        );
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "it can be read, with GET\n");
        refused
            .headers_mut()
            .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match source.text().await {
        Some(text) => reply(StatusCode::OK, OPENMETRICS, text),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "the daemon is ending\n"),
    }
}

/// Whether the request names a loopback address: a page in a browser that had its own name resolved to ours does not.
fn is_for_us(request: &Request<Incoming>) -> bool {
    let Some(host) = request.headers().get(HOST) else {
        return true;
    };
    let authority = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        name.eq_ignore_ascii_case("localhost")
            || name
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

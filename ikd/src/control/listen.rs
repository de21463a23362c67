//! The socket itself: one daemon per path, a dead daemon's leavings replaced, clients accepted in bounded number.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::client;
use super::service::Service;

/// Clients served at once.
const CLIENTS: usize = 32;
/// Pause after an accept that failed, as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long the last replies may take at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// Why the socket could not be opened.
#[derive(Debug)]
pub(crate) enum ListenError {
    /// A daemon answers there.
    AlreadyRunning,
    /// Something that is no socket stands there.
    NotASocket,
    /// What was tried, and the system's error.
    Io(&'static str, io::Error),
}

/// The open socket. Its file is removed when this is dropped.
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Opens the socket, mode 0660, and its directory, mode 0750, where there is none. Needs to be called within the runtime.
    pub(crate) fn open(path: &Path) -> Result<Self, ListenError> {
        if let Some(directory) = path
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(directory)
                .map_err(|error| {
                    ListenError::Io("creating the directory of the control socket", error)
                })?;
        }
        remove_dead(path)?;
        // The mode has to be right from the first moment on.
        let before = umask(Mode::from_bits_truncate(0o117));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::AlreadyRunning,
            _ => ListenError::Io("opening the control socket", error),
        })?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves clients until the sender of `end` is dropped; then lets the last replies go out.
    pub(super) async fn run(self, service: Service, mut end: tokio::sync::oneshot::Receiver<()>) {
        let places = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = &mut end => break,
            };
            match (accepted, Arc::clone(&places).try_acquire_owned()) {
                (Ok((stream, _)), Ok(place)) => {
                    let service = service.clone();
                    tokio::spawn(async move {
                        client::serve(stream, service).await;
                        drop(place);
                    });
                }
                (Ok((stream, _)), Err(_)) => client::turn_away(stream, CLIENTS),
                (Err(_), _) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop(self);
        // Idle clients need no waiting for: those that are served end once they have their reply.
        service.end();
        let all = u32::try_from(CLIENTS).expect("a small number");
        let _ = tokio::time::timeout(DRAIN, places.acquire_many(all)).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes the socket of a daemon that is no more.
fn remove_dead(path: &Path) -> Result<(), ListenError> {
    let trouble = |error| ListenError::Io("looking at the control socket", error);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(trouble(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(ListenError::NotASocket),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ListenError::AlreadyRunning),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .map_err(|error| ListenError::Io("removing a dead control socket", error))
        }
        // A live daemon whose queue is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(ListenError::AlreadyRunning),
        Err(error) => Err(trouble(error)),
    }
}

/// Whether the process at the other end may change something: root, or the user that we run as.
pub(super) fn may_change(stream: &UnixStream) -> bool {
    let ours = nix::unistd::geteuid();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == ours.as_raw())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn place(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("ikd-listen-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        directory.join("control")
    }

    #[tokio::test]
    async fn a_second_daemon_is_refused_and_a_dead_ones_socket_replaced() {
        let path = place("second");
        let first = Listener::open(&path).expect("open");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o660);
        assert!(matches!(
            Listener::open(&path),
            Err(ListenError::AlreadyRunning)
        ));
        // What a killed daemon leaves: a socket file that nobody listens on.
        let Listener { .. } = &first;
        drop(first);
        assert!(!path.exists(), "the file goes with the daemon");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists());
        let third = Listener::open(&path).expect("replaced");
        drop(third);
        let _ = std::fs::remove_dir_all(path.parent().expect("a directory"));
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let path = place("file");
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        std::fs::write(&path, "precious").expect("written");
        assert!(matches!(
            Listener::open(&path),
            Err(ListenError::NotASocket)
        ));
        assert_eq!(
            std::fs::read_to_string(&path).expect("still there"),
            "precious"
        );
        let _ = std::fs::remove_dir_all(path.parent().expect("a directory"));
    }
}

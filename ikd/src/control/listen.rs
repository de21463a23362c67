//! The socket itself: one daemon per path, a dead daemon's leavings replaced, callers welcomed in bounded number.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ikapi::Error;
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::client::{self, Client};
use super::places::Places;
use super::roles::{Caller, Role, Roles};
use super::service::Service;

/// Pause after an accept that failed, as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How long the last replies may take at the end.
const DRAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether they have gone out.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

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
    pub(super) roles: Roles,
}

impl Listener {
    /// Opens the socket, and its directory where there is none. Both are open to all: [`Roles`] decide who is served.
    pub(crate) fn open(path: &Path, roles: Roles) -> Result<Self, ListenError> {
        if let Some(directory) = path
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(|error| {
                    ListenError::Io("creating the directory of the control socket", error)
                })?;
        }
        remove_dead(path)?;
        // The mode has to be right from the first moment on.
        let before = umask(Mode::from_bits_truncate(0o111));
        let listener = UnixListener::bind(path);
        umask(before);
        let listener = listener.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ListenError::AlreadyRunning,
            _ => ListenError::Io("opening the control socket", error),
        })?;
        listener
            .set_nonblocking(true)
            .map_err(|error| ListenError::Io("opening the control socket", error))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            roles,
        })
    }

    /// Serves clients until the sender of `end` is dropped; then lets the last replies go out.
    pub(super) async fn run(
        self,
        service: Service,
        mut end: oneshot::Receiver<()>,
    ) -> io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        let places = Places::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = &mut end => break,
            };
            match accepted {
                Ok((stream, _)) => welcome(stream, &service, &places),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop((self, listener));
        // Idle clients need no waiting for: those that are served end once they have their reply.
        service.end();
        let drained = async {
            while !places.is_empty() {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(DRAIN, drained).await;
        Ok(())
    }
}

/// Serves a caller who may look, within the bounds of its user.
fn welcome(stream: UnixStream, service: &Service, places: &Places) {
    let Ok(caller) = Caller::of(&stream) else {
        return;
    };
    let role = service.role(&caller);
    if role == Role::Stranger {
        let needs = service.needs(Role::Look);
        return client::turn_away(&stream, Error::PermissionDenied { needs });
    }
    let place = match places.take(&caller) {
        Ok(place) => place,
        Err(reason) => return client::turn_away(&stream, Error::Busy { reason }),
    };
    let client = Client {
        stream,
        service: service.clone(),
        caller,
        role,
        place,
    };
    tokio::spawn(client.serve());
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
    // Without waiting: a daemon that hangs takes no callers.
    let knock = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match knock() {
        Ok(()) => Err(ListenError::AlreadyRunning),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .map_err(|error| ListenError::Io("removing a dead control socket", error))
        }
        // A live daemon whose queue is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(ListenError::AlreadyRunning),
        Err(error) => Err(trouble(error)),
    }
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

    #[test]
    fn a_second_daemon_is_refused_and_a_dead_ones_socket_replaced() {
        let path = place("second");
        let first = Listener::open(&path, Roles::default()).expect("open");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o666, "who is served is decided by who it is");
        assert!(matches!(
            Listener::open(&path, Roles::default()),
            Err(ListenError::AlreadyRunning)
        ));
        // What a killed daemon leaves: a socket file that nobody listens on.
        drop(first);
        assert!(!path.exists(), "the file goes with the daemon");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        assert!(path.exists());
        let third = Listener::open(&path, Roles::default()).expect("replaced");
        drop(third);
        let _ = std::fs::remove_dir_all(path.parent().expect("a directory"));
    }

    #[test]
    fn a_daemon_that_takes_no_callers_is_a_daemon_and_is_not_waited_for() {
        let path = place("hangs");
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        let address = SockAddr::unix(&path).expect("short");
        let socket = || Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        let hangs = socket();
        hangs.bind(&address).expect("bound");
        hangs.listen(0).expect("listens");
        let waiting = std::iter::from_fn(|| {
            let caller = socket();
            caller.set_nonblocking(true).expect("set");
            caller.connect(&address).ok().map(|()| caller)
        });
        let waiting: Vec<_> = waiting.collect();
        assert!(!waiting.is_empty());
        assert!(matches!(
            Listener::open(&path, Roles::default()),
            Err(ListenError::AlreadyRunning)
        ));
        let _ = std::fs::remove_dir_all(path.parent().expect("a directory"));
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let path = place("file");
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        std::fs::write(&path, "precious").expect("written");
        assert!(matches!(
            Listener::open(&path, Roles::default()),
            Err(ListenError::NotASocket)
        ));
        assert_eq!(
            std::fs::read_to_string(&path).expect("still there"),
            "precious"
        );
        let _ = std::fs::remove_dir_all(path.parent().expect("a directory"));
    }
}

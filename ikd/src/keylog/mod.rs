//! `--keylog FILE`: the keys of IKE SAs, for whoever looks at a capture of his own tunnels.
//!
//! ```text
//!   engine --Output::Keys--> Keylog --a line, appended--> FILE --> Wireshark's ikev2_decryption_table
//!                                                             `--> ikctl decode CAPTURE --keys FILE
//! ```
//!
//! Off unless asked for by name: the engine then does not even copy a key. The file is root's alone, and nothing of its
//! content goes anywhere else. A line is written as soon as the keys are there, so that a failing IKE_AUTH can be read;
//! as strangers can cause lines, no process writes more than [`LIMIT`].

mod table;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use ike::crypto::Secret;
use ike::engine::io::ExportedKeys;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::Uid;

/// Bytes that one process writes at most: more than 100 000 IKE SAs.
const LIMIT: usize = 64 << 20;

/// Why a file is not written to.
#[derive(Debug)]
pub(crate) enum KeylogError {
    /// ikd does not run as root.
    NotRoot,
    /// A symbolic link stands there: keys go where root says, not where a link leads.
    Link,
    /// Something else than a file stands there.
    NotAFile,
    /// Others may read the file that stands there, or own it, or know it by another name.
    Exposed {
        /// Its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
        /// How many names it has.
        names: u64,
    },
    /// The system's error.
    Io(io::Error),
}

impl std::fmt::Display for KeylogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRoot => f.write_str("only root may have keys written"),
            Self::Link => {
                f.write_str("it is a symbolic link, and keys are not written through one")
            }
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::Exposed { owner, mode, names } => write!(
                f,
                "others can get at the file: it belongs to user {owner}, has mode {mode:04o} and {names} name(s); keys are \
                 written to a file of root's, with mode 0600 and one name"
            ),
            Self::Io(error) => write!(f, "it cannot be opened for writing: {error}"),
        }
    }
}

impl KeylogError {
    /// What to change.
    pub(crate) fn suggestion(&self) -> &'static str {
        match self {
            Self::NotRoot => "run ikd as root, or without --keylog",
            Self::Exposed { .. } => {
                "name a new file (ikd makes it), or chown root and chmod 600 this one"
            }
            _ => "name a new file, in a directory that is there: ikd makes it",
        }
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Keylog {
    file: File,
    /// Bytes that this process may still write; 0 also where writing has failed, which is told once.
    left: usize,
}

impl Keylog {
    /// Opens the file for appending, made with mode 0600 where there is none.
    ///
    /// # Errors
    /// Where it could be read by others, or we are not root.
    pub(crate) fn open(path: &Path) -> Result<Self, KeylogError> {
        if !Uid::effective().is_root() {
            return Err(KeylogError::NotRoot);
        }
        Self::open_for(path, 0)
    }

    /// As [`Self::open`], for a file of `owner`.
    fn open_for(path: &Path, owner: u32) -> Result<Self, KeylogError> {
        // Without waiting: somebody may have put a pipe there.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(O_NOFOLLOW | O_NONBLOCK)
            .open(path)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ELOOP) => KeylogError::Link,
                Some(libc::EISDIR | libc::ENXIO) => KeylogError::NotAFile,
                _ => KeylogError::Io(error),
            })?;
        // What was opened is looked at, not what the name stands for now.
        let found = file.metadata().map_err(KeylogError::Io)?;
        if !found.is_file() {
            return Err(KeylogError::NotAFile);
        }
        let exposed = found.uid() != owner || found.mode() & 0o077 != 0 || found.nlink() != 1;
        if exposed {
            return Err(KeylogError::Exposed {
                owner: found.uid(),
                mode: found.mode() & 0o7777,
                names: found.nlink(),
            });
        }
        Ok(Self { file, left: LIMIT })
    }

    /// Appends a line. What is to be told, once: that it cannot, or has written enough.
    pub(crate) fn write(&mut self, keys: &ExportedKeys) -> Option<String> {
        if self.left == 0 {
            return None;
        }
        let line: Secret = table::line(keys);
        let trouble = match self.left.checked_sub(line.len()) {
            None => format!("{} MiB of keys were written", LIMIT >> 20),
            Some(left) => match self.file.write_all(line.as_bytes()) {
                Ok(()) => {
                    self.left = left;
                    return None;
                }
                Err(error) => format!("a key could not be written: {error}"),
            },
        };
        self.left = 0;
        Some(trouble)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A file below a directory that goes with the test, and who owns it.
    fn place() -> (tempfile::TempDir, std::path::PathBuf, u32) {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("keys");
        (directory, file, Uid::effective().as_raw())
    }

    #[test]
    fn a_new_file_can_be_read_by_its_owner_alone_and_an_old_one_is_appended_to() {
        let (_directory, file, us) = place();
        for _ in 0..2 {
            let mut keylog = Keylog::open_for(&file, us).expect("opened");
            assert_eq!(keylog.write(&table::tests::android()), None);
        }
        let mode = std::fs::metadata(&file).expect("a file").mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(
            std::fs::read_to_string(&file)
                .expect("text")
                .lines()
                .count(),
            2
        );
    }

    #[test]
    fn what_others_can_read_or_redirect_is_refused() {
        let (directory, file, us) = place();
        std::fs::write(&file, "").expect("written");
        for mode in [0o640, 0o604, 0o620, 0o666] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
            let opened = Keylog::open_for(&file, us);
            assert!(
                matches!(opened, Err(KeylogError::Exposed { .. })),
                "{mode:o}: {opened:?}"
            );
        }
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert!(matches!(
            Keylog::open_for(&file, us + 1),
            Err(KeylogError::Exposed { .. })
        ));

        let link = directory.path().join("link");
        symlink(&file, &link).expect("a link");
        assert!(matches!(
            Keylog::open_for(&link, us),
            Err(KeylogError::Link)
        ));
        std::fs::hard_link(&file, directory.path().join("name")).expect("a second name");
        assert!(matches!(
            Keylog::open_for(&file, us),
            Err(KeylogError::Exposed { names: 2, .. })
        ));

        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(matches!(
            Keylog::open_for(&pipe, us),
            Err(KeylogError::NotAFile)
        ));
        let device = Keylog::open_for(Path::new("/dev/null"), us);
        assert!(matches!(
            device,
            Err(KeylogError::NotAFile | KeylogError::Exposed { .. })
        ));
        assert!(matches!(
            Keylog::open_for(directory.path(), us),
            Err(KeylogError::NotAFile)
        ));
    }

    #[test]
    fn strangers_cannot_fill_the_disk() {
        let (_directory, file, us) = place();
        let mut keylog = Keylog::open_for(&file, us).expect("opened");
        keylog.left = 1000;
        let told = (0..100).filter_map(|_| keylog.write(&table::tests::android()));
        assert_eq!(told.collect::<Vec<_>>(), ["64 MiB of keys were written"]);
        let length = std::fs::metadata(&file).expect("a file").len();
        assert!((500..=1000).contains(&length), "{length}");
    }
}

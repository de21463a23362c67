//! Noticing that a file has changed: keys, certificates, CRLs and secrets are renewed by others.
//!
//! ```text
//!            differs from what was read          the same once more
//!   settled ---------------------------> pending -------------------> tell, and settled with what was seen
//!      ^                                   |  '-- differs again: pending with that
//!      '---- as it was when it was read ---'
//! ```
//!
//! Looks at the files every so often, rather than being told by the kernel: that works across renames, symbolic links,
//! bind mounts and network file systems. A change counts once it has stood still for one interval, so that a pair that is
//! half written is not taken.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::Work;

/// What tells two versions of a file apart, of the file that a symbolic link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

/// By path; `None`: there is no such file, or we may not look.
pub(super) type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        mode: metadata.mode(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// How the files are now. Blocks as long as their file system does.
pub(super) fn look<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Stamps {
    let files = files.into_iter();
    files.map(|path| (path.clone(), stamp(path))).collect()
}

/// What was read, and what may be about to change.
#[derive(Debug, Default)]
struct Watched {
    settled: Stamps,
    pending: Option<Stamps>,
}

impl Watched {
    /// Takes note of how the files are; returns those that have changed and come to rest, once.
    fn compare(&mut self, now: Stamps) -> Vec<PathBuf> {
        if now == self.settled {
            self.pending = None;
            return Vec::new();
        }
        if self.pending.as_ref() != Some(&now) {
            self.pending = Some(now);
            return Vec::new();
        }
        self.pending = None;
        let before = std::mem::replace(&mut self.settled, now);
        let changed =
            |(path, stamp): &(&PathBuf, &Option<Stamp>)| before.get(*path) != Some(*stamp);
        self.settled
            .iter()
            .filter(changed)
            .map(|(path, _)| path.clone())
            .collect()
    }
}

/// Watches until the owner is gone: `read` has the files as they were when they were last read, `work` is told of changes.
pub(super) async fn run(
    interval: Duration,
    mut read: watch::Receiver<Stamps>,
    work: mpsc::WeakUnboundedSender<Work>,
) {
    read.mark_changed();
    let mut watched = Watched::default();
    loop {
        if read.has_changed().unwrap_or(true) {
            watched = Watched {
                settled: read.borrow_and_update().clone(),
                pending: None,
            };
        }
        tokio::time::sleep(interval).await;
        let files: Vec<_> = watched.settled.keys().cloned().collect();
        let looked = tokio::task::spawn_blocking(move || look(&files)).await;
        let Some(work) = work.upgrade() else {
            return;
        };
        // A look that panicked saw nothing. What was read meanwhile is newer than this look.
        let (Ok(now), false) = (looked, read.has_changed().unwrap_or(true)) else {
            continue;
        };
        let changed = watched.compare(now);
        if !changed.is_empty() && work.send(Work::Changed(changed)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that goes when the test ends.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("ikd-watch-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).expect("created");
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).expect("written");
            path
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn watching(files: &[PathBuf]) -> Watched {
        Watched {
            settled: look(files),
            pending: None,
        }
    }

    #[test]
    fn a_change_counts_once_and_only_when_it_has_come_to_rest() {
        let directory = Directory::new("rest");
        let files = [
            directory.write("cert.pem", "one"),
            directory.write("key.pem", "two"),
        ];
        let mut watched = watching(&files);
        assert!(watched.compare(look(&files)).is_empty());
        directory.write("cert.pem", "another");
        assert!(
            watched.compare(look(&files)).is_empty(),
            "it may not be all"
        );
        directory.write("key.pem", "and its key");
        assert!(watched.compare(look(&files)).is_empty(), "it was not");
        assert_eq!(watched.compare(look(&files)), files);
        for _ in 0..3 {
            assert!(watched.compare(look(&files)).is_empty(), "told");
        }
    }

    #[test]
    fn a_rename_over_a_file_and_a_symbolic_link_that_turns_are_changes() {
        let directory = Directory::new("rename");
        let (old, new) = (
            directory.write("old", "same size"),
            directory.write("new", "size same"),
        );
        let link = directory.0.join("cert.pem");
        std::os::unix::fs::symlink(&old, &link).expect("linked");
        let files = [link.clone(), directory.write("key.pem", "key one")];
        let mut watched = watching(&files);
        fs::rename(directory.write("temporary", "key two"), &files[1]).expect("renamed");
        let turned = directory.0.join("turned");
        std::os::unix::fs::symlink(&new, &turned).expect("linked");
        fs::rename(&turned, &link).expect("renamed");
        watched.compare(look(&files));
        assert_eq!(watched.compare(look(&files)), files);
    }

    #[test]
    fn a_file_that_comes_back_as_it_was_is_no_change_and_one_that_goes_is() {
        let directory = Directory::new("goes");
        let files = [directory.write("ca.crl", "list")];
        let mut watched = watching(&files);
        let aside = directory.0.join("aside");
        fs::rename(&files[0], &aside).expect("renamed");
        watched.compare(look(&files));
        fs::rename(&aside, &files[0]).expect("renamed back");
        for _ in 0..2 {
            assert!(watched.compare(look(&files)).is_empty());
        }
        fs::remove_file(&files[0]).expect("removed");
        watched.compare(look(&files));
        assert_eq!(watched.compare(look(&files)), files);
    }

    #[tokio::test]
    async fn the_owner_is_told_of_a_change_and_what_it_has_read_again_is_no_news() {
        let directory = Directory::new("task");
        let files = vec![directory.write("cert.pem", "one")];
        let (work, mut queue) = mpsc::unbounded_channel();
        let (read, reading) = watch::channel(look(&files));
        let task = tokio::spawn(run(Duration::from_millis(5), reading, work.downgrade()));
        directory.write("cert.pem", "another");
        let told = tokio::time::timeout(Duration::from_secs(30), queue.recv()).await;
        match told.expect("in time") {
            Some(Work::Changed(changed)) => assert_eq!(changed, files),
            other => panic!("{other:?}"),
        }
        directory.write("cert.pem", "a third one");
        read.send_replace(look(&files));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(
            queue.try_recv().is_err(),
            "it was read by its owner already"
        );
        drop(work);
        tokio::time::timeout(Duration::from_secs(30), task)
            .await
            .expect("it ends with its owner")
            .expect("and does not panic");
    }
}

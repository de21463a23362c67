//! The files of the package, as they will lie on a machine, with `DEBIAN/` beside them.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};

/// What is written so far.
pub(super) struct Tree {
    root: PathBuf,
    /// Where the files are, relative to the root, but for those of `DEBIAN/`.
    files: Vec<PathBuf>,
}

impl Tree {
    /// Nothing yet, in this directory. Its mode is that of `./` in the package, so it is not left to the umask either.
    pub(super) fn new(root: PathBuf) -> Result<Self> {
        let tree = Self {
            root,
            files: Vec::new(),
        };
        tree.directory("", 0o755)?;
        Ok(tree)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The files in order, relative to the root.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = self.files.clone();
        files.sort();
        files
    }

    /// Makes a directory of this mode, whatever the umask, and those above it.
    pub(super) fn directory(&self, path: &str, mode: u32) -> Result<()> {
        let directory = self.root.join(path);
        let making = || format!("making {}", directory.display());
        let mut missing: Vec<_> = directory
            .ancestors()
            .take_while(|one| !one.exists())
            .collect();
        missing.reverse();
        for one in missing {
            DirBuilder::new()
                .mode(0o755)
                .create(one)
                .with_context(making)?;
            fs::set_permissions(one, Permissions::from_mode(0o755)).with_context(making)?;
        }
        fs::set_permissions(&directory, Permissions::from_mode(mode)).with_context(making)
    }

    /// Writes a file of this mode.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !self.root.join(parent).exists() {
            self.directory(parent, 0o755)?;
        }
        let file = self.root.join(path);
        let writing = || format!("writing {}", file.display());
        fs::write(&file, content).with_context(writing)?;
        fs::set_permissions(&file, Permissions::from_mode(mode)).with_context(writing)?;
        if !path.starts_with("DEBIAN/") {
            self.files.push(PathBuf::from(path));
        }
        Ok(())
    }

    /// Writes a file for anybody to read, compressed; `.gz` is added to its name.
    pub(super) fn compressed(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let mut encoder = GzBuilder::new()
            .mtime(0)
            .write(Vec::new(), Compression::best());
        encoder.write_all(content)?;
        let compressed = encoder.finish()?;
        self.file(&format!("{path}.gz"), 0o644, &compressed)
    }

    /// Copies a file of the checkout.
    pub(super) fn copy(&mut self, from: &Path, path: &str, mode: u32) -> Result<()> {
        self.file(path, mode, &read(from)?)
    }

    /// What `dpkg --verify` compares with: a line for each file.
    pub(super) fn sums(&self) -> Result<String> {
        let mut sums = super::output(
            std::process::Command::new("md5sum")
                .current_dir(&self.root)
                .arg("--")
                .args(self.files()),
        )?;
        writeln!(sums)?;
        Ok(sums)
    }
}

/// A file of the checkout.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_that_were_asked_for_whatever_the_umask_has_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().to_owned();
        fs::set_permissions(&root, Permissions::from_mode(0o700)).expect("set");
        let mut tree = Tree::new(root.clone()).expect("made");
        tree.directory("etc/ikd", 0o750).expect("made");
        tree.file("etc/ikd/README", 0o644, b"text")
            .expect("written");
        for (path, mode) in [
            ("", 0o755),
            ("etc", 0o755),
            ("etc/ikd", 0o750),
            ("etc/ikd/README", 0o644),
        ] {
            let there = root
                .join(path)
                .metadata()
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(there & 0o7777, mode, "{path:?}");
        }
    }
}

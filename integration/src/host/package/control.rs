//! What dpkg has to know: `DEBIAN/`, and Debian's changelog.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::tree::{Tree, read};
use super::{NAME, Paths, output};

const DESCRIPTION: &str = "IKEv2 daemon for Linux gateways
 ikd negotiates IPsec tunnels with other gateways by IKEv2 (RFC 7296), with
 secrets, certificates or raw public keys, and lets the kernel protect the
 traffic. Policies are YAML files that are checked before they come into
 force. While ikd runs, what they protect is never sent in clear.
 .
 ikctl looks at the daemon, tells it what to do, and checks policies.";

/// From Cargo.toml.
const MAINTAINER: &str = env!("CARGO_PKG_AUTHORS");

/// What differs from package to package.
pub(super) struct Control {
    /// Cargo's version and the revision.
    pub(super) version: String,
    /// Debian's name for this machine's architecture.
    pub(super) architecture: String,
    /// When the commit was made, or what `SOURCE_DATE_EPOCH` says, in seconds since 1970: the time of all files, at most.
    pub(super) epoch: u64,
    depends: String,
}

impl Control {
    /// Asks dpkg, and git where nobody says the time and this is a checkout.
    pub(super) fn gather(
        paths: &Paths,
        home: &Path,
        programs: &[PathBuf; 2],
        revision: &str,
    ) -> Result<Self> {
        Ok(Self {
            version: format!("{}-{revision}", env!("CARGO_PKG_VERSION")),
            architecture: output(Command::new("dpkg").arg("--print-architecture"))?,
            epoch: epoch(paths)?,
            depends: depends(home, programs)?,
        })
    }

    /// The day of the commit, as manual pages have it.
    pub(super) fn date(&self) -> Result<String> {
        self.time("+%Y-%m-%d")
    }

    fn time(&self, format: &str) -> Result<String> {
        let mut date = Command::new("date");
        date.env("LC_ALL", "C")
            .arg("--utc")
            .arg(format!("--date=@{}", self.epoch))
            .arg(format);
        output(&mut date)
    }

    /// Writes `DEBIAN/` once everything else is there.
    pub(super) fn put(&self, tree: &mut Tree, paths: &Paths) -> Result<()> {
        tree.compressed(
            &format!("usr/share/doc/{NAME}/changelog.Debian"),
            self.changelog()?.as_bytes(),
        )?;
        let size: u64 = tree
            .files()
            .iter()
            .map(|file| {
                tree.root()
                    .join(file)
                    .metadata()
                    .map_or(0, |metadata| metadata.len().div_ceil(1024))
            })
            .sum();
        tree.file("DEBIAN/control", 0o644, self.control(size).as_bytes())?;
        let files = tree.files();
        let of_the_administrator = files.iter().filter(|file| file.starts_with("etc"));
        let conffiles: String = of_the_administrator
            .map(|file| format!("/{}\n", file.display()))
            .collect();
        tree.file("DEBIAN/conffiles", 0o644, conffiles.as_bytes())?;
        let sums = tree.sums()?;
        tree.file("DEBIAN/md5sums", 0o644, sums.as_bytes())?;
        for script in ["preinst", "postinst", "prerm", "postrm"] {
            let from = paths.workspace.join("packaging/debian").join(script);
            tree.file(&format!("DEBIAN/{script}"), 0o755, &read(&from)?)?;
        }
        Ok(())
    }

    fn control(&self, kilobytes: u64) -> String {
        let Self {
            version,
            architecture,
            depends,
            ..
        } = self;
        format!(
            "Package: {NAME}\n\
             Version: {version}\n\
             Architecture: {architecture}\n\
             Maintainer: {MAINTAINER}\n\
             Installed-Size: {kilobytes}\n\
             Depends: {depends}\n\
             Recommends: iproute2\n\
             Section: net\n\
             Priority: optional\n\
             Description: {DESCRIPTION}\n"
        )
    }

    fn changelog(&self) -> Result<String> {
        let Self { version, .. } = self;
        let time = self.time("+%a, %d %b %Y %H:%M:%S %z")?;
        Ok(format!(
            "{NAME} ({version}) unstable; urgency=medium\n\n  * Built from the project's checkout; what is new is in changelog.gz.\n\n \
             -- {MAINTAINER}  {time}\n"
        ))
    }
}

/// What `SOURCE_DATE_EPOCH` says, as everywhere where packages are made again to compare them; else when the commit was made;
/// outside of a checkout the present.
fn epoch(paths: &Paths) -> Result<u64> {
    if let Some(said) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let number = said.to_str().and_then(|text| text.parse().ok());
        return number.with_context(|| {
            format!("SOURCE_DATE_EPOCH is {said:?}, which is no number of seconds")
        });
    }
    let mut git = Command::new("git");
    git.current_dir(&paths.workspace)
        .args(["log", "-1", "--format=%ct"]);
    let of_commit = output(&mut git).ok().and_then(|time| time.parse().ok());
    Ok(match of_commit {
        Some(time) => time,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    })
}

/// The libraries' packages, of the versions that the programs need.
fn depends(home: &Path, programs: &[PathBuf; 2]) -> Result<String> {
    // It wants to see the source of a package.
    let source = home.join("source");
    std::fs::create_dir_all(source.join("debian"))?;
    std::fs::write(
        source.join("debian/control"),
        format!("Source: {NAME}\n\nPackage: {NAME}\nArchitecture: any\n"),
    )?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    shlibdeps.current_dir(&source).arg("-O").args(programs);
    let depends = output(&mut shlibdeps)?;
    let depends = depends
        .lines()
        .find_map(|line| line.strip_prefix("shlibs:Depends="));
    depends
        .map(str::to_owned)
        .context("dpkg-shlibdeps found no libraries")
}

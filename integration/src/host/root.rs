//! The guest's root file system: Debian with strongSwan and the usual tools, built by mmdebstrap and kept.
//!
//! One root serves both ways: as a directory for network namespaces, as a disk image with a kernel beside it for the
//! virtual machines. It is built again when the recipe in this file changes.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;

use super::paths::{Paths, empty};

const SUITE: &str = "trixie";
/// The disk's size. The file is sparse, and the guest's changes never reach it.
const DISK: &str = "2G";
const HOOK: &str = include_str!("root-hook.sh");

/// What the guest has, beside what every Debian has.
const PACKAGES: &[&str] = &[
    // The peer.
    "charon-systemd",
    "strongswan-swanctl",
    "libcharon-extra-plugins",
    "libstrongswan-extra-plugins",
    "strongswan-pki",
    // Makes the certificates, CRLs and OCSP replies of the tests.
    "openssl",
    // What tests, the demo and other people's scripts use.
    "iproute2",
    "iputils-ping",
    "tcpdump",
    "nftables",
    "iperf3",
    "procps",
    "kmod",
    "python3",
    "ethtool",
    "netcat-openbsd",
    "socat",
    "jq",
];

/// A finished root.
#[derive(Debug, Clone)]
pub struct Root {
    /// The root as a directory, for network namespaces.
    pub directory: PathBuf,
    /// The root as an ext4 image, for virtual machines. Never written.
    pub image: PathBuf,
    /// The guest's kernel.
    pub kernel: PathBuf,
}

impl Root {
    /// The root of this recipe, built if it is not there yet (about a minute).
    pub fn get(paths: &Paths) -> Result<Self> {
        let mut recipe = DefaultHasher::new();
        (SUITE, DISK, HOOK, PACKAGES, Uid::effective().is_root()).hash(&mut recipe);
        let home = paths.lab.join(format!("root-{:016x}", recipe.finish()));
        let root = Self {
            directory: home.join("root"),
            image: home.join("root.img"),
            kernel: home.join("root/boot/vmlinuz"),
        };

        // Two labs at once: the second waits for the first one's root.
        let lock = File::create(paths.lab.join("root.lock"))?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, error)| error)
            .context("waiting for root.lock")?;
        if !home.exists() {
            for old in std::fs::read_dir(&paths.lab)?.flatten() {
                if old.file_name().to_string_lossy().starts_with("root-") {
                    std::fs::remove_dir_all(old.path())?;
                }
            }
            build(paths, &home)?;
        }
        Ok(root)
    }
}

/// Builds in a directory beside, so that an interrupted build leaves nothing that looks finished.
fn build(paths: &Paths, home: &Path) -> Result<()> {
    println!(
        "lab: building the guest's root (Debian {SUITE}, strongSwan and its kernel; about a minute)"
    );
    let start = Instant::now();
    let unfinished = paths.lab.join("unfinished-root");
    empty(&unfinished)?;
    let tar = unfinished.join("root.tar");
    let log = unfinished.join("mmdebstrap.log");
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.arg(if Uid::effective().is_root() {
        "--mode=root"
    } else {
        "--mode=unshare"
    });
    mmdebstrap
        .arg("--variant=minbase")
        .arg(format!("--include={}", PACKAGES.join(",")));
    for unused in ["man", "locale", "doc"] {
        mmdebstrap.arg(format!("--dpkgopt=path-exclude=/usr/share/{unused}/*"));
    }
    mmdebstrap
        .arg(format!("--customize-hook={HOOK}"))
        .arg(SUITE)
        .arg(&tar);
    run_logged(&mut mmdebstrap, &log)?;

    let directory = unfinished.join("root");
    std::fs::create_dir(&directory)?;
    let mut unpack = Command::new("tar");
    unpack
        .arg("-xf")
        .arg(&tar)
        .arg("-C")
        .arg(&directory)
        .args(["--exclude=./dev/*"]);
    if !Uid::effective().is_root() {
        unpack.arg("--no-same-owner");
    }
    run_logged(&mut unpack, &log)?;

    // An ordinary user's files belong to root in the image because mke2fs sees itself as root.
    let mut image = if Uid::effective().is_root() {
        Command::new("mke2fs")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "mke2fs"]);
        command
    };
    image
        .args(["-q", "-t", "ext4", "-d"])
        .arg(&directory)
        .arg(unfinished.join("root.img"))
        .arg(DISK);
    image.env("PATH", sbin_path());
    run_logged(&mut image, &log)?;
    std::fs::remove_file(&tar)?;
    std::fs::rename(&unfinished, home)
        .with_context(|| format!("moving the root to {}", home.display()))?;
    println!(
        "lab: the guest's root is built ({:.0} s)",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// The search path with the directories of the system's programs, which an ordinary user's may lack.
#[must_use]
pub fn sbin_path() -> String {
    format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let file = File::options().create(true).append(true).open(log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("starting {program}"))?;
    if !status.success() {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(25)..].join("\n");
        bail!(
            "{program} failed ({status}); the end of {}:\n{tail}",
            log.display()
        );
    }
    Ok(())
}

//! The guests' root file systems: Debian, built by mmdebstrap and kept.
//!
//! | recipe | is for |
//! |---|---|
//! | [`PEERS`] | demo and end-to-end tests: strongSwan, libreswan, tools, no service manager; a directory for namespaces, a disk for virtual machines |
//! | [`PLAIN`] | what an operator starts from: Debian with systemd as the first process, nothing of ours, and no peer |
//!
//! A root is built again when its recipe changes.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::paths::Paths;

const SUITE: &str = "trixie";
/// The disk's size. The file is sparse, and the guest's changes never reach it.
const DISK: &str = "2G";

/// What a root is made of.
#[derive(Debug, Hash)]
pub struct Recipe {
    name: &'static str,
    /// For the user who waits for it.
    about: &'static str,
    packages: &'static [&'static str],
    /// Directories of `/usr/share` that the packages' files are left out of.
    left_out: &'static [&'static str],
    /// Runs with the new root as its argument, after the packages.
    hook: &'static str,
    /// Whether the root is wanted as a directory, too.
    as_directory: bool,
}

/// Debian with strongSwan, libreswan and the usual tools, without a service manager.
pub const PEERS: Recipe = Recipe {
    name: "peers",
    about: "Debian, strongSwan, libreswan and its kernel; about a minute",
    packages: &[
        // The peer.
        "charon-systemd",
        "strongswan-swanctl",
        "libcharon-extra-plugins",
        "libstrongswan-extra-plugins",
        "strongswan-pki",
        // What the other peer is linked with: libreswan's package cannot stand beside strongSwan's, so the hook unpacks it.
        "libnss3-tools",
        "libunbound8",
        "libldns3t64",
        "libldap2",
        "libcurl3t64-gnutls",
        "libevent-core-2.1-7t64",
        "libevent-pthreads-2.1-7t64",
        "libcap-ng0",
        // Makes the certificates, CRLs and OCSP replies of the tests.
        "openssl",
        // What tests, the demo and other people's scripts use.
        "iproute2",
        "iputils-ping",
        "tcpdump",
        "tshark",
        "python3-prometheus-client",
        "nftables",
        "iperf3",
        "procps",
        "kmod",
        "python3",
        "ethtool",
        "netcat-openbsd",
        "socat",
        "jq",
        // Reads the metrics.
        "prometheus",
    ],
    left_out: &["man", "locale", "doc"],
    hook: include_str!("peers-hook.sh"),
    as_directory: true,
};

/// Debian as a cloud image has it, without what makes it fit for a cloud (cloud-init, a boot loader, a network's
/// configuration).
pub const PLAIN: Recipe = Recipe {
    name: "plain",
    about: "a plain Debian with systemd; about two minutes",
    packages: &[
        "systemd",
        "systemd-sysv",
        "udev",
        "dbus",
        "libpam-systemd",
        "linux-image-cloud-amd64",
        "initramfs-tools",
        "openssh-server",
        "sudo",
        "iproute2",
        "iputils-ping",
        "netbase",
        "kmod",
        "procps",
        "less",
        "man-db",
        "bash-completion",
    ],
    left_out: &[],
    hook: include_str!("plain-hook.sh"),
    as_directory: false,
};

/// A finished root.
#[derive(Debug, Clone)]
pub struct Root {
    /// The root as a directory, for network namespaces. Only where the recipe wants it.
    pub directory: PathBuf,
    /// The root as an ext4 image, for virtual machines. Never written.
    pub image: PathBuf,
    /// The guest's kernel.
    pub kernel: PathBuf,
}

impl Root {
    /// The root of `recipe`, built if it is not there yet.
    pub fn get(paths: &Paths, recipe: &Recipe) -> Result<Self> {
        let mut hash = DefaultHasher::new();
        (SUITE, DISK, recipe, Uid::effective().is_root()).hash(&mut hash);
        let kin = format!("root-{}-", recipe.name);
        let home = paths.lab.join(format!("{kin}{:016x}", hash.finish()));
        let root = Self {
            directory: home.join("root"),
            image: home.join("root.img"),
            kernel: home.join("vmlinuz"),
        };

        let _lock = paths.lock(&format!("root-{}", recipe.name))?;
        if !home.exists() {
            paths.forget(&kin)?;
            build(paths, recipe, &home)?;
        }
        Ok(root)
    }
}

/// Builds in a directory beside, so that an interrupted build leaves nothing that looks finished. One of this process's own:
/// the mmdebstrap of a lab that was killed may go on for a while.
fn build(paths: &Paths, recipe: &Recipe, home: &Path) -> Result<()> {
    println!(
        "lab: building the root \"{}\" ({})",
        recipe.name, recipe.about
    );
    let start = Instant::now();
    let kin = format!("unfinished-{}-", recipe.name);
    paths.forget(&kin)?;
    let unfinished = paths.fresh(&format!("{kin}{}", std::process::id()))?;
    let log = unfinished.join("mmdebstrap.log");
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.arg(if Uid::effective().is_root() {
        "--mode=root"
    } else {
        "--mode=unshare"
    });
    mmdebstrap
        .arg("--variant=minbase")
        .arg(format!("--include={}", recipe.packages.join(",")));
    for unused in recipe.left_out {
        mmdebstrap.arg(format!("--dpkgopt=path-exclude=/usr/share/{unused}/*"));
    }
    mmdebstrap
        .arg(format!("--customize-hook={}", recipe.hook))
        .arg(SUITE)
        .arg(unfinished.join("root.tar"));
    run_logged(&mut mmdebstrap, &log)?;

    let mut pack = as_root(recipe.as_directory);
    pack.args(["sh", "-euc", PACK, DISK])
        .current_dir(&unfinished);
    pack.env("PATH", sbin_path());
    if recipe.as_directory {
        pack.env("KEEP", "1");
        if !Uid::effective().is_root() {
            pack.env("OWNER", "--no-same-owner");
        }
    }
    run_logged(&mut pack, &log)?;
    std::fs::rename(&unfinished, home)
        .with_context(|| format!("moving the root to {}", home.display()))?;
    println!(
        "lab: the root \"{}\" is built ({:.0} s)",
        recipe.name,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// From `root.tar` to the disk and the kernel beside it. `$0` is the disk's size.
const PACK: &str = "
mkdir root
tar ${OWNER:-} --xattrs --xattrs-include='*' -xpf root.tar -C root --exclude='./dev/*'
mke2fs -q -t ext4 -d root root.img \"$0\"
cp root/boot/vmlinuz* vmlinuz
chmod 644 vmlinuz
rm root.tar
[ -n \"${KEEP:-}\" ] || rm -rf root";

/// A command that sees itself as root. `alone`: of an ordinary user's no other than root is seen, so that all files are
/// the user's.
fn as_root(alone: bool) -> Command {
    if Uid::effective().is_root() {
        return Command::new("env");
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user"]);
    if !alone {
        unshare.arg("--map-auto");
    }
    unshare
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

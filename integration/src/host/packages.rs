//! The host's packages: which are missing, why each is needed, and their installation.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

/// A Debian or Ubuntu package that the host must have.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Its name for apt.
    pub name: &'static str,
    /// What it is needed for.
    pub why: &'static str,
    /// What is there once it is installed: a program's name, or a file's absolute path.
    pub(super) present: &'static str,
}

/// What every way needs.
pub const ALWAYS: &[Package] = &[
    Package {
        name: "iproute2",
        why: "asks this kernel whether it has ESP",
        present: "ip",
    },
    Package {
        name: "mmdebstrap",
        why: "builds the guest's root from Debian's packages",
        present: "mmdebstrap",
    },
    Package {
        name: "e2fsprogs",
        why: "makes the guest's disks",
        present: "mke2fs",
    },
    Package {
        name: "ca-certificates",
        why: "downloads over TLS, where a mirror wants it",
        present: "/etc/ssl/certs/ca-certificates.crt",
    },
    Package {
        name: "debian-archive-keyring",
        why: "verifies the guest's packages",
        present: "/usr/share/keyrings/debian-archive-keyring.gpg",
    },
];

/// What an ordinary user needs on top.
pub const ROOTLESS: &[Package] = &[Package {
    name: "uidmap",
    why: "lets an ordinary user build the guest's root",
    present: "newuidmap",
}];

/// What a virtual machine needs on top.
pub const VIRTUAL_MACHINE: &[Package] = &[Package {
    name: "qemu-system-x86",
    why: "runs the guest's kernel, which has ESP",
    present: "qemu-system-x86_64",
}];

/// Installs what is missing of `packages`. As an ordinary user: says which line to run as root, and stops.
pub fn require(packages: &[Package]) -> Result<()> {
    let missing: Vec<Package> = packages
        .iter()
        .copied()
        .filter(|package| !is_present(package.present))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("lab: this machine lacks:");
    for package in &missing {
        println!("lab:   {:<24} {}", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let line = format!(
        "apt-get install -y --no-install-recommends {}",
        names.join(" ")
    );
    if !Uid::effective().is_root() {
        bail!("only root can install packages. Run this, then try again:\n\n    sudo {line}\n");
    }
    if !is_present("apt-get") {
        bail!(
            "the lab installs Debian's or Ubuntu's packages, and there is no apt-get here. Install by hand: {}",
            names.join(" ")
        );
    }
    println!("lab: running {line}");
    // A new machine upgrades itself in its first minutes: that is waited for.
    const PATIENT: [&str; 3] = ["-q", "-o", "DPkg::Lock::Timeout=600"];
    apt(&[&["update"][..], &PATIENT].concat())?;
    let mut arguments = [&["install", "-y", "--no-install-recommends"][..], &PATIENT].concat();
    arguments.extend(&names);
    apt(&arguments)?;
    match missing.iter().find(|package| !is_present(package.present)) {
        None => Ok(()),
        Some(package) => bail!(
            "{} is installed, but {} is still not there",
            package.name,
            package.present
        ),
    }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        .output()
        .context("starting apt-get")?;
    if !output.status.success() {
        bail!(
            "apt-get {} failed ({}):\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Whether `what`, a program's name or an absolute path, is on this machine. Programs of /sbin count, whoever asks.
#[must_use]
pub fn is_present(what: &str) -> bool {
    if what.starts_with('/') {
        return Path::new(what).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(what).is_file())
}

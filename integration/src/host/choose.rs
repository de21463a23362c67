//! Which kernel does the ESP work: the best that this machine has, found by trying, and said aloud.

use std::fmt;
use std::process::{Command, Stdio};

use anyhow::Result;
use clap::ValueEnum;
use nix::unistd::Uid;

use super::paths::Paths;
use super::{packages, root::Root, vm};

/// A way to a kernel with ESP, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// This machine's own kernel, in network namespaces.
    Namespaces,
    /// A virtual machine with KVM.
    Kvm,
    /// An emulated virtual machine (QEMU's TCG): works everywhere, several times slower.
    Tcg,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces if Uid::effective().is_root() => {
                "network namespaces of this machine's kernel"
            }
            Self::Namespaces => "rootless network namespaces of this machine's kernel",
            Self::Kvm => "a virtual machine with KVM",
            Self::Tcg => "an emulated virtual machine (TCG)",
        })
    }
}

/// What this machine's own kernel answers when an unshared network namespace asks it for ESP.
///
/// # Errors
/// Why it cannot be used, in the words of `unshare` or `ip`.
pub fn own_kernel_has_esp() -> Result<(), String> {
    let mut probe = Command::new("unshare");
    if !Uid::effective().is_root() {
        probe.args(["--user", "--map-root-user"]);
    }
    let words = "--net --mount --pid --fork ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 \
        mode tunnel aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128";
    probe.args(words.split_whitespace());
    match probe.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr)
            .trim()
            .replace('\n', " ")),
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// Takes the first of the virtual machines that comes up: KVM, proven by a short boot, then TCG.
pub fn virtual_machine(paths: &Paths, root: &Root) -> Result<Way> {
    packages::require(packages::VIRTUAL_MACHINE)?;
    match vm::kvm_comes_up(paths, root) {
        Ok(()) => Ok(Way::Kvm),
        Err(why) => {
            println!("lab: no KVM: {why}");
            Ok(Way::Tcg)
        }
    }
}

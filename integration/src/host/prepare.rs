//! Everything that must be there before a job can run: packages, root, way and programs.

use anyhow::{Context, Result};
use nix::unistd::Uid;

use super::build::{self, Executable};
use super::choose::{self, Way};
use super::packages::{self, Package};
use super::paths::Paths;
use super::root::{self, Root};
use super::vm::First;

/// A lab that can run jobs.
#[derive(Debug)]
pub struct Lab {
    /// The directories of this checkout.
    pub paths: Paths,
    /// The guest's root.
    pub root: Root,
    /// The kernel that was chosen.
    pub way: Way,
    /// The first process of a virtual machine.
    pub first: First,
    /// `ikd`, `ikctl`, `lab-guest`.
    pub programs: Vec<Executable>,
}

/// The guest without our programs in it yet.
#[derive(Debug)]
pub struct Guest {
    root: Root,
    way: Way,
    first: First,
}

/// Installs what is missing, then builds the guest and the programs side by side. `wanted` overrides the choice.
pub fn lab(paths: &Paths, wanted: Option<Way>) -> Result<Lab> {
    lab_with(paths, || guest(paths, wanted))
}

/// Likewise with a plain Debian.
pub fn plain_lab(paths: &Paths, wanted: Option<Way>) -> Result<Lab> {
    lab_with(paths, || plain_guest(paths, wanted))
}

fn lab_with(paths: &Paths, guest: impl FnOnce() -> Result<Guest> + Send) -> Result<Lab> {
    packages::require(&host_packages())?;
    let (guest, programs) = std::thread::scope(|scope| {
        let guest = scope.spawn(guest);
        let programs = build::programs(paths);
        (guest.join(), programs)
    });
    let guest =
        guest.map_err(|_| anyhow::anyhow!("the thread that builds the guest panicked"))??;
    Ok(guest.with(paths, programs?))
}

/// The host's packages that every way needs.
#[must_use]
pub fn host_packages() -> Vec<Package> {
    let of_user: &[Package] = if Uid::effective().is_root() {
        &[]
    } else {
        packages::ROOTLESS
    };
    [packages::ALWAYS, of_user].concat()
}

/// Builds the guest's root and chooses its kernel.
pub fn guest(paths: &Paths, wanted: Option<Way>) -> Result<Guest> {
    let own_kernel = choose::own_kernel_has_esp();
    let root = Root::get(paths, &root::PEERS).context("the guest's root")?;
    let way = match (wanted, own_kernel) {
        (Some(way), _) => {
            if way != Way::Namespaces {
                packages::require(packages::VIRTUAL_MACHINE)?;
            }
            way
        }
        (None, Ok(())) => Way::Namespaces,
        (None, Err(why)) => {
            println!("lab: this machine's own kernel cannot be used: {why}");
            choose::virtual_machine(paths, &root)?
        }
    };
    println!("lab: the guest's kernel: {way}");
    Ok(Guest {
        root,
        way,
        first: First::Lab,
    })
}

/// Builds the root of a plain Debian and chooses how its virtual machine runs: a service manager and a kernel of one's own
/// are what it is for, so there is no other way.
pub fn plain_guest(paths: &Paths, wanted: Option<Way>) -> Result<Guest> {
    let root = Root::get(paths, &root::PLAIN).context("the plain guest's root")?;
    let way = match wanted {
        Some(way @ (Way::Kvm | Way::Tcg)) => {
            packages::require(packages::VIRTUAL_MACHINE)?;
            way
        }
        _ => choose::virtual_machine(paths, &root)?,
    };
    println!("lab: the plain guest: {way}");
    Ok(Guest {
        root,
        way,
        first: First::Systemd,
    })
}

impl Guest {
    /// The lab, once the programs are built.
    #[must_use]
    pub fn with(&self, paths: &Paths, programs: Vec<Executable>) -> Lab {
        Lab {
            paths: paths.clone(),
            root: self.root.clone(),
            way: self.way,
            first: self.first,
            programs,
        }
    }
}

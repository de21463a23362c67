//! Everything that must be there before a job can run: packages, root, way and programs.

use anyhow::{Context, Result};
use nix::unistd::Uid;

use super::build::{self, Executable};
use super::choose::{self, Way};
use super::packages;
use super::paths::Paths;
use super::root::Root;

/// A lab that can run jobs.
#[derive(Debug)]
pub struct Lab {
    /// The directories of this checkout.
    pub paths: Paths,
    /// The guest's root.
    pub root: Root,
    /// The kernel that was chosen.
    pub way: Way,
    /// `ikd`, `ikctl`, `lab-guest`.
    pub programs: Vec<Executable>,
}

/// The guest without our programs in it yet.
#[derive(Debug)]
pub struct Guest {
    root: Root,
    way: Way,
}

/// Installs what is missing, then builds the guest and the programs side by side. `wanted` overrides the choice.
pub fn lab(paths: &Paths, wanted: Option<Way>) -> Result<Lab> {
    host_packages()?;
    let (guest, programs) = std::thread::scope(|scope| {
        let guest = scope.spawn(|| guest(paths, wanted));
        let programs = build::programs(paths);
        (guest.join(), programs)
    });
    let guest =
        guest.map_err(|_| anyhow::anyhow!("the thread that builds the guest panicked"))??;
    Ok(guest.with(paths, programs?))
}

/// Installs the host's packages that every way needs.
pub fn host_packages() -> Result<()> {
    packages::require(packages::ALWAYS)?;
    if Uid::effective().is_root() {
        Ok(())
    } else {
        packages::require(packages::ROOTLESS)
    }
}

/// Builds the guest's root and chooses its kernel.
pub fn guest(paths: &Paths, wanted: Option<Way>) -> Result<Guest> {
    let own_kernel = choose::own_kernel_has_esp();
    let root = Root::get(paths).context("the guest's root")?;
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
    Ok(Guest { root, way })
}

impl Guest {
    /// The lab, once the programs are built.
    #[must_use]
    pub fn with(self, paths: &Paths, programs: Vec<Executable>) -> Lab {
        Lab {
            paths: paths.clone(),
            root: self.root,
            way: self.way,
            programs,
        }
    }
}

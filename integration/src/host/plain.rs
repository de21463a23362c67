//! The stages on plain machines: the package's life, the pair of gateways, and whether Vagrant takes its file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::paths::{Paths, empty};
use super::prepare::Lab;
use super::run::Luggage;
use super::tally::Tally;
use super::{package, packages, pair};
use crate::guest::package::{NEXT_PACKAGE, PACKAGE};
use crate::guest::pair::PROVISION;
use crate::job::Job;

/// A machine whose tests have not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// What Vagrant runs on its machines, and the pair's tests on theirs.
const PROVISION_SCRIPT: &str = "packaging/vagrant/provision.sh";

/// Runs the package's life in a plain machine. Returns whether nothing failed.
pub fn package_life(paths: &Paths, lab: &Lab, tally: &mut Tally) -> Result<bool> {
    let package = package::build(paths, "1")?;
    let next = with_higher_version(paths, &package)?;
    let luggage = Luggage {
        files: vec![(package, PACKAGE.into()), (next, NEXT_PACKAGE.into())],
    };
    let job = Job {
        command: vec!["lab-guest".to_owned(), "package".to_owned()],
        env: Vec::new(),
    };
    let (status, _) = lab.run_into("package", &job, &luggage, LIMIT, tally)?;
    Ok(status == 0)
}

/// Runs the tests of two gateways on a wire. Returns whether nothing failed.
pub fn pair_of_gateways(paths: &Paths, lab: &Lab, tally: &mut Tally) -> Result<bool> {
    let luggage = Luggage {
        files: vec![
            (package::build(paths, "1")?, PACKAGE.into()),
            (paths.workspace.join(PROVISION_SCRIPT), PROVISION.into()),
        ],
    };
    pair::run(paths, lab, &luggage, tally)
}

/// Whether Vagrant takes the Vagrantfile; `None` where there is no Vagrant.
pub fn vagrantfile_is_valid(paths: &Paths) -> Result<Option<bool>> {
    if !packages::is_present("vagrant") {
        return Ok(None);
    }
    let mut vagrant = Command::new("vagrant");
    vagrant
        .args(["validate", "--ignore-provider"])
        .current_dir(&paths.workspace)
        .stdin(Stdio::null());
    // What it keeps about a checkout and a user is none of theirs.
    vagrant
        .env("VAGRANT_DOTFILE_PATH", paths.lab.join("vagrant"))
        .env("VAGRANT_HOME", paths.lab.join("vagrant-home"));
    let status = vagrant.status().context("starting vagrant")?;
    Ok(Some(status.success()))
}

/// The same package with another version, which apt takes for an upgrade.
fn with_higher_version(paths: &Paths, package: &Path) -> Result<PathBuf> {
    let tree = paths.lab.join("next-package");
    empty(&tree)?;
    let next = paths.lab.join(NEXT_PACKAGE);
    let dpkg_deb = |arguments: &[&std::ffi::OsStr]| -> Result<()> {
        let output = Command::new("dpkg-deb")
            .args(arguments)
            .output()
            .context("starting dpkg-deb")?;
        if !output.status.success() {
            bail!("dpkg-deb: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    dpkg_deb(&[
        "--raw-extract".as_ref(),
        package.as_os_str(),
        tree.as_os_str(),
    ])?;
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control)?;
    let lines = text
        .lines()
        .map(|line| match line.strip_prefix("Version: ") {
            Some(version) => format!("Version: {version}+next\n"),
            None => format!("{line}\n"),
        });
    std::fs::write(&control, lines.collect::<String>())?;
    dpkg_deb(&[
        "--root-owner-group".as_ref(),
        "-Zgzip".as_ref(),
        "--build".as_ref(),
        tree.as_os_str(),
        next.as_os_str(),
    ])?;
    Ok(next)
}

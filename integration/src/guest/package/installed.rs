//! What the package brings.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::world::World;
use crate::guest::shell::well;

pub(super) fn groups_and_directories(_: &mut World) -> Result<()> {
    for group in ["ikd", "ikd-admin"] {
        well(&format!("getent group {group}"))?;
    }
    let about = std::fs::metadata("/etc/ikd").context("/etc/ikd")?;
    ensure!(about.is_dir(), "/etc/ikd is no directory");
    let mode = about.permissions().mode() & 0o7777;
    ensure!(
        mode & 0o027 == 0,
        "/etc/ikd has mode {mode:o}: others than root can read or write there"
    );
    ensure!(about.uid() == 0, "/etc/ikd belongs to user {}", about.uid());
    Ok(())
}

pub(super) fn documentation(_: &mut World) -> Result<()> {
    for page in ["ikd", "ikctl"] {
        let text = well(&format!("MANWIDTH=80 man {page} 2>&1"))?;
        ensure!(
            text.contains("NAME") && text.contains("SYNOPSIS") && !text.contains("warning"),
            "`man {page}` shows:\n{text}"
        );
    }
    for program in ["ikctl", "ikd"] {
        for file in [
            format!("/usr/share/bash-completion/completions/{program}"),
            format!("/usr/share/zsh/vendor-completions/_{program}"),
            format!("/usr/share/fish/vendor_completions.d/{program}.fish"),
        ] {
            ensure!(Path::new(&file).exists(), "there is no {file}");
        }
    }
    let completed = well(
        "bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/ikctl; \
         COMP_WORDS=(ikctl relo) COMP_CWORD=1; _ikctl ikctl relo ikctl; echo ${COMPREPLY[@]}'",
    )?;
    ensure!(
        completed.trim() == "reload",
        "`ikctl relo<TAB>` became `{}`",
        completed.trim()
    );
    // As /etc/ikd/README says, but for openssl, which a plain machine lacks.
    well(
        "cd /etc/ikd && (umask 077; head -c 32 /dev/urandom | base64 > branch.psk) \
         && cp /usr/share/doc/ikd/examples/site-to-site/hq.yaml branch.yaml && ikctl check /etc/ikd",
    )?;
    well("rm /etc/ikd/branch.psk /etc/ikd/branch.yaml").map(drop)
}

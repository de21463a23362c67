//! The life of the package on a plain Debian with systemd, from its installation to its purge.
//!
//! ```text
//!   apt install -> one file -> start -> reload -> hang, kill -> upgrade -> remove -> install -> stop -> upgrade -> purge
//! ```
//!
//! One machine lives through all of it, so the order matters: what fails early makes the rest fail. The gateway under test is
//! headquarters, with the package's own programs; the branch is the lab's ikd in a network namespace.

mod installed;
mod life;
mod running;
mod world;

use anyhow::Result;

use super::count::Count;
use world::World;

/// The package in the job's files.
pub const PACKAGE: &str = "ikd.deb";
/// The same with a higher version.
pub const NEXT_PACKAGE: &str = "ikd-next.deb";

type Shows = fn(&mut World) -> Result<()>;

/// The tests, in their order.
const TESTS: &[(&str, Shows)] = &[
    ("apt_installs_it_enabled_and_not_failed", life::installs),
    (
        "brings_groups_and_directories_for_root_alone",
        installed::groups_and_directories,
    ),
    (
        "brings_manuals_completions_and_examples",
        installed::documentation,
    ),
    (
        "a_start_without_a_policy_says_what_is_missing",
        life::start_without_a_policy,
    ),
    ("one_file_and_a_start_bring_the_tunnel_up", life::starts),
    (
        "the_journal_tells_of_what_by_fields",
        running::journal_has_fields,
    ),
    ("the_sandbox_is_on", running::sandbox_is_on),
    (
        "members_of_ikd_look_and_those_of_ikd_admin_change",
        running::roles,
    ),
    (
        "a_reload_takes_a_good_policy_and_refuses_a_bad_one",
        running::reloads,
    ),
    ("a_daemon_that_hangs_is_started_anew", running::watchdog),
    ("a_daemon_that_was_killed_is_started_anew", running::killed),
    (
        "an_upgrade_keeps_the_policy_and_the_daemon_running",
        life::upgrades,
    ),
    (
        "removal_keeps_the_policy_and_leaves_the_kernel_empty",
        life::removal,
    ),
    (
        "installed_again_after_a_removal_it_runs_again",
        life::installs_again,
    ),
    (
        "an_upgrade_does_not_start_what_was_stopped",
        life::upgrades_while_stopped,
    ),
    (
        "purge_leaves_what_the_administrator_wrote_and_no_more",
        life::purge,
    ),
];

/// Whether `--only` with this part of a name means any of these tests. They run all or none.
#[must_use]
pub fn is_meant_by(only: &str) -> bool {
    TESTS.iter().any(|(name, _)| full_name(name).contains(only))
}

/// Runs the tests, and returns whether none failed.
pub fn run() -> Result<bool> {
    let mut world = World::create()?;
    let mut count = Count::default();
    for (name, shows) in TESTS {
        count.test(&full_name(name), || shows(&mut world));
    }
    Ok(count.close())
}

fn full_name(name: &str) -> String {
    format!("package::{name}")
}

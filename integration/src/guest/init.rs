//! The guest's first process, in a virtual machine or in namespaces: arranges the file systems, runs the job, says how
//! it ended.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::peers::eventually;
use crate::job::{self, Job, LAB, OUT, SEARCH_PATH};

/// The kernel's modules that are not loaded by asking for them.
const MODULES: &[&str] = &["esp4", "esp6", "xfrm_user", "xfrm_interface", "af_key"];

/// The virtio ports that take the job's standard output and standard error.
const PORTS: [&str; 2] = ["lab.stdout", "lab.stderr"];
/// The result's disk where udev names it.
const RESULT_DISK: &str = "/dev/disk/by-id/virtio-result";

/// As the first process of a virtual machine: runs the job of `/lab` and powers off.
pub fn virtual_machine() -> Result<()> {
    let result = virtual_machine_job();
    if let Err(error) = &result {
        eprintln!("lab-guest: {error:#}");
    }
    nix::unistd::sync();
    reboot(RebootMode::RB_POWER_OFF)?;
    result
}

fn virtual_machine_job() -> Result<()> {
    for directory in ["/run", "/tmp", OUT] {
        mount_at("tmpfs", directory, "mode=1777")?;
    }
    prepare_run()?;
    std::fs::create_dir_all("/dev/pts")?;
    mount_at("devpts", "/dev/pts", "ptmxmode=666")?;
    std::fs::create_dir_all("/dev/shm")?;
    mount_at("tmpfs", "/dev/shm", "mode=1777")?;
    for (link, to) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let _ = std::os::unix::fs::symlink(to, Path::new("/dev").join(link));
    }
    nix::unistd::sethostname("lab")?;
    let modules = Command::new("modprobe")
        .env("PATH", SEARCH_PATH)
        .arg("-a")
        .args(MODULES)
        .status();
    if !modules.is_ok_and(|status| status.success()) {
        eprintln!("lab-guest: not every kernel module could be loaded; see above");
    }
    run_and_report("/dev/lab-result")
}

/// As a unit of systemd's, in a virtual machine: runs the job of `/lab` and powers off, units unstopped.
pub fn serve() -> Result<()> {
    let result = mount_at("tmpfs", OUT, "mode=1777")
        .and_then(|()| devices_are_there())
        .and_then(|()| run_and_report(RESULT_DISK));
    if let Err(error) = &result {
        eprintln!("lab-guest: {error:#}");
    }
    nix::unistd::sync();
    reboot(RebootMode::RB_POWER_OFF)?;
    result
}

/// udev finds the job's disk, which this process comes from, before or after the others.
fn devices_are_there() -> Result<()> {
    let there = eventually(Duration::from_secs(30), || {
        Path::new(RESULT_DISK).exists() && PORTS.iter().all(|name| port(name).is_ok())
    });
    anyhow::ensure!(there, "{RESULT_DISK} or a virtio port is missing");
    Ok(())
}

/// Runs the job with its output to the host, and leaves its status and files on the result's disk.
fn run_and_report(disk: &str) -> Result<()> {
    let [stdout, stderr] = PORTS.map(port);
    let status = run_job(Some((stdout?, stderr?)))?;
    job::write_status(Path::new(OUT), status)?;
    let disk = OpenOptions::new()
        .write(true)
        .open(disk)
        .context("opening the result's disk")?;
    let packed = Command::new("tar")
        .env("PATH", SEARCH_PATH)
        .args(["-C", OUT, "-cf", "-", "."])
        .stdout(disk)
        .status()?;
    anyhow::ensure!(packed.success(), "packing {OUT} failed: {packed}");
    Ok(())
}

/// As the first process of fresh mount, network and process namespaces: makes `root` the root, runs the job of `lab`,
/// leaves its files in `out`. `root` itself is not changed.
pub fn contain(root: &Path, lab: &Path, out: &Path) -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .context("making the mounts private")?;
    // The upper layer, where the job's changes go, lives in memory that only these namespaces see.
    let layers = root.with_file_name("layers");
    mount_at("tmpfs", &layers, "mode=755")?;
    let [upper, work, new_root] = ["upper", "work", "root"].map(|name| layers.join(name));
    for directory in [&upper, &work, &new_root] {
        std::fs::create_dir(directory)?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        root.display(),
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        &new_root,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .context("laying a writable layer over the guest's root")?;
    let bind = |from: &Path, to: &str| {
        let target = new_root.join(to.trim_start_matches('/'));
        mount(
            Some(from),
            &target,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
        .with_context(|| format!("mounting {} at {}", from.display(), target.display()))
    };
    bind(Path::new("/dev"), "/dev")?;
    bind(lab, LAB)?;
    bind(out, OUT)?;
    std::env::set_current_dir(&new_root)?;
    nix::unistd::chroot(".")?;
    std::env::set_current_dir("/")?;
    mount_at("proc", "/proc", "")?;
    mount_at("sysfs", "/sys", "")?;
    for directory in ["/run", "/tmp"] {
        mount_at("tmpfs", directory, "mode=1777")?;
    }
    prepare_run()?;
    nix::unistd::sethostname("lab")?;
    let status = run_job(None)?;
    job::write_status(Path::new(OUT), status)
}

/// What packages expect below the empty /run.
fn prepare_run() -> Result<()> {
    for directory in ["/run/netns", "/run/lock"] {
        std::fs::create_dir_all(directory)?;
    }
    Ok(())
}

fn mount_at(kind: &str, directory: impl AsRef<Path>, options: &str) -> Result<()> {
    let directory = directory.as_ref();
    std::fs::create_dir_all(directory)
        .with_context(|| format!("making {}", directory.display()))?;
    mount(
        Some(kind),
        directory,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    )
    .with_context(|| format!("mounting {kind} at {}", directory.display()))
}

/// Runs the job of [`LAB`] and returns its exit status.
fn run_job(output: Option<(File, File)>) -> Result<u8> {
    let job = Job::read(Path::new(LAB))?;
    let (program, arguments) = job
        .command
        .split_first()
        .context("the job has no command")?;
    // The standard library looks along this process's path, not the child's.
    let mut command = Command::new("/usr/bin/env");
    command
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .env("USER", "root");
    command
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .arg(program)
        .args(arguments);
    command.current_dir("/").stdin(Stdio::null());
    if let Some((stdout, stderr)) = output {
        command.stdout(stdout).stderr(stderr);
    }
    let job = command.spawn().context("starting the job")?;
    bury_until(Pid::from_raw(job.id().try_into()?))
}

/// A first process inherits every orphan and must bury it: a script that waits for a daemon to go would wait for ever.
/// Ends with `job`, whose exit status it returns as a shell would tell it.
fn bury_until(job: Pid) -> Result<u8> {
    loop {
        match waitpid(None, None).context("waiting for the job")? {
            WaitStatus::Exited(pid, code) if pid == job => {
                return Ok(u8::try_from(code).unwrap_or(u8::MAX));
            }
            WaitStatus::Signaled(pid, signal, _) if pid == job => return Ok(128 + signal as u8),
            _ => {}
        }
    }
}

/// Whether this is a machine of the lab's own, with a clock that is nobody else's.
#[must_use]
pub fn is_virtual_machine() -> bool {
    PORTS.iter().all(|name| port_file(name).is_ok())
}

/// Opens the virtio port called `name`.
fn port(name: &str) -> Result<File> {
    let device = port_file(name)?;
    OpenOptions::new()
        .write(true)
        .open(&device)
        .with_context(|| format!("opening {}", device.display()))
}

/// The device of the virtio port called `name`.
fn port_file(name: &str) -> Result<PathBuf> {
    for entry in std::fs::read_dir("/sys/class/virtio-ports").context("looking for virtio ports")? {
        let entry = entry?;
        if std::fs::read_to_string(entry.path().join("name"))?.trim() == name {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    anyhow::bail!("there is no virtio port called {name}")
}

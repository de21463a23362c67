//! The guest as a virtual machine: QEMU with the root's own kernel, no initramfs, three disks and two pipes.
//!
//! | device | carries |
//! |---|---|
//! | `nvme0n1` | the root; what the guest writes is thrown away |
//! | virtio disk `job` | `job.json`, `bin/`, `files/`, read-only |
//! | virtio disk `result` | the guest writes `/out` there as a tar archive before it powers off |
//! | virtio ports `stdout`, `stderr` | the job's output, byte for byte, as it appears |
//! | `ttyS0` | the kernel's messages, into a file that is shown when the guest dies |

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::choose::Way;
use super::paths::{Paths, empty};
use super::root::{Root, sbin_path};
use super::run::{attend, wait};
use crate::job;

/// What the guest's kernel starts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The lab's own: it runs the job and nothing else.
    Lab,
    /// systemd, which runs the job as a unit after all others.
    Systemd,
    /// A program that ends at once, to see whether the guest comes up.
    Nothing,
}

/// A virtual machine.
#[derive(Debug)]
pub struct Machine<'a> {
    /// With KVM or without.
    pub way: Way,
    /// Its root.
    pub root: &'a Root,
    /// Its first process.
    pub first: First,
    /// Its processors.
    pub processors: u8,
    /// Its network cards.
    pub wires: &'a [Wire],
    /// Where the sockets of its wires are. QEMU is started there: a socket's address has no room for a long path.
    pub directory: &'a Path,
}

/// A network card and the cable to the other machine: what one sends to its socket the other receives, and nobody else.
#[derive(Debug)]
pub struct Wire {
    /// The card's address, by which the guest finds it.
    pub hardware_address: &'static str,
    /// This end's socket, a file name in the directory where both run.
    pub near: String,
    /// The other end's.
    pub far: String,
    /// Where everything that passes is written, as a capture.
    pub capture: Option<PathBuf>,
}

/// Size of the disk that carries the result back (the file is sparse).
const RESULT_BYTES: u64 = 1 << 30;
const MEMORY: &str = "2048";
/// What a plain Debian would start and no test asks for: named on the kernel's command line, so that the root stays plain.
const MASKED: &[&str] = &[
    "ssh.service",
    "man-db.timer",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
];
/// What the kernel's panic says of a first process that ended with success.
const INIT_ENDED_WELL: &str = "Attempted to kill init! exitcode=0x00000000";
/// A guest that KVM really runs is up in two seconds.
const PROBE_LIMIT: Duration = Duration::from_secs(20);

impl Machine<'_> {
    fn command_line(&self) -> String {
        let fixed = "console=ttyS0 quiet panic=-1 root=/dev/nvme0n1 rw module_blacklist=kvm_amd";
        // A first process that ends is a panic, and that a reboot, which ends the machine.
        match self.first {
            First::Lab => format!("{fixed} init=/sbin/lab-init"),
            First::Nothing => format!("{fixed} init=/bin/true"),
            First::Systemd => MASKED.iter().fold(fixed.to_owned(), |line, unit| {
                format!("{line} systemd.mask={unit}")
            }),
        }
    }
}

/// Runs the job in `staging` until it ends or `limit` is over; what it leaves comes to `out`. Returns its exit status.
pub fn run(
    machine: &Machine<'_>,
    staging: &Path,
    out: &Path,
    scratch: &Path,
    limit: Duration,
    output: &mut (dyn Write + Send),
) -> Result<u8> {
    let job_disk = scratch.join("job.img");
    make_job_disk(staging, &job_disk)?;
    let result_disk = scratch.join("result.tar");
    File::create(&result_disk)?.set_len(RESULT_BYTES)?;
    let console = scratch.join("console.log");

    let mut qemu = qemu(machine, &console);
    for (name, disk, mode) in [
        ("job", &job_disk, "readonly=on"),
        // A full disk is the guest's error, which it tells, and no reason to stop it for ever, as QEMU would.
        ("result", &result_disk, "readonly=off,werror=report"),
    ] {
        qemu.arg("-drive").arg(format!(
            "file={},if=none,id={name},format=raw,{mode}",
            disk.display()
        ));
        qemu.arg("-device")
            .arg(format!("virtio-blk-pci,drive={name},serial={name}"));
    }
    qemu.args(["-device", "virtio-serial-pci"]);
    for (stream, descriptor) in [("stdout", 1), ("stderr", 2)] {
        qemu.arg("-chardev")
            .arg(format!("file,id={stream},path=/dev/fd/{descriptor}"));
        qemu.arg("-device")
            .arg(format!("virtserialport,chardev={stream},name=lab.{stream}"));
    }
    let ended = attend(&mut qemu, limit, output)?;

    empty(out)?;
    // An archive cut short still gives up the files before the cut.
    let _ = Command::new("tar")
        .arg("-xf")
        .arg(&result_disk)
        .arg("-C")
        .arg(out)
        .stderr(Stdio::null())
        .status();
    std::fs::remove_file(&result_disk)?;
    std::fs::remove_file(&job_disk)?;
    match job::read_status(out) {
        Some(status) => Ok(status),
        None if !ended => bail!(
            "the guest was stopped after {} minutes without an end; its console, {}, ends with:\n{}",
            limit.as_secs() / 60,
            console.display(),
            tail(&console)
        ),
        None => bail!(
            "the guest died; its console, {}, ends with:\n{}",
            console.display(),
            tail(&console)
        ),
    }
}

/// Whether KVM runs a guest here: a boot to the first process and down again, with a short limit. The answer is kept
/// until this machine boots again.
///
/// # Errors
/// Why there is no KVM.
pub fn kvm_comes_up(paths: &Paths, root: &Root) -> Result<(), String> {
    let _lock = (paths.lock("kvm-probe")).map_err(|error| format!("{error:#}"))?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let answer_file = paths.lab.join("kvm-probe");
    if let Ok(answer) = std::fs::read_to_string(&answer_file)
        && let Some(answer) = answer.strip_prefix(&boot)
    {
        return if answer.is_empty() {
            Ok(())
        } else {
            Err(answer.to_owned())
        };
    }
    let answer = probe_kvm(paths, root);
    let kept = format!("{boot}{}", answer.as_ref().err().map_or("", String::as_str));
    let _ = std::fs::write(answer_file, kept);
    answer
}

fn probe_kvm(paths: &Paths, root: &Root) -> Result<(), String> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return Err(format!("/dev/kvm: {error}"));
    }
    let console = paths.lab.join("kvm-probe.log");
    let machine = Machine {
        way: Way::Kvm,
        root,
        first: First::Nothing,
        processors: 2,
        wires: &[],
        directory: &paths.lab,
    };
    let mut qemu = qemu(&machine, &console);
    let mut guest = qemu
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("qemu-system-x86_64: {error}"))?;
    let ended = wait(&mut guest, PROBE_LIMIT).map_err(|error| error.to_string())?;
    if std::fs::read(&console)
        .is_ok_and(|text| String::from_utf8_lossy(&text).contains(INIT_ENDED_WELL))
    {
        Ok(())
    } else if ended {
        Err("/dev/kvm is there, but a probe guest died at once".to_owned())
    } else {
        Err(format!(
            "/dev/kvm is there, but a probe guest did not come up in {} s",
            PROBE_LIMIT.as_secs()
        ))
    }
}

/// QEMU with everything but the job's own devices.
fn qemu(machine: &Machine<'_>, console: &Path) -> Command {
    let (accelerator, cpu) = if machine.way == Way::Kvm {
        ("kvm", "host")
    } else {
        ("tcg,thread=multi", "max")
    };
    // A lab that is killed takes its guest along.
    let mut qemu = Command::new("setpriv");
    qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "q35",
    ]);
    qemu.args([
        "-accel",
        accelerator,
        "-cpu",
        cpu,
        "-smp",
        &machine.processors.to_string(),
        "-m",
        MEMORY,
    ]);
    qemu.arg("-kernel").arg(&machine.root.kernel);
    qemu.arg("-append").arg(machine.command_line());
    qemu.arg("-chardev")
        .arg(format!("file,id=console,path={}", console.display()));
    qemu.args([
        "-serial",
        "chardev:console",
        "-device",
        "virtio-rng-pci",
        "-device",
        "nvme,drive=root,serial=root",
    ]);
    qemu.arg("-drive").arg(format!(
        "file={},if=none,id=root,format=raw,snapshot=on",
        machine.root.image.display()
    ));
    for (number, wire) in machine.wires.iter().enumerate() {
        let Wire {
            hardware_address,
            near,
            far,
            capture,
        } = wire;
        qemu.arg("-netdev").arg(format!(
            "dgram,id=wire{number},local.type=unix,local.path={near},remote.type=unix,remote.path={far}"
        ));
        qemu.arg("-device").arg(format!(
            "virtio-net-pci,netdev=wire{number},mac={hardware_address}"
        ));
        if let Some(capture) = capture {
            qemu.arg("-object").arg(format!(
                "filter-dump,id=capture{number},netdev=wire{number},file={}",
                capture.display()
            ));
        }
    }
    qemu.current_dir(machine.directory).stdin(Stdio::null());
    qemu
}

fn make_job_disk(staging: &Path, disk: &Path) -> Result<()> {
    // Room for the file system's own tables, which grow with it.
    let mebibytes = directory_bytes(staging)? / (1 << 20) * 5 / 4 + 16;
    let _ = std::fs::remove_file(disk);
    let made = Command::new("mke2fs")
        .env("PATH", sbin_path())
        .args(["-q", "-t", "ext4", "-O", "^has_journal", "-d"])
        .arg(staging)
        .arg(disk)
        .arg(format!("{mebibytes}M"))
        .output()
        .context("starting mke2fs")?;
    if !made.status.success() {
        bail!(
            "mke2fs failed for the job's disk: {}",
            String::from_utf8_lossy(&made.stderr)
        );
    }
    Ok(())
}

fn directory_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            directory_bytes(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}

fn tail(console: &Path) -> String {
    let text = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

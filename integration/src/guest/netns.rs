//! A network namespace: run code, start daemons and read counters inside it.
//!
//! Starting a process takes 50 to 100 ms in an emulated guest, so what can be done in this process is done here, in
//! threads that enter the namespace. Each namespace stands in `/run/netns`, so `ip netns exec NAME` works on it too.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace with a name. Dropped, it is removed from `/run/netns`; the kernel forgets it with its last process.
#[derive(Debug)]
pub struct Namespace {
    /// Its name below `/run/netns`.
    pub name: String,
    handle: File,
}

impl Namespace {
    /// Makes an empty namespace with its loopback interface up.
    pub fn create(name: &str) -> Result<Self> {
        let file = Path::new("/run/netns").join(name);
        File::create(&file).with_context(|| format!("making {}", file.display()))?;
        let made = in_thread(|| -> Result<()> {
            unshare(CloneFlags::CLONE_NEWNET).context("unsharing the network")?;
            mount(
                Some("/proc/thread-self/ns/net"),
                &file,
                None::<&str>,
                MsFlags::MS_BIND,
                None::<&str>,
            )?;
            Ok(())
        });
        made.with_context(|| format!("making the network namespace {name}"))?;
        let namespace = Self {
            name: name.to_owned(),
            handle: File::open(&file)?,
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Runs `work` inside: sockets it opens and processes it starts belong here.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        in_thread(|| {
            setns(&self.handle, CloneFlags::CLONE_NEWNET)
                .expect("root may enter a network namespace that it made");
            work()
        })
    }

    /// Starts `command` inside.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.run(|| command.spawn())
            .with_context(|| format!("starting {program} in {}", self.name))
    }

    /// Runs `command` inside to its end, and returns what it wrote to its standard output.
    ///
    /// # Errors
    /// When it fails, with all that it wrote.
    pub fn output(&self, command: &mut Command) -> Result<String> {
        let output = self.run(|| command.stdin(Stdio::null()).output());
        let output = output.with_context(|| format!("starting {command:?} in {}", self.name))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        bail!(
            "{command:?} in {}: {}\n{stdout}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    }

    /// Runs `ip` with these words inside.
    pub fn ip(&self, words: &str) -> Result<String> {
        self.output(Command::new("ip").args(words.split_whitespace()))
    }

    /// Runs many lines of `ip` inside, in one process.
    pub fn ip_batch(&self, lines: &str) -> Result<()> {
        let mut ip = Command::new("ip");
        ip.args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.spawn(&mut ip)?;
        child
            .stdin
            .take()
            .context("ip's standard input")?
            .write_all(lines.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "ip -batch in {}: {}\n{lines}",
                self.name,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// Sets a kernel parameter of this namespace: `net/ipv4/ip_forward`.
    pub fn sysctl(&self, parameter: &str, value: &str) -> Result<()> {
        let file = Path::new("/proc/sys").join(parameter);
        self.run(|| std::fs::write(&file, value))
            .with_context(|| format!("writing {value} to {}", file.display()))
    }

    /// The kernel's XFRM counters in this namespace (`/proc/net/xfrm_stat`), by name.
    pub fn xfrm_counters(&self) -> Result<Counters> {
        let text = self
            .run(|| std::fs::read_to_string("/proc/thread-self/net/xfrm_stat"))
            .context("reading xfrm_stat")?;
        let counters = text.lines().filter_map(|line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        });
        Ok(Counters(counters.collect()))
    }

    /// The kernel's SAs as `ip` shows them, without keys.
    pub fn security_associations(&self) -> Result<String> {
        self.ip("-s xfrm state list nokeys")
    }

    /// The kernel's policies as `ip` shows them, without those that belong to sockets.
    pub fn policies(&self) -> Result<String> {
        self.ip("xfrm policy list nosock")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let file = Path::new("/run/netns").join(&self.name);
        let _ = umount2(&file, MntFlags::MNT_DETACH);
        let _ = std::fs::remove_file(file);
    }
}

/// XFRM counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// The counter called `name`, 0 if this kernel has none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Which counters grew since `earlier`, and by how much.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let grown = self
            .0
            .iter()
            .map(|(name, now)| (name.clone(), now.saturating_sub(earlier.get(name))));
        grown.filter(|(_, by)| *by > 0).collect()
    }
}

/// Namespaces belong to threads: what enters one does so in a thread of its own.
fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

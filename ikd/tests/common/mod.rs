//! Starting the real binary, in network namespaces of the test's own.

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod pki;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use ikapi::Call;
use ikapi::client::{Client, ClientError};
use serde_json::{Value, json};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// Set in the process that runs inside of the namespaces.
const INSIDE: &str = "IKD_TEST_INSIDE";

/// Runs a test in fresh network, mount and process namespaces: this test program is started again within them for this
/// one test. Everything in them ends with it. Without the privilege it says so and passes.
pub(crate) fn isolated(name: &str, test: impl FnOnce(&Path)) {
    if std::env::var_os(INSIDE).is_some() {
        let directory = PathBuf::from("/run/test");
        fs::create_dir_all(&directory).expect("a directory on our own /run");
        return test(&directory);
    }
    let namespaces = [
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    let mut user = vec!["--user", "--map-root-user"];
    if nix::unistd::geteuid().is_root() {
        user.clear();
    }
    let enter = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(&user)
            .args(namespaces)
            .args(["sh", "-ec", command]);
        unshare
    };
    let probe = "mount -t tmpfs tmpfs /run; ip link set lo up; ip netns add probe";
    match enter(probe).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return println!(
                "skipped: no namespaces here: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Err(error) => return println!("skipped: no unshare here: {error}"),
    }
    let program = std::env::current_exe().expect("our own path");
    let start =
        r#"mount -t tmpfs tmpfs /run; ip link set lo up; exec "$0" --exact "$1" --nocapture"#;
    let output = enter(start)
        .arg(program)
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .expect("started a moment ago");
    // It is this test, run elsewhere, and counts once: of a good run only what was skipped is worth repeating.
    let said = String::from_utf8_lossy(&output.stdout);
    // A benchmark has something to tell.
    let worth = |line: &&str| line.starts_with("skipped: ") || line.starts_with("told: ");
    for line in said.lines().filter(worth) {
        println!("{line}");
    }
    assert!(
        output.status.success(),
        "{name} failed in its namespaces:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a program that has to succeed.
pub(crate) fn run(line: &str) {
    let mut words = line.split_whitespace();
    let status = Command::new(words.next().expect("a program"))
        .args(words)
        .status();
    assert!(
        status.as_ref().is_ok_and(ExitStatus::success),
        "{line}: {status:?}"
    );
}

/// Two namespaces, `hq` with 192.0.2.1 and `branch` with 192.0.2.2.
pub(crate) fn wire() {
    for line in [
        "ip netns add hq",
        "ip netns add branch",
        "ip link add outer netns hq type veth peer name outer netns branch",
        "ip -n hq addr add 192.0.2.1/24 dev outer",
        "ip -n branch addr add 192.0.2.2/24 dev outer",
        "ip -n hq link set outer up",
        "ip -n branch link set outer up",
        "ip -n hq link set lo up",
        "ip -n branch link set lo up",
    ] {
        run(line);
    }
}

/// Writes a policy file that only its owner can read.
pub(crate) fn policy(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    path
}

/// What ikd said and how it ended.
pub(crate) fn ikd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ikd"))
        .args(arguments)
        .output()
        .expect("ikd starts")
}

/// A running ikd; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) control: PathBuf,
    pub(crate) log: PathBuf,
}

impl Daemon {
    /// Starts it, in a network namespace or here, and waits until it answers.
    pub(crate) fn start(
        directory: &Path,
        name: &str,
        namespace: Option<&str>,
        policy: &Path,
    ) -> Self {
        Self::start_with(directory, name, namespace, policy, &[])
    }

    /// As [`Self::start`], with more arguments.
    pub(crate) fn start_with(
        directory: &Path,
        name: &str,
        namespace: Option<&str>,
        policy: &Path,
        more: &[&str],
    ) -> Self {
        let daemon = Self::spawn_with(directory, name, namespace, policy, &[], more);
        daemon.wait("the daemon answers", || {
            daemon.try_call("Version", json!({})).is_ok()
        });
        daemon
    }

    pub(crate) fn spawn(
        directory: &Path,
        name: &str,
        namespace: Option<&str>,
        policy: &Path,
    ) -> Self {
        Self::spawn_in(directory, name, namespace, policy, &[])
    }

    /// With variables in its environment.
    pub(crate) fn spawn_in(
        directory: &Path,
        name: &str,
        namespace: Option<&str>,
        policy: &Path,
        environment: &[(&str, &str)],
    ) -> Self {
        Self::spawn_with(directory, name, namespace, policy, environment, &[])
    }

    fn spawn_with(
        directory: &Path,
        name: &str,
        namespace: Option<&str>,
        policy: &Path,
        environment: &[(&str, &str)],
        more: &[&str],
    ) -> Self {
        let state = directory.join(name);
        let control = state.join("control");
        let log = directory.join(format!("{name}.log"));
        let mut command = match namespace {
            None => Command::new(env!("CARGO_BIN_EXE_ikd")),
            Some(namespace) => {
                let mut ip = Command::new("ip");
                ip.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_ikd")]);
                ip
            }
        };
        command.envs(environment.iter().copied()).args([
            "--log-format",
            "json",
            "--log-level",
            "debug",
            "--watch",
            "1",
        ]);
        command
            .arg("--config")
            .arg(policy)
            .arg("--control")
            .arg(&control)
            .arg("--state-dir")
            .arg(&state)
            .args(more);
        let file = fs::File::create(&log).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("ikd starts");
        Self {
            child,
            control,
            log,
        }
    }

    /// Waits for something to become true; fails with the log if it does not.
    pub(crate) fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done() {
            assert!(
                Instant::now() < end,
                "not within {PATIENCE:?}: {what}\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The lines of the log with this event.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.log_text();
        let all = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        all.filter(|line| line["event"] == event).collect()
    }

    pub(crate) fn try_call(&self, method: &str, parameters: Value) -> Result<Value, ClientError> {
        let method = format!("{}.{method}", ikapi::INTERFACE);
        let call = json!({ "method": method, "parameters": parameters }).to_string();
        let call = Call::parse(call.as_bytes()).expect("a call that there is");
        Client::connect(&self.control, PATIENCE)?
            .call(&call.request, PATIENCE)
            .map(Value::Object)
    }

    pub(crate) fn call(&self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters)
            .unwrap_or_else(|error| panic!("{method}: {error}\n{}", self.log_text()))
    }

    /// The memory that it has, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(status).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        nix::sys::signal::kill(id, signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status;
            }
            assert!(
                Instant::now() < end,
                "ikd does not end\n{}",
                self.log_text()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

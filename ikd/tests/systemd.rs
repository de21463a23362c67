//! What systemd hears of the daemon (sd_notify(3)): a socket of the test's own stands in for it.

mod common;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use common::{Daemon, isolated, policy};
use nix::sys::signal::Signal;

const POLICY: &str = "\
version: 1
kernel: none
connections:
  branch:
    local:  { address: 127.0.0.1, id: hq.example.com }
    remote: { address: 198.51.100.7, id: branch.example.com }
    auth:   { psk: \"only-for-this-test-0123456789\" }
";

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// In the place of systemd.
struct Systemd(UnixDatagram);

impl Systemd {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a socket on our own /run");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Self(socket)
    }

    /// What is heard next.
    fn hears(&self) -> String {
        let mut buffer = [0; 512];
        let length = self.0.recv(&mut buffer).expect("the daemon says something");
        String::from_utf8(buffer[..length].to_vec()).expect("UTF-8")
    }

    /// Passes over what comes before it.
    fn hears_in_the_end(&self, what: &str) -> String {
        loop {
            let heard = self.hears();
            if heard.starts_with(what) {
                return heard;
            }
        }
    }
}

#[test]
fn systemd_hears_of_the_start_of_reloads_and_of_the_end() {
    isolated(
        "systemd_hears_of_the_start_of_reloads_and_of_the_end",
        |directory| {
            let path = directory.join("notify");
            let systemd = Systemd::new(&path);
            let file = policy(directory, "hq.yaml", POLICY);
            let environment = [("NOTIFY_SOCKET", path.to_str().expect("plain characters"))];
            let mut daemon = Daemon::spawn_in(directory, "hq", None, &file, &environment);
            let standing = "STATUS=connections: 0 of 1 up, Child SAs: 0";
            assert_eq!(systemd.hears(), standing);
            assert_eq!(systemd.hears(), "READY=1");

            daemon.signal(Signal::SIGHUP);
            let heard = systemd.hears();
            assert!(heard.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard}");
            assert_eq!(systemd.hears(), "READY=1");

            fs::write(&file, "version: 7\n").expect("written");
            daemon.signal(Signal::SIGHUP);
            systemd.hears_in_the_end("RELOADING=1");
            let refused = format!("{standing}; the newest reload was refused: bad-configuration");
            assert_eq!(systemd.hears(), refused);
            assert_eq!(
                systemd.hears(),
                "READY=1",
                "the old configuration is in force"
            );

            daemon.signal(Signal::SIGTERM);
            assert_eq!(systemd.hears_in_the_end("STOPPING"), "STOPPING=1");
            assert!(daemon.ended().success());
        },
    );
}

#[test]
fn the_loop_feeds_the_watchdog() {
    isolated("the_loop_feeds_the_watchdog", |directory| {
        let path = directory.join("notify");
        let systemd = Systemd::new(&path);
        let file = policy(directory, "hq.yaml", POLICY);
        let environment = [
            ("NOTIFY_SOCKET", path.to_str().expect("plain characters")),
            ("WATCHDOG_USEC", "200000"),
        ];
        let _daemon = Daemon::spawn_in(directory, "hq", None, &file, &environment);
        systemd.hears_in_the_end("READY=1");
        for _ in 0..3 {
            assert_eq!(systemd.hears_in_the_end("WATCHDOG"), "WATCHDOG=1");
        }
    });
}

#[test]
fn who_does_not_listen_is_not_waited_for_and_another_ones_watchdog_is_not_fed() {
    isolated(
        "who_does_not_listen_is_not_waited_for_and_another_ones_watchdog_is_not_fed",
        |directory| {
            let path = directory.join("notify");
            let systemd = Systemd::new(&path);
            let file = policy(directory, "hq.yaml", POLICY);
            let environment = [
                ("NOTIFY_SOCKET", path.to_str().expect("plain characters")),
                ("WATCHDOG_USEC", "2"),
                ("WATCHDOG_PID", "1"),
            ];
            let daemon = Daemon::spawn_in(directory, "hq", None, &file, &environment);
            systemd.hears_in_the_end("READY=1");
            // Far more than a socket takes that nobody reads.
            for _ in 0..500 {
                daemon.call("Reload", serde_json::json!({}));
            }
            systemd.0.set_nonblocking(true).expect("set");
            let mut buffer = [0; 512];
            while let Ok(length) = systemd.0.recv(&mut buffer) {
                assert!(!buffer[..length].starts_with(b"WATCHDOG"));
            }
        },
    );
}

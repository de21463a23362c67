//! One gateway of two, each a virtual machine of its own, with a host behind it in a network namespace.
//!
//! ```text
//!   +- machine ----------------------+                    +----------------------- machine -+
//!   | host-hq ---- veth ---- hq      |====== uplink ======|      branch ---- ... host-branch|
//!   |                                |----- signals ------|                                 |
//!   +--------------------------------+                    +---------------------------------+
//! ```
//!
//! Both run this at the same time, and wait for each other before each step over the second wire: what the first one
//! carries is captured by the host, which says afterwards whether anything went in clear.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::count::Count;
use super::netns::Namespace;
use super::shell::{run, well};
use super::sites::{BRANCH, HQ, Site};
use crate::job::LAB;

/// Addresses of the card for the uplink, of headquarters and the branch.
pub const UPLINK: [&str; 2] = ["52:54:00:00:01:01", "52:54:00:00:01:02"];
/// Addresses of the card for the signals.
pub const SIGNALS: [&str; 2] = ["52:54:00:00:02:01", "52:54:00:00:02:02"];
/// The script that makes a gateway of a plain machine.
pub const PROVISION: &str = "provision.sh";
/// The tests' names, of either gateway.
const TESTS: [&str; 2] = [
    "three_commands_and_nine_lines_make_a_tunnel",
    "the_script_of_vagrant_makes_a_tunnel_from_host_to_host",
];

/// An operator's limit: what it takes from a plain machine to a tunnel.
const MOST_COMMANDS: usize = 3;
const MOST_LINES: usize = 9;
const PATIENCE: Duration = Duration::from_secs(90);
/// How long one machine may take longer than the other for the same step.
const WAIT_FOR_OTHER: Duration = Duration::from_secs(300);

/// The test of the host, after both have ended.
pub const WIRE_TEST: &str = "pair::nothing_crosses_the_wire_in_clear";

/// Whether `--only` with this part of a name means any of the pair's tests. They run all or none.
#[must_use]
pub fn is_meant_by(only: &str) -> bool {
    let sites = [HQ.name, BRANCH.name];
    let mut names = TESTS
        .iter()
        .flat_map(|test| sites.map(|site| full_name(site, test)));
    WIRE_TEST.contains(only) || names.any(|name| name.contains(only))
}

fn full_name(site: &str, test: &str) -> String {
    format!("pair::{site}::{test}")
}

/// Runs the tests as gateway `name`, with the secret of both. Returns whether none failed.
pub fn run_tests(name: &str, secret: &str) -> Result<bool> {
    let (site, other) = Site::called(name).with_context(|| format!("no site is called {name}"))?;
    let gateway = Gateway::wire(site, other)?;
    let mut count = Count::default();
    count.test(&full_name(site.name, TESTS[0]), || {
        gateway.three_commands(secret)
    });
    gateway.meet(Step::Tried)?;
    // As it was before.
    well("apt-get purge -y ikd && rm -rf /etc/ikd")?;
    gateway.meet(Step::Purged)?;
    count.test(&full_name(site.name, TESTS[1]), || {
        gateway.provision(secret)
    });
    gateway.meet(Step::Done)?;
    Ok(count.close())
}

struct Gateway {
    site: &'static Site,
    other: &'static Site,
    host: Namespace,
    signals: UdpSocket,
}

impl Gateway {
    /// Gives the machine its addresses, as an installer or Vagrant would, and a host behind it.
    fn wire(site: &'static Site, other: &'static Site) -> Result<Self> {
        let number = usize::from(site.name == "branch");
        let [uplink, signals] = [UPLINK, SIGNALS].map(|cards| card(cards[number]));
        let [own, others] =
            [number, 1 - number].map(|number| Ipv4Addr::new(169, 254, 7, number as u8 + 1));
        let (uplink, signals) = (uplink?, signals?);
        std::fs::create_dir_all("/run/netns")?;
        let host = Namespace::create(&format!("host-{}", site.name))?;
        for line in [
            format!("ip address add {own}/24 dev {signals} && ip link set {signals} up"),
            format!(
                "ip address add {}/24 dev {uplink} && ip link set {uplink} up",
                site.outside
            ),
            format!(
                "ip link add lan type veth peer name uplink netns {}",
                host.name
            ),
            format!(
                "ip address add {}/16 dev lan && ip link set lan up",
                site.inside
            ),
            // To the internet, and so to the other network: in clear, if nobody protects it.
            format!("ip route add default via {}", other.outside),
        ] {
            well(&line)?;
        }
        host.ip(&format!("address add {}/16 dev uplink", site.host))?;
        host.ip("link set uplink up")?;
        let socket = UdpSocket::bind((own, PORT))?;
        socket.connect((others, PORT))?;
        socket.set_read_timeout(Some(Duration::from_millis(300)))?;
        let gateway = Self {
            site,
            other,
            host,
            signals: socket,
        };
        gateway.meet(Step::Wired)?;
        Ok(gateway)
    }

    /// What an operator does, counted.
    fn three_commands(&self, secret: &str) -> Result<()> {
        let Self { site, other, .. } = *self;
        let policy = site.policy(other, secret);
        let lines = policy.lines().count();
        ensure!(
            lines <= MOST_LINES,
            "the policy has {lines} lines:\n{policy}"
        );
        let commands = [
            format!("apt-get install -y {LAB}/files/ikd.deb"),
            // An editor, for this test.
            format!(
                "umask 077; cat > /etc/ikd/{}.yaml <<'EOF'\n{policy}EOF",
                other.name
            ),
            "systemctl start ikd".to_owned(),
        ];
        ensure!(commands.len() <= MOST_COMMANDS);
        for command in &commands {
            well(command)?;
        }
        println!(
            "{}: {} commands, a policy of {lines} lines",
            site.name,
            commands.len()
        );
        self.meet(Step::Started)?;
        self.answers(&format!(
            "ping -n -c 1 -W 1 -I {} {}",
            site.inside, other.inside
        ))
    }

    /// What Vagrant runs, on the gateway and on the host behind it. Twice, with a secret that YAML and the shell could stumble over.
    fn provision(&self, secret: &str) -> Result<()> {
        let Self { site, other, .. } = *self;
        let script = format!("sh {LAB}/files/{PROVISION}");
        for _ in 0..2 {
            well(&format!(
                r#"IKD_SECRET='{secret}"\#' {script} {} {LAB}/files/ikd.deb"#,
                site.name
            ))?;
        }
        well(&format!("ip netns exec {0} {script} {0}", self.host.name))?;
        self.meet(Step::Provisioned)?;
        self.answers(&format!(
            "ip netns exec {} ping -n -c 1 -W 1 {}",
            self.host.name, other.host
        ))?;
        let sas = well("ip -s xfrm state list nokeys")?;
        ensure!(
            sas.matches("proto esp").count() >= 2,
            "the ping crossed without SAs:\n{sas}"
        );
        Ok(())
    }

    /// Waits until `ping` has an answer.
    fn answers(&self, ping: &str) -> Result<()> {
        if super::peers::eventually(PATIENCE, || run(ping).is_ok_and(|ping| ping.status == 0)) {
            return Ok(());
        }
        bail!(
            "`{ping}` has no answer:\n{}{}",
            run("ikctl list")?.text(),
            run("journalctl --no-pager --boot --unit ikd | tail -n 30; ip xfrm state list nokeys; ip route")?.text()
        )
    }

    /// Waits until the other machine is as far as this one, or farther: it may have failed in between.
    fn meet(&self, step: Step) -> Result<()> {
        let start = Instant::now();
        let mut heard = [0];
        while start.elapsed() < WAIT_FOR_OTHER {
            let _ = self.signals.send(&[step as u8]);
            if self.signals.recv(&mut heard).is_ok() && heard[0] >= step as u8 {
                // The other one may not have heard us yet, and this may be our last word.
                for _ in 0..3 {
                    let _ = self.signals.send(&[step as u8]);
                    std::thread::sleep(Duration::from_millis(50));
                }
                return Ok(());
            }
        }
        bail!("the other gateway did not come to the step {step:?}")
    }
}

/// Where both wait for each other.
#[derive(Debug, Clone, Copy)]
enum Step {
    Wired = 1,
    Started,
    Tried,
    Purged,
    Provisioned,
    Done,
}

/// Where the signals go.
const PORT: u16 = 7000;

/// The name that the card with this hardware address has.
fn card(hardware_address: &str) -> Result<String> {
    for entry in Path::new("/sys/class/net").read_dir()? {
        let entry = entry?;
        let address = std::fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        if address.trim() == hardware_address {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    bail!("there is no network card {hardware_address}")
}

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ike::config::{
    Authentication, Child, Configuration, Connection, Keep, KernelMode, Liveness, Local, Mode,
    Name, OwnCredential, PublicCredentials, Remote, Unique, Volume, WithoutSa,
};
use ike::crypto::signature::PublicKey;

use super::*;
use crate::{Daemon, Route};

/// A machine on which all is well for [`configuration`]; a test changes one thing.
struct Fake {
    addresses: Vec<IpAddr>,
    settings: Vec<(&'static str, u32)>,
    /// Networks by their first digits, the first that fits.
    routes: Vec<(&'static str, Route)>,
    mtu: u32,
    ports: Vec<u16>,
    daemons: Vec<Daemon>,
    foreign: Option<usize>,
    missing_module: &'static str,
    now: u64,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn by(interface: &str, is_default: bool) -> Route {
    let interface = interface.to_owned();
    Route::By {
        interface,
        is_default,
    }
}

fn fake() -> Fake {
    Fake {
        addresses: vec![ip("127.0.0.1"), ip("192.0.2.1"), ip("10.1.0.1")],
        settings: vec![("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1)],
        routes: vec![("", by("wan", true))],
        mtu: 1500,
        ports: Vec::new(),
        daemons: Vec::new(),
        foreign: Some(0),
        missing_module: "",
        now: MADE + 1,
    }
}

impl Machine for Fake {
    fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }
    fn interfaces(&self) -> Vec<String> {
        vec!["lan".to_owned(), "wan".to_owned()]
    }
    fn setting(&self, name: &str) -> Option<u32> {
        self.settings
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
    fn mtu(&self, _: &str) -> Option<u32> {
        Some(self.mtu)
    }
    fn route(&self, to: IpAddr) -> Option<Route> {
        let to = to.to_string();
        self.routes
            .iter()
            .find(|(start, _)| to.starts_with(start))
            .map(|(_, route)| route.clone())
    }
    fn ports_taken(&self) -> Vec<u16> {
        self.ports.clone()
    }
    fn daemons(&self) -> Vec<Daemon> {
        self.daemons.clone()
    }
    fn foreign_policies(&self) -> Option<usize> {
        self.foreign
    }
    fn has_module(&self, name: &str) -> Option<bool> {
        Some(name != self.missing_module)
    }
    fn now(&self) -> Duration {
        Duration::from_secs(self.now)
    }
}

/// One connection with one child, from 192.0.2.1 to 198.51.100.7.
fn configuration(local: &str, remote: &str) -> Configuration {
    let name = |text| Name::new(text).expect("a name");
    let child = Child {
        mode: Mode::Tunnel,
        name: name("lan"),
        local: vec![local.parse().expect("a selector")],
        remote: vec![remote.parse().expect("a selector")],
        proposals: Vec::new(),
        keep: Keep::Up,
        replay_window: 128,
        hard_lifetime: Duration::from_secs(3600),
        rekey_after: None,
        rekey_volume: Volume::default(),
        hard_volume: Volume::default(),
        priority: None,
        idle: None,
        without_sa: WithoutSa::Drop,
    };
    let connection = Connection {
        name: name("branch"),
        local: Local {
            address: Some(ip("192.0.2.1")),
            id: "hq.example.com".parse().expect("an identity"),
        },
        remote: Remote {
            address: Some(ip("198.51.100.7")),
            host: None,
            id: None,
        },
        proposals: Vec::new(),
        authentication: Authentication::PRE_SHARED_KEY,
        children: vec![Arc::new(child)],
        liveness: Liveness::default(),
        rekey_after: None,
        reauth_after: None,
        unique: Unique::default(),
        verify_rekey: false,
    };
    Configuration {
        connections: vec![Arc::new(connection)],
        ..Configuration::default()
    }
}

fn usual() -> Configuration {
    configuration("10.1.0.0/16", "10.2.0.0/16")
}

fn speaks_from(address: Option<&str>) -> Configuration {
    let mut configuration = usual();
    Arc::get_mut(&mut configuration.connections[0])
        .expect("one owner")
        .local
        .address = address.map(ip);
    configuration
}

/// The one warning.
#[track_caller]
fn one(
    configuration: &Configuration,
    machine: &Fake,
    code: Code,
    message: &str,
    suggestion: &str,
) -> Warning {
    let mut told = look(configuration, machine, Asker::Tool);
    assert_eq!(
        told.iter().map(|one| one.code).collect::<Vec<_>>(),
        [code],
        "{told:?}"
    );
    let warning = told.remove(0);
    assert!(warning.message.contains(message), "{}", warning.message);
    assert!(
        warning.suggestion.contains(suggestion),
        "{}",
        warning.suggestion
    );
    warning
}

fn none(configuration: &Configuration, machine: &Fake) {
    let told = look(configuration, machine, Asker::Tool);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn where_all_is_well_nothing_is_told() {
    none(&usual(), &fake());
    none(
        &configuration("2001:db8:1::/48", "2001:db8:2::/48"),
        &fake(),
    );
}

#[test]
fn that_nothing_is_protected_is_told_alone() {
    let configuration = Configuration {
        kernel: KernelMode::None,
        ..usual()
    };
    let machine = Fake {
        routes: Vec::new(),
        ports: vec![500],
        ..fake()
    };
    one(
        &configuration,
        &machine,
        Code::KernelNone,
        "NO TRAFFIC IS PROTECTED",
        "remove",
    );
}

#[test]
fn an_address_that_no_interface_has_is_named_with_who_speaks_from_it() {
    let told = one(
        &speaks_from(Some("192.0.2.9")),
        &fake(),
        Code::NoLocalAddress,
        "no interface has 192.0.2.9",
        "ip addr add 192.0.2.9",
    );
    assert!(told.message.ends_with(": branch"));
    assert_eq!(told.connections, [Name::new("branch").expect("a name")]);
    none(&speaks_from(None), &fake());
    // Unreadable is no news.
    none(
        &speaks_from(Some("192.0.2.9")),
        &Fake {
            addresses: Vec::new(),
            ..fake()
        },
    );
    assert_eq!(some(&["a"; 7]), "a, a, a, a, a and 2 more");
}

#[test]
fn sides_that_are_swapped_are_told() {
    let machine = Fake {
        addresses: vec![ip("192.0.2.1"), ip("10.2.0.1")],
        ..fake()
    };
    one(
        &usual(),
        &machine,
        Code::RemoteIsHere,
        "10.2.0.1, which is on the remote side of branch/lan",
        "behind this machine",
    );
    // Of a branch whose hub has all networks within its own.
    none(&configuration("10.1.0.0/16", "10.0.0.0/14"), &fake());
    none(&configuration("10.1.0.0/16", "0.0.0.0/0"), &fake());
}

#[test]
fn a_network_without_a_route_is_named_once() {
    let machine = Fake {
        routes: vec![("10.2.", Route::None), ("", by("wan", true))],
        ..fake()
    };
    one(
        &usual(),
        &machine,
        Code::NoRoute,
        "no route to 10.2.0.0/16",
        "ip route add 10.2.0.0/16 via",
    );
    none(&configuration("10.1.0.0/16", "0.0.0.0/0"), &machine);
    none(
        &usual(),
        &Fake {
            routes: Vec::new(),
            ..fake()
        },
    );
}

#[test]
fn a_peer_without_a_route_is_named() {
    let machine = Fake {
        routes: vec![("198.", Route::None), ("", by("wan", true))],
        ..fake()
    };
    one(
        &usual(),
        &machine,
        Code::NoRouteToPeer,
        "198.51.100.7 (branch)",
        "ip route get 198.51.100.7",
    );
}

#[test]
fn a_route_by_another_interface_than_the_peers_is_worth_knowing() {
    let machine = |route| Fake {
        routes: vec![("10.2.", route), ("", by("wan", true))],
        ..fake()
    };
    let told = one(
        &usual(),
        &machine(by("wg0", false)),
        Code::RouteElsewhere,
        "a route by wg0, and the peer one by wan",
        "ip route",
    );
    assert_eq!(told.level, Level::Note);
    none(&usual(), &machine(by("wan", false)));
    none(&usual(), &machine(by("lan", true)));
}

#[test]
fn an_interface_without_ipsec_is_named() {
    let with = |name, value| Fake {
        settings: vec![("ipv4/ip_forward", 1), (name, value)],
        ..fake()
    };
    one(
        &usual(),
        &with("ipv4/conf/wan/disable_xfrm", 1),
        Code::IpsecDisabled,
        "goes in clear",
        "sysctl -w net.ipv4.conf.wan.disable_xfrm=0",
    );
    one(
        &usual(),
        &with("ipv4/conf/all/disable_policy", 1),
        Code::IpsecDisabled,
        "is taken",
        "conf.all.disable_policy=0",
    );
    none(&usual(), &with("ipv4/conf/lan/disable_xfrm", 1));
}

#[test]
fn settings_that_bite_a_gateway_are_named_with_the_line_that_helps() {
    let with = |settings: &[(&'static str, u32)]| Fake {
        settings: settings.to_vec(),
        ..fake()
    };
    let forwards = ("ipv4/ip_forward", 1);
    one(
        &usual(),
        &with(&[("ipv4/ip_forward", 0)]),
        Code::NoForwarding,
        "does not forward",
        "sysctl -w net.ipv4.ip_forward=1",
    );
    let ipv6 = configuration("2001:db8:1::/48", "2001:db8:2::/48");
    one(
        &ipv6,
        &with(&[("ipv6/conf/all/forwarding", 0), ("ipv4/ip_forward", 0)]),
        Code::NoForwarding,
        "",
        "net.ipv6.conf.all.forwarding=1",
    );
    let strict = with(&[forwards, ("ipv4/conf/all/rp_filter", 1)]);
    one(
        &usual(),
        &strict,
        Code::StrictRpFilter,
        "strict on lan, wan",
        "sysctl -w net.ipv4.conf.all.rp_filter=2",
    );
    one(
        &usual(),
        &with(&[forwards, ("ipv4/conf/wan/rp_filter", 1)]),
        Code::StrictRpFilter,
        "strict on wan:",
        "",
    );
    // A loose filter for all outweighs strict ones.
    none(
        &usual(),
        &with(&[
            forwards,
            ("ipv4/conf/all/rp_filter", 2),
            ("ipv4/conf/wan/rp_filter", 1),
        ]),
    );
    one(
        &usual(),
        &with(&[forwards, ("ipv4/conf/all/send_redirects", 1)]),
        Code::SendRedirects,
        "around it",
        "send_redirects=0",
    );
    one(
        &usual(),
        &with(&[forwards, ("ipv4/conf/all/accept_redirects", 1)]),
        Code::AcceptRedirects,
        "believes",
        "accept_redirects=0",
    );
    // A host forwards nothing, and unreadable is no news.
    none(
        &configuration("10.1.0.1", "10.2.0.0/16"),
        &with(&[("ipv4/ip_forward", 0), ("ipv4/conf/all/rp_filter", 1)]),
    );
    none(&usual(), &with(&[]));
}

#[test]
fn a_way_too_narrow_for_ipv6_is_told_where_ipv6_goes() {
    let machine = Fake {
        mtu: 1400,
        ..fake()
    };
    one(
        &configuration("2001:db8:1::/48", "2001:db8:2::/48"),
        &machine,
        Code::SmallMtu,
        "wan has an MTU of 1400",
        "mtu 1401",
    );
    none(&usual(), &machine);
}

#[test]
fn ports_of_another_are_told_beforehand_and_not_by_the_daemon() {
    let daemon = |name: &str| {
        vec![Daemon {
            name: name.to_owned(),
            process: 17,
        }]
    };
    let machine = |daemons| Fake {
        ports: vec![500, 4500],
        daemons,
        ..fake()
    };
    one(
        &usual(),
        &machine(daemon("charon")),
        Code::PortsTaken,
        "port 500 and 4500 is taken, by charon (process 17)",
        "stop it",
    );
    one(
        &usual(),
        &machine(Vec::new()),
        Code::PortsTaken,
        "somebody else",
        "ss -lunp 'sport = 500'",
    );
    none(&usual(), &machine(daemon("ikd")));
    assert!(look(&usual(), &machine(Vec::new()), Asker::Daemon).is_empty());
}

#[test]
fn policies_of_others_are_counted() {
    one(
        &usual(),
        &Fake {
            foreign: Some(3),
            ..fake()
        },
        Code::ForeignPolicies,
        "3 IPsec policies",
        "ip xfrm policy",
    );
    none(
        &usual(),
        &Fake {
            foreign: None,
            ..fake()
        },
    );
}

#[test]
fn a_module_that_is_not_there_is_named_where_it_is_needed() {
    one(
        &usual(),
        &Fake {
            missing_module: "esp4",
            ..fake()
        },
        Code::NoKernelModule,
        "no esp4",
        "install",
    );
    none(
        &usual(),
        &Fake {
            missing_module: "esp6",
            ..fake()
        },
    );
}

#[test]
fn a_clock_before_our_time_is_told_where_certificates_are_judged() {
    let machine = Fake {
        now: 1_000_000,
        ..fake()
    };
    none(&usual(), &machine);
    let mut configuration = usual();
    let certificate =
        rcgen::generate_simple_self_signed(["hq.example.com".to_owned()]).expect("a certificate");
    let chain = ike::pki::Certificate::read_all(certificate.cert.pem().as_bytes()).expect("one");
    let chain: Vec<_> = chain.into_iter().map(Arc::new).collect();
    let key: PublicKey = chain[0].public_key().clone();
    let credentials = PublicCredentials {
        own: Some(OwnCredential { key, chain }),
        ..PublicCredentials::default()
    };
    configuration
        .credentials
        .insert(Name::new("branch").expect("a name"), Arc::new(credentials));
    one(
        &configuration,
        &machine,
        Code::ClockUnset,
        "the clock is wrong",
        "timedatectl",
    );
}

#[test]
fn a_configuration_of_another_machine_is_known_by_its_addresses() {
    let elsewhere =
        |configuration: &Configuration, machine: &Fake| match whose(configuration, machine) {
            Whose::Ours => None,
            Whose::Elsewhere { addresses } => Some(addresses),
        };
    let stranger = Fake {
        addresses: vec![ip("127.0.0.1"), ip("203.0.113.9")],
        ..fake()
    };
    assert_eq!(elsewhere(&usual(), &fake()), None);
    assert_eq!(elsewhere(&usual(), &stranger).as_deref(), Some("192.0.2.1"));
    assert_eq!(
        elsewhere(&speaks_from(None), &stranger).as_deref(),
        Some("")
    );
    // The address is gone, its network is here.
    assert_eq!(elsewhere(&speaks_from(Some("192.0.2.9")), &fake()), None);
    // Nothing to go by.
    assert_eq!(elsewhere(&Configuration::default(), &stranger), None);
    assert_eq!(
        elsewhere(
            &usual(),
            &Fake {
                addresses: Vec::new(),
                ..fake()
            }
        ),
        None
    );
}

#[test]
fn the_host_asked_for_is_in_the_network() {
    let host = |text: &str| {
        ways::some_host(text.parse::<Selector>().expect("a selector").addresses).to_string()
    };
    assert_eq!(host("10.2.0.0/16"), "10.2.0.1");
    assert_eq!(host("10.2.0.7"), "10.2.0.7");
    assert_eq!(host("2001:db8::/64"), "2001:db8::1");
}

#[test]
fn every_code_has_a_stable_name_and_a_test() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(
            include_str!("tests.rs").contains(&format!("Code::{code:?},")),
            "{code}"
        );
    }
}

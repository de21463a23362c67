//! A hub with many branches behind one address of its own, told apart by who they are.

use super::*;

const BRANCHES: usize = 1000;

/// Connections to anybody, one for each branch, each with its own secret and network.
fn hub() -> World {
    let mut world = gateways(1, HQ, BRANCH);
    let branches = (0..BRANCHES).map(|number| {
        let (low, high) = (number % 250, number / 250);
        let remote = format!("10.{}.{low}.0/24", 100 + high);
        let lan = child("lan", Mode::Tunnel, &["10.1.0.0/16"], &[&remote]);
        let mut branch = connection(&End::hq(), HQ, BRANCH, vec![lan]);
        branch.name = name(&format!("b{number}"));
        branch.remote.address = None;
        let id = format!("b{number}.example.com");
        branch.remote.id = Some(id.parse().expect("an identity"));
        Arc::new(branch)
    });
    let configuration = Configuration {
        connections: branches.collect(),
        ..Configuration::default()
    };
    for number in 0..BRANCHES {
        let secret = format!("the secret of branch {number}").into_bytes();
        world.nodes[0]
            .secrets
            .insert(name(&format!("b{number}")), secret);
    }
    world.configure(0, configuration);
    world
}

fn branch(world: &World, number: usize) -> ScriptedPeer {
    let mut peer = ScriptedPeer::branch(world, number as u64);
    peer.path.local = format!("203.0.113.{}:500", number % 250)
        .parse()
        .expect("an address");
    peer.id = format!("b{number}.example.com")
        .parse()
        .expect("an identity");
    peer.secret = format!("the secret of branch {number}").into_bytes();
    let remote = format!("10.{}.{}.0/24", 100 + number / 250, number % 250);
    peer.local = vec![remote.parse().expect("a selector")];
    peer
}

#[test]
fn each_of_a_thousand_branches_is_its_own_connection() {
    let mut world = hub();
    for number in [0, 1, 499, 500, 999] {
        let mut peer = branch(&world, number);
        peer.establish(&mut world, SPI + u32::try_from(number).expect("few"));
    }
    let now = world.now;
    let up = world.nodes[0].list(now);
    let up: Vec<_> = (up.connections.iter())
        .filter(|connection| !connection.ike_sas.is_empty())
        .map(|connection| connection.connection.name.to_string())
        .collect();
    assert_eq!(up, ["b0", "b1", "b499", "b500", "b999"]);
    assert_eq!(world.nodes[0].kernel.broken, Vec::<String>::new());
}

#[test]
fn a_branch_cannot_use_another_s_secret_or_network() {
    let mut world = hub();
    let mut peer = branch(&world, 3);
    peer.secret = b"the secret of branch 4".to_vec();
    let (_, said) = ask(&mut world, &mut peer, |_| {});
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    world.nodes[0].failure("wrong-secret");

    let mut peer = branch(&world, 5);
    peer.local = vec!["10.100.6.0/24".parse().expect("a selector")];
    let (_, said) = ask(&mut world, &mut peer, |_| {});
    assert_eq!(said.notifies(), [NotifyType::TS_UNACCEPTABLE]);
    assert!(world.nodes[0].kernel.sas.is_empty());
}

#[test]
fn a_stranger_among_a_thousand_learns_nothing_and_the_reason_stays_short() {
    let mut world = hub();
    let mut peer = branch(&world, BRANCHES);
    let (_, said) = ask(&mut world, &mut peer, |_| {});
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    let told = world.nodes[0].failure("unknown-identity");
    assert!(told.details().len() <= 17, "{}", told.details().len());
}

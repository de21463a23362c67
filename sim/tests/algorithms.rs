//! Every row of the tables of algorithms brings up a tunnel between two engines with the cryptography that ships: one for
//! each cipher, integrity algorithm, PRF and group of IKE, and one for each cipher and integrity algorithm of ESP.

use ike::config::proposal::IkeProposal;
use ike::crypto::algorithms::{ENCRYPTION, EncryptionRow, INTEGRITY, KEY_EXCHANGE, PRF, Row};
use ike::engine::event::Event;
use sim::World;
use sim::network::Quality;
use sim::setup::{End, two_gateways};

/// Brings the tunnel up with one proposal for IKE and one for ESP.
fn tunnel(ike: &'static str, esp: &'static str) -> World {
    let mut world = two_gateways(5, Quality::default());
    for (node, mut end) in [End::hq(), End::branch()].into_iter().enumerate() {
        (end.ike, end.esp) = (Some(ike), Some(esp));
        world.configure(node, end.configuration());
    }
    let up = world.run_until(std::time::Duration::from_secs(60), |world| {
        world.nodes.iter().all(|node| node.count("child-up") == 1)
    });
    let events = |world: &World| {
        let events = world.nodes.iter().map(|node| format!("{:?}", node.events));
        events.collect::<Vec<_>>()
    };
    assert!(up, "{ike} {esp}: {:?}", events(&world));
    world
}

/// The words of a cipher, with integrity where it needs it.
fn cipher(row: &EncryptionRow) -> String {
    let integrity = if row.is_aead() { "" } else { "-sha256" };
    format!("{}{integrity}", row.keyword())
}

fn leak(text: String) -> &'static str {
    String::leak(text)
}

#[test]
fn every_ike_algorithm_brings_a_tunnel_up() {
    let ciphers = ENCRYPTION.iter().filter(|row| row.ike);
    let proposals: Vec<String> = ciphers
        .map(|row| format!("{}-prfsha256-x25519", cipher(row)))
        .chain(INTEGRITY.iter().flat_map(|row| {
            let with = |cipher| format!("{cipher}-{}-prfsha384-x25519", row.keyword());
            [with("aes128"), with("aes256ctr")]
        }))
        .chain(
            PRF.iter()
                .map(|row| format!("aes128gcm16-{}-x25519", row.keyword())),
        )
        .chain(
            KEY_EXCHANGE
                .iter()
                .map(|row| format!("aes128gcm16-prfsha512-{}", row.keyword())),
        )
        .collect();
    for text in &proposals {
        let world = tunnel(leak(text.clone()), "aes256gcm16");
        let proposal: IkeProposal = text.parse().expect("a proposal");
        for node in &world.nodes {
            let suites = node.events.iter().filter_map(|event| match event {
                Event::IkeSaEstablished { suite, .. } => Some(&suite[..]),
                _ => None,
            });
            assert_eq!(suites.collect::<Vec<_>>(), [proposal.to_string()]);
        }
    }
    println!("IKE: {} proposals of one algorithm each", proposals.len());
}

#[test]
fn every_esp_algorithm_is_negotiated_with_keys_of_its_lengths() {
    let ciphers = ENCRYPTION.iter().filter(|row| row.esp);
    let mut count = 0;
    for row in ciphers {
        let integrities = if row.is_aead() {
            &INTEGRITY[..1]
        } else {
            INTEGRITY
        };
        for integrity in integrities {
            for numbers in ["esn", "noesn"] {
                let (words, integrity_length) = if row.is_aead() {
                    (format!("{}-{numbers}", row.keyword()), 0)
                } else {
                    let words = format!("{}-{}-{numbers}", row.keyword(), integrity.keyword());
                    (words, integrity.key_length)
                };
                let world = tunnel("aes128gcm16-prfsha256-x25519", leak(words.clone()));
                for node in &world.nodes {
                    assert_eq!(node.kernel.sas.len(), 2, "{words}");
                    for sa in node.kernel.sas.values() {
                        assert_eq!(sa.suite.to_string(), words);
                        assert_eq!(sa.encryption_key.len(), row.key_material_length());
                        assert_eq!(sa.integrity_key.len(), integrity_length);
                    }
                }
                count += 1;
            }
        }
    }
    println!("ESP: {count} proposals of one algorithm each");
}

/// The second child is made by CREATE_CHILD_SA, with a key exchange of its own.
#[test]
fn every_group_gives_a_child_keys_of_its_own() {
    for row in KEY_EXCHANGE {
        let words = leak(format!("aes128gcm16-{}-esn", row.keyword()));
        let mut world = two_gateways(6, Quality::default());
        let voice = [
            ("voice", "10.1.9.0/24", "10.9.0.0/16"),
            ("voice", "10.9.0.0/16", "10.1.9.0/24"),
        ];
        for (node, mut end) in [End::hq(), End::branch()].into_iter().enumerate() {
            end.esp = Some(words);
            end.children.push(voice[node]);
            world.configure(node, end.configuration());
        }
        world.run(std::time::Duration::from_secs(5));
        for node in &world.nodes {
            let suites = node.kernel.sas.values().map(|sa| sa.suite.key_exchange);
            let own = suites.filter(|method| *method == Some(row.id)).count();
            assert_eq!(
                (node.kernel.sas.len(), own),
                (4, 2),
                "{words}: {:?}",
                node.events
            );
        }
    }
}

#[test]
fn the_first_message_of_the_default_fits_the_smallest_datagram_of_ipv6() {
    let world = sim::setup::tunnel(1);
    for node in &world.nodes {
        assert!(node.sent[0].bytes.len() <= 1280 - 40 - 8);
        println!("{}: {} bytes", node.name, node.sent[0].bytes.len());
    }
}

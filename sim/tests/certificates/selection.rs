//! Which of several connections between the same addresses a peer means: by the identities, then by the method.

use super::*;
use ike::config::{Connection, Remote};
use sim::ScriptedPeer;

/// A connection of the headquarters to whoever comes.
fn connection(label: &str, id: Option<&str>, authentication: Authentication) -> Arc<Connection> {
    let base = End::hq().connection();
    Arc::new(Connection {
        name: name(label),
        remote: Remote {
            address: None,
            host: None,
            id: id.map(|id| id.parse().expect("a pattern")),
        },
        authentication,
        children: Vec::new(),
        ..base
    })
}

/// A headquarters with all of these, and certificates of the authority for each.
fn hub(seed: u64, authority: &Authority, connections: Vec<Arc<Connection>>) -> World {
    let mut world = strangers(seed);
    let credentials = |connection: &Arc<Connection>| {
        let credentials = authority.credentials(HQ_KEY, HQ);
        (connection.name.clone(), Arc::new(credentials))
    };
    for connection in &connections {
        let secret = format!("the secret of {}", connection.name);
        let secrets = &mut world.nodes[0].secrets;
        secrets.insert(connection.name.clone(), secret.into_bytes());
    }
    let configuration = Configuration {
        credentials: connections.iter().map(credentials).collect(),
        connections,
        ..Configuration::default()
    };
    world.configure(0, configuration);
    world
}

/// A peer that says it is this; by this connection's secret, or by a certificate.
fn peer(
    world: &World,
    seed: u64,
    id: &str,
    (secret_of, authority): (Option<&str>, &Authority),
) -> ScriptedPeer {
    let mut peer = ScriptedPeer::branch(world, seed);
    peer.id = id.parse().expect("an identity");
    match secret_of {
        Some(connection) => peer.secret = format!("the secret of {connection}").into_bytes(),
        None => {
            let certificate = authority.issue(BRANCH_KEY, &Wanted::of(id));
            peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
        }
    }
    peer
}

/// To which connection the peer comes.
fn comes_to(world: &mut World, peer: &mut ScriptedPeer) -> Option<String> {
    let since = world.nodes[0].events.len();
    let mut session = peer.begin(world);
    let payloads = peer.proof(&session);
    let said = peer.ask(world, &mut session, ExchangeType::IKE_AUTH, &payloads);
    said.expect("an answer");
    world.nodes[0].events[since..]
        .iter()
        .find_map(|event| match event {
            Event::IkeSaEstablished { connection, .. } => Some(connection.to_string()),
            _ => None,
        })
}

#[test]
fn secrets_and_certificates_live_side_by_side_on_one_address() {
    let authority = Authority::new("Root");
    let connections = vec![
        connection(
            "named-psk",
            Some("a.example.com"),
            Authentication::PRE_SHARED_KEY,
        ),
        connection("named-certificate", Some("b.example.com"), SIGNED),
        connection(
            "below-psk",
            Some("*.example.com"),
            Authentication::PRE_SHARED_KEY,
        ),
        connection("below-certificate", Some("*.example.com"), SIGNED),
        connection("any-certificate", None, SIGNED),
    ];
    let cases = [
        ("a.example.com", Some("named-psk"), Some("named-psk")),
        ("a.example.com", None, Some("below-certificate")),
        ("b.example.com", None, Some("named-certificate")),
        ("b.example.com", Some("below-psk"), Some("below-psk")),
        ("c.example.com", Some("below-psk"), Some("below-psk")),
        ("c.example.com", None, Some("below-certificate")),
        ("d.example.org", None, Some("any-certificate")),
        ("d.example.org", Some("below-psk"), None),
    ];
    for (seed, (id, secret_of, expected)) in cases.into_iter().enumerate() {
        let mut world = hub(seed as u64, &authority, connections.clone());
        let mut peer = peer(&world, seed as u64, id, (secret_of, &authority));
        let found = comes_to(&mut world, &mut peer);
        assert_eq!(found.as_deref(), expected, "{id} {secret_of:?}");
        if expected.is_none() {
            let failure = world.nodes[0].failure("auth-method");
            assert!(failure.details()[0].contains("any-certificate"));
        }
    }
}

#[test]
fn a_connection_that_trusts_the_peer_is_not_reached_by_the_name_of_another() {
    let (root, other) = (Authority::new("Root"), Authority::new("Other"));
    let mut world = hub(
        60,
        &root,
        vec![connection("b", Some("b.example.com"), SIGNED)],
    );
    // Its certificate is right and ours, for another name.
    let mut impostor = peer(&world, 61, "c.example.com", (None, &root));
    impostor.id = "b.example.com".parse().expect("an identity");
    assert_eq!(comes_to(&mut world, &mut impostor), None);
    world.nodes[0].failure("certificate-name");
    // Its certificate says the right name, and is nobody's whom we believe.
    let mut impostor = peer(&world, 62, "b.example.com", (None, &other));
    assert_eq!(comes_to(&mut world, &mut impostor), None);
    world.nodes[0].failure("certificate-untrusted");
}

#[test]
fn only_who_may_have_to_verify_a_signature_announces_hashes_and_asks_for_certificates() {
    let authority = Authority::new("Root");
    let hash = authority.certificate().key_hash().to_vec();
    let x509 = (CertEncoding::X509_SIGNATURE, hash);
    let ocsp = (CertEncoding::OCSP_CONTENT, Vec::new());
    let psk = || connection("psk", None, Authentication::PRE_SHARED_KEY);
    let cases = [
        (vec![psk()], false, vec![]),
        (vec![psk(), connection("we", None, WE_SIGN)], true, vec![]),
        (
            vec![psk(), connection("both", None, SIGNED)],
            true,
            vec![x509.clone(), ocsp],
        ),
        (
            vec![connection("both", None, revocation(Revocation::Off))],
            true,
            vec![x509],
        ),
    ];
    for (connections, announces, requests) in cases {
        let mut world = hub(63, &authority, connections);
        let mut peer = peer(&world, 63, "a.example.com", (None, &authority));
        let session = peer.begin(&mut world);
        let message = ike::wire::Message::parse(&session.init_response).expect("a message");
        let said = sim::peer::Said {
            header: message.header,
            payloads: message
                .payloads
                .into_iter()
                .map(ike::wire::Payload::into_owned)
                .collect(),
        };
        let hashes = said
            .notifies()
            .contains(&NotifyType::SIGNATURE_HASH_ALGORITHMS);
        assert_eq!((hashes, said.cert_requests()), (announces, requests));
    }
}

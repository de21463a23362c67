//! Each kind of key, each way to trust it, each mixture: what works.

use super::*;

const KEYS: [(TestKey, &str); 5] = [
    (TestKey::Rsa2048, "RSA PSS"),
    (TestKey::Rsa3072, "RSA PSS"),
    (TestKey::P256, "ECDSA with SHA2_256"),
    (TestKey::P384, "ECDSA with SHA2_384"),
    (TestKey::Ed25519("branch"), "Ed25519"),
];

#[test]
fn certificates_of_every_kind_of_key_bring_the_tunnel_up_in_both_roles() {
    let authority = Authority::new("Root");
    for (seed, (key, how)) in KEYS.into_iter().enumerate() {
        for (hq_key, branch_key) in [(HQ_KEY, key), (key, BRANCH_KEY)] {
            let mut world = meet(
                seed as u64,
                End::hq().with(SIGNED, authority.credentials(hq_key, HQ)),
                End::branch().with(SIGNED, authority.credentials(branch_key, BRANCH)),
            );
            both_up(&mut world);
            let judge = usize::from(hq_key == key);
            let Evidence::Certificate(certificate) = evidence(&world, judge) else {
                panic!("{:?}", evidence(&world, judge))
            };
            assert!(certificate.scheme.to_string().starts_with(how));
            assert!(certificate.issuer.to_string().contains("CN=Root"));
            assert!(certificate.valid_until.is_some());
            ends_clean(&mut world);
        }
    }
}

#[test]
fn authorities_of_every_kind_of_key_are_believed() {
    for (seed, (key, _)) in KEYS.into_iter().enumerate() {
        let authority = Authority::with_key("Root", key);
        let mut world = meet(seed as u64, hq(&authority), branch(&authority));
        both_up(&mut world);
    }
}

#[test]
fn public_keys_that_the_configuration_names_need_no_authority() {
    for (seed, key) in [TestKey::Rsa2048, TestKey::P521, TestKey::Ed25519("branch")]
        .into_iter()
        .enumerate()
    {
        let credentials = |ours: TestKey, theirs: TestKey| PublicCredentials {
            own: Some(own(ours, Vec::new())),
            trust: believed(&[theirs]),
        };
        let mut world = meet(
            seed as u64,
            End::hq().with(SIGNED, credentials(HQ_KEY, key)),
            End::branch().with(SIGNED, credentials(key, HQ_KEY)),
        );
        both_up(&mut world);
        let fingerprint = key.private().public_key().fingerprint();
        assert!(matches!(evidence(&world, 0), Evidence::RawKey { key, .. } if key == fingerprint));
        ends_clean(&mut world);
    }
}

#[test]
fn a_certificate_on_one_side_and_a_public_key_on_the_other_go_together() {
    let authority = Authority::new("Root");
    let hq = PublicCredentials {
        own: Some(own(HQ_KEY, vec![authority.issue(HQ_KEY, &Wanted::of(HQ))])),
        trust: believed(&[BRANCH_KEY]),
    };
    let branch = PublicCredentials {
        own: Some(own(BRANCH_KEY, Vec::new())),
        trust: authority.trusted(),
    };
    let mut world = meet(
        1,
        End::hq().with(SIGNED, hq),
        End::branch().with(SIGNED, branch),
    );
    both_up(&mut world);
    assert_eq!(evidence(&world, 0).name(), "raw-key");
    assert_eq!(evidence(&world, 1).name(), "certificate");
}

#[test]
fn a_signature_one_way_and_a_secret_the_other_go_together_in_both_roles() {
    let authority = Authority::new("Root");
    let cases = [
        (WE_SIGN, PEER_SIGNS, ["psk", "certificate"]),
        (PEER_SIGNS, WE_SIGN, ["certificate", "psk"]),
    ];
    for (at_hq, at_branch, expected) in cases {
        let mut world = meet(
            2,
            End::hq().with(at_hq, authority.credentials(HQ_KEY, HQ)),
            End::branch().with(at_branch, authority.credentials(BRANCH_KEY, BRANCH)),
        );
        both_up(&mut world);
        let names = [0, 1].map(|node| evidence(&world, node).name());
        assert_eq!(names, expected);
        ends_clean(&mut world);
    }
}

#[test]
fn in_a_mixture_both_proofs_count() {
    let authority = Authority::new("Root");
    for hq_signs in [false, true] {
        let (at_hq, at_branch) = if hq_signs {
            (WE_SIGN, PEER_SIGNS)
        } else {
            (PEER_SIGNS, WE_SIGN)
        };
        // The secrets differ: whoever verifies by it says so.
        let mut world = strangers(3);
        world.nodes[1]
            .secrets
            .insert(name("tunnel"), b"another secret altogether".to_vec());
        world.configure(0, End::hq().with(at_hq, authority.credentials(HQ_KEY, HQ)));
        let credentials = authority.credentials(BRANCH_KEY, BRANCH);
        world.configure(1, End::branch().with(at_branch, credentials));
        world.run(SECOND);
        if hq_signs {
            responder_refuses(&world, "wrong-secret");
        } else {
            initiator_refuses(&world, "wrong-secret");
        }
        // The authorities differ: whoever verifies the signature says so.
        let other = Authority::new("Other");
        let (hq_of, branch_of) = (&authority, &other);
        let world = meet(
            4,
            End::hq().with(at_hq, hq_of.credentials(HQ_KEY, HQ)),
            End::branch().with(at_branch, branch_of.credentials(BRANCH_KEY, BRANCH)),
        );
        if hq_signs {
            initiator_refuses(&world, "certificate-untrusted");
        } else {
            responder_refuses(&world, "certificate-untrusted");
        }
    }
}

#[test]
fn a_chain_with_an_intermediate_is_shown_from_the_end_entity_up() {
    let root = Authority::new("Root");
    let middle = root.subordinate("Middle");
    let chain = vec![
        middle.issue(BRANCH_KEY, &Wanted::of(BRANCH)),
        middle.certificate(),
    ];
    let credentials = PublicCredentials {
        own: Some(own(BRANCH_KEY, chain)),
        trust: root.trusted(),
    };
    let mut world = meet(5, hq(&root), End::branch().with(SIGNED, credentials));
    both_up(&mut world);
    let Evidence::Certificate(certificate) = evidence(&world, 0) else {
        panic!("a certificate")
    };
    assert!(certificate.issuer.to_string().contains("CN=Middle"));
}

#[test]
fn identities_of_every_kind_that_a_certificate_vouches_for_are_believed() {
    let authority = Authority::new("Root");
    for id in [
        "branch.example.com",
        "ops@example.com",
        "198.51.100.7",
        "O=Example, CN=branch.example.com",
    ] {
        let wanted = Wanted {
            names: vec![
                BRANCH.to_owned(),
                "ops@example.com".to_owned(),
                "198.51.100.7".to_owned(),
            ],
            ..Wanted::of(BRANCH)
        };
        let (mut at_hq, mut at_branch) = (End::hq(), End::branch());
        at_hq.remote_id = id;
        at_branch.local_id = id;
        let mut world = meet(
            6,
            at_hq.with(SIGNED, authority.credentials(HQ_KEY, HQ)),
            at_branch.with(SIGNED, authority.credentials_for(BRANCH_KEY, &wanted)),
        );
        both_up(&mut world);
    }
}

#[test]
fn the_snapshot_says_how_the_peer_proved_itself_and_until_when() {
    let authority = Authority::new("Root");
    let mut world = meet(7, hq(&authority), branch(&authority));
    let now = world.now;
    for (node, subject) in [(0, "branch.example.com"), (1, "hq.example.com")] {
        let list = world.nodes[node].list(now);
        let told = list.connections[0].ike_sas[0].evidence.clone();
        let told = told.expect("it is established");
        assert!(told.to_string().contains(subject), "{told}");
        let valid = told.valid_until().expect("a date") - sim::node::WALL;
        let days = valid.as_secs() / 86400;
        assert!((263..=265).contains(&days), "{days}");
    }
}

#[test]
fn the_same_seed_makes_the_same_datagrams() {
    let authority = Authority::new("Root");
    let sent = || {
        let world = meet(8, hq(&authority), branch(&authority));
        let sent = world.nodes.iter().map(|node| node.sent.clone());
        sent.collect::<Vec<_>>()
    };
    assert_eq!(sent(), sent());
}

#[test]
fn a_chain_is_shown_up_to_below_the_authority_that_the_peer_names() {
    let root = Authority::new("Root");
    let middle = root.subordinate("Middle");
    let request = |of: &Authority| {
        ike::wire::Payload::CertReq(ike::wire::CertReq {
            encoding: CertEncoding::X509_SIGNATURE,
            data: of.certificate().key_hash().to_vec().into(),
        })
    };
    let other = Authority::new("Other");
    for (named, shown) in [(&root, 2), (&middle, 1), (&other, 2)] {
        let mut world = strangers(9);
        let chain = vec![middle.issue(HQ_KEY, &Wanted::of(HQ)), middle.certificate()];
        let credentials = PublicCredentials {
            own: Some(own(HQ_KEY, chain)),
            trust: root.trusted(),
        };
        world.configure(0, End::hq().with(SIGNED, credentials));
        let mut peer = sim::ScriptedPeer::branch(&world, 9);
        let certificate = root.issue(BRANCH_KEY, &Wanted::of(BRANCH));
        peer.sign_with(BRANCH_KEY.private(), &[certificate.der()]);
        let mut session = peer.begin(&mut world);
        let mut payloads = peer.proof(&session);
        payloads.push(request(named));
        let said = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
        assert_eq!(said.expect("an answer").certs().len(), shown);
    }
}

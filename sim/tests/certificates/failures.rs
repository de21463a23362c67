//! What is refused, by its name, at the end that refuses; the other end hears that authentication failed, and no more.

use super::*;
use ike::config::Purposes;
use ike::pki::{PathCache, Presented};
use rcgen::ExtendedKeyUsagePurpose;

/// What certificates of authorities for web servers carry.
const FOR_TLS: [ExtendedKeyUsagePurpose; 2] = [
    ExtendedKeyUsagePurpose::ServerAuth,
    ExtendedKeyUsagePurpose::ClientAuth,
];

/// The headquarters believes `trust` and nobody else; the branch has this credential.
fn judged_by_hq(trust: TrustStore, authentication: Authentication, own: OwnCredential) -> World {
    let authority = Authority::new("Root");
    let at_hq = PublicCredentials {
        own: authority.credentials(HQ_KEY, HQ).own,
        trust,
    };
    let at_branch = PublicCredentials {
        own: Some(own),
        trust: authority.trusted(),
    };
    meet(
        20,
        End::hq().with(authentication, at_hq),
        End::branch().with(SIGNED, at_branch),
    )
}

/// As [`judged_by_hq`], with the branch in the place of the one who judges.
fn judged_by_branch(
    trust: TrustStore,
    authentication: Authentication,
    own: OwnCredential,
) -> World {
    let authority = Authority::new("Root");
    let at_branch = PublicCredentials {
        own: authority.credentials(BRANCH_KEY, BRANCH).own,
        trust,
    };
    let at_hq = PublicCredentials {
        own: Some(own),
        trust: authority.trusted(),
    };
    meet(
        21,
        End::hq().with(SIGNED, at_hq),
        End::branch().with(authentication, at_branch),
    )
}

/// What makes a certificate unfit.
type Change = fn(&mut Wanted);

/// What makes an authority's certificate unfit, and the code.
fn unfit() -> [(&'static str, Change); 5] {
    [
        ("certificate-name", |wanted| {
            wanted.names = vec!["other.example.com".to_owned()];
        }),
        ("certificate-expired", |wanted| wanted.days = (-20, -10)),
        ("certificate-not-yet-valid", |wanted| wanted.days = (10, 20)),
        ("certificate-key-usage", |wanted| wanted.signs = false),
        ("certificate-key-usage", |wanted| {
            wanted.purposes = FOR_TLS.to_vec();
        }),
    ]
}

#[test]
fn a_certificate_that_is_unfit_is_refused_by_name_in_both_roles() {
    let authority = Authority::new("Root");
    for (code, change) in unfit() {
        let mut wanted = Wanted::of(BRANCH);
        change(&mut wanted);
        let unfit = own(BRANCH_KEY, vec![authority.issue(BRANCH_KEY, &wanted)]);
        let mut world = judged_by_hq(authority.trusted(), SIGNED, unfit);
        responder_refuses(&world, code);
        ends_clean(&mut world);

        let mut wanted = Wanted::of(HQ);
        change(&mut wanted);
        let unfit = own(HQ_KEY, vec![authority.issue(HQ_KEY, &wanted)]);
        let mut world = judged_by_branch(authority.trusted(), SIGNED, unfit);
        initiator_refuses(&world, code);
        ends_clean(&mut world);
    }
}

#[test]
fn a_certificate_for_other_purposes_does_where_the_policy_takes_any_and_only_there() {
    let authority = Authority::new("Root");
    let wanted = Wanted {
        purposes: FOR_TLS.to_vec(),
        ..Wanted::of(BRANCH)
    };
    let certificate = authority.issue(BRANCH_KEY, &wanted);
    let any = SignatureDemand {
        purposes: Purposes::Any,
        ..DEMAND
    };
    let mut world = judged_by_hq(
        authority.trusted(),
        demanding(any),
        own(BRANCH_KEY, vec![certificate.clone()]),
    );
    both_up(&mut world);
    ends_clean(&mut world);
    let world = judged_by_hq(
        authority.trusted(),
        SIGNED,
        own(BRANCH_KEY, vec![certificate.clone()]),
    );
    let failure = world.nodes[0].failure("certificate-key-usage");
    assert!(failure.to_string().contains("serverAuth"), "{failure}");
    let suggestion = failure.suggestion().expect("what to change");
    assert!(suggestion.contains("purposes: any"), "{suggestion}");

    // The path that was found for the one policy is not the other's, though both have one cache.
    let (trust, mut cache) = (authority.trusted(), PathCache::default());
    let presented = Presented {
        certificates: vec![certificate.der()],
        ..Presented::default()
    };
    let claimed = BRANCH.parse().expect("an identity");
    for (demand, good) in [(any, true), (DEMAND, false), (any, true)] {
        let now = sim::node::WALL;
        let found = trust.verify(&presented, &claimed, &demand, now, &mut cache);
        assert_eq!(found.is_ok(), good, "{found:?}");
    }
    assert_eq!(cache.len(), 1);
}

#[test]
fn another_authority_is_refused_and_its_failure_says_what_to_change() {
    let (ours, other) = (Authority::new("Root"), Authority::new("Other"));
    for responder in [true, false] {
        let world = if responder {
            let stranger = own(
                BRANCH_KEY,
                vec![other.issue(BRANCH_KEY, &Wanted::of(BRANCH))],
            );
            judged_by_hq(ours.trusted(), SIGNED, stranger)
        } else {
            let stranger = own(HQ_KEY, vec![other.issue(HQ_KEY, &Wanted::of(HQ))]);
            judged_by_branch(ours.trusted(), SIGNED, stranger)
        };
        let node = usize::from(!responder);
        fails(&world, node, "certificate-untrusted");
        let failure = world.nodes[node].failure("certificate-untrusted");
        assert!(!failure.details().is_empty());
        assert!(failure.suggestion().is_some());
    }
}

#[test]
fn an_authority_of_the_same_name_with_another_key_is_another_authority() {
    let keys = [
        TestKey::Ed25519("Root"),
        TestKey::Ed25519("imitation"),
        TestKey::P256,
        TestKey::P384,
        TestKey::Rsa2048,
    ];
    let named = |key| Authority::with_key("Root", key);
    for (ours, theirs) in keys.iter().flat_map(|a| keys.iter().map(move |b| (*a, *b))) {
        let stranger = named(theirs).issue(BRANCH_KEY, &Wanted::of(BRANCH));
        let stranger = own(BRANCH_KEY, vec![stranger]);
        let mut world = judged_by_hq(named(ours).trusted(), SIGNED, stranger);
        if ours == theirs {
            assert_eq!(world.nodes[0].count("ike-sa-established"), 1);
        } else {
            fails(&world, 0, "certificate-untrusted");
            ends_clean(&mut world);
        }
    }
}

#[test]
fn an_end_entity_that_issues_certificates_is_no_authority() {
    let root = Authority::new("Root");
    // The impostor holds a certificate of ours for its own key, and signs with that key for the branch.
    let impostor = Authority::with_key("impostor", TestKey::Rsa2048);
    let of_ours = root.issue(TestKey::Rsa2048, &Wanted::of("impostor"));
    let forged = impostor.issue(BRANCH_KEY, &Wanted::of(BRANCH));
    let world = judged_by_hq(
        root.trusted(),
        SIGNED,
        own(BRANCH_KEY, vec![forged, of_ours]),
    );
    responder_refuses(&world, "certificate-untrusted");
}

#[test]
fn a_key_that_nobody_named_is_refused() {
    let raw = own(BRANCH_KEY, Vec::new());
    let world = judged_by_hq(believed(&[TestKey::P256]), SIGNED, raw);
    responder_refuses(&world, "key-untrusted");
}

#[test]
fn weak_keys_are_refused_where_the_policy_wants_strong_ones() {
    let strong = demanding(SignatureDemand {
        strength: Strength::Cnsa1,
        revocation: Revocation::Off,
        ..DEMAND
    });
    let authority = Authority::with_key("Root", TestKey::P384);
    let trust = || authority.trusted();
    for (key, fits) in [
        (TestKey::P384, true),
        (TestKey::Rsa3072, true),
        (TestKey::P256, false),
        (TestKey::Rsa2048, false),
        (BRANCH_KEY, false),
    ] {
        let at_hq = PublicCredentials {
            own: Some(own(
                TestKey::P384,
                vec![authority.issue(TestKey::P384, &Wanted::of(HQ))],
            )),
            trust: trust(),
        };
        let mut world = meet(
            22,
            End::hq().with(strong, at_hq),
            End::branch().with(SIGNED, authority.credentials(key, BRANCH)),
        );
        if fits {
            both_up(&mut world);
        } else {
            let refused = ["certificate-weak", "signature-not-allowed"];
            let codes = world.nodes[0].failure_codes();
            // The hashes that the headquarters announces are too strong for some keys to begin with.
            let told = codes.iter().any(|code| refused.contains(code));
            let unable = world.nodes[1]
                .failure_codes()
                .contains(&"no-signing-method");
            assert!(told || unable, "{key:?}: {codes:?}");
            assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
        }
    }
}

#[test]
fn a_method_that_the_connection_does_not_name_is_refused_with_what_it_wants() {
    let authority = Authority::new("Root");
    let psk = || End::branch().configuration();
    let signed = || End::hq().with(SIGNED, authority.credentials(HQ_KEY, HQ));
    let world = meet(23, signed(), psk());
    responder_refuses(&world, "auth-method");
    let failure = world.nodes[0].failure("auth-method");
    let told = failure.details().join(" ");
    assert!(
        told.contains("tunnel") && told.contains("signature"),
        "{told}"
    );
    assert!(failure.to_string().contains("SHARED_KEY_MIC"));

    let credentials = authority.credentials(TestKey::P256, BRANCH);
    let signing = End::branch().with(SIGNED, credentials);
    let world = meet(24, End::hq().configuration(), signing);
    responder_refuses(&world, "auth-method");
    let told = world.nodes[0].failure("auth-method").details().join(" ");
    assert!(told.contains("pre-shared key"), "{told}");
    // Who has no signatures announces none, and most keys cannot even begin.
    let world = meet(24, End::hq().configuration(), branch(&authority));
    fails(&world, 1, "no-signing-method");

    // The responder proves itself in a way that the initiator does not take.
    let world = meet(
        25,
        End::hq().with(WE_SIGN, authority.credentials(TestKey::P256, HQ)),
        End::branch().configuration(),
    );
    initiator_refuses(&world, "auth-method");
}

#[test]
fn without_a_key_or_somebody_to_believe_the_connection_says_so() {
    let authority = Authority::new("Root");
    let nothing = PublicCredentials::default;
    let world = meet(26, End::hq().with(SIGNED, nothing()), branch(&authority));
    responder_refuses(&world, "no-credential");
    let world = meet(27, hq(&authority), End::branch().with(SIGNED, nothing()));
    fails(&world, 1, "no-credential");
    assert_eq!(world.nodes[0].count("ike-sa-established"), 0);

    let mut without = End::hq().with(PEER_SIGNS, nothing());
    without.credentials.clear();
    let at_branch = End::branch().with(WE_SIGN, authority.credentials(BRANCH_KEY, BRANCH));
    let world = meet(28, without, at_branch);
    responder_refuses(&world, "no-trust");
}

#[test]
fn a_private_key_that_is_gone_is_named_and_comes_back_by_itself() {
    let authority = Authority::new("Root");
    for node in [0, 1] {
        let mut world = strangers(29);
        let keys = std::mem::take(&mut world.nodes[node].keys);
        world.configure(0, hq(&authority));
        world.configure(1, branch(&authority));
        world.run(SECOND);
        fails(&world, node, "no-private-key");
        assert!(
            world.nodes[node]
                .failure("no-private-key")
                .suggestion()
                .is_some()
        );
        world.nodes[node].keys = keys;
        world.run(Duration::from_secs(30));
        let now = world.now;
        for node in &mut world.nodes {
            node.assert_up(now, 1);
        }
        ends_clean(&mut world);
    }
}

#[test]
fn a_key_that_refuses_to_sign_is_quoted() {
    let authority = Authority::new("Root");
    let mut world = strangers(30);
    world.nodes[1].hold_answers = true;
    world.configure(0, hq(&authority));
    world.configure(1, branch(&authority));
    world.run_until(SECOND, |world| !world.nodes[1].questions.is_empty());
    let (id, question) = world.nodes[1].questions.pop_front().expect("a question");
    assert!(matches!(question, Question::Sign(_)));
    let failed = ike::auth::ask::SignAnswer::Failed("the token was pulled".to_owned());
    world.input(1, Input::Answer(id, Answer::Signed(failed)));
    let told = world.nodes[1].failure("signing-failed").to_string();
    assert!(told.contains("the token was pulled"), "{told}");
}

#[test]
fn a_peer_without_rfc_7427_gets_ecdsa_of_rfc_4754_and_no_rsa() {
    let authority = Authority::new("Root");
    for (key, method) in [
        (TestKey::P256, Some(AuthMethod::ECDSA_SHA256_P256)),
        (TestKey::P384, Some(AuthMethod::ECDSA_SHA384_P384)),
        (TestKey::Rsa2048, None),
        (HQ_KEY, None),
    ] {
        let mut world = strangers(31);
        world.configure(0, End::hq().with(SIGNED, authority.credentials(key, HQ)));
        let mut peer = sim::ScriptedPeer::branch(&world, 31);
        let certificate = authority.issue(TestKey::P256, &Wanted::of(BRANCH));
        peer.sign_with(TestKey::P256.private(), &[certificate.der()]);
        peer.hashes = None;
        let mut session = peer.begin(&mut world);
        let payloads = peer.auth_payloads(&session, 0x1234_5678);
        let said = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
        let said = said.expect("an answer");
        match method {
            Some(method) => {
                assert_eq!(said.auth().expect("AUTH").method, method);
                let octets =
                    session.node_octets(&sim::peer::id_payload(&HQ.parse().expect("an id")).body());
                let public = key.private();
                let scheme = ike::auth::signature::decode(
                    method,
                    &said.auth().expect("AUTH").data,
                    public.public_key(),
                );
                let (scheme, signature) = scheme.expect("a signature");
                let right = public.public_key().verify(scheme, &octets, signature);
                assert!(right.is_ok());
            }
            None => {
                assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
                let told = fails(&world, 0, "no-signing-method").to_string();
                assert!(told.contains("RFC 7427"), "{told}");
            }
        }
    }
}

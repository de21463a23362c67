//! Proposals meet proposals: as operators mean them, and as strangers send them.

use super::*;
use crate::config::proposal::{default_esp, default_ike};
use crate::wire::numbers::{AttributeType, Encryption};
use crate::wire::{Attribute, AttributeValue, IkeSpi};

fn ike(texts: &[&str]) -> Vec<IkeProposal> {
    texts
        .iter()
        .map(|text| {
            text.parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"))
        })
        .collect()
}

fn esp(texts: &[&str]) -> Vec<EspProposal> {
    texts
        .iter()
        .map(|text| {
            text.parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"))
        })
        .collect()
}

fn offer_ike(texts: &[&str]) -> SecurityAssociation {
    ike_to_wire(&ike(texts), SpiBytes::EMPTY)
}

fn spi4() -> SpiBytes {
    SpiBytes::try_from(&[1, 2, 3, 4][..]).unwrap()
}

fn offer_esp(texts: &[&str], exchange: ChildExchange) -> SecurityAssociation {
    esp_to_wire(&esp(texts), spi4(), exchange)
}

fn chosen(ours: &[&str], theirs: &[&str]) -> String {
    match choose_ike(&ike(ours), &offer_ike(theirs)) {
        Ok(chosen) => format!("{}: {}", chosen.number, chosen.suite),
        Err(refusal) => refusal.to_string(),
    }
}

fn chosen_esp(ours: &[&str], theirs: &[&str], exchange: ChildExchange) -> String {
    match choose_esp(&esp(ours), &offer_esp(theirs, exchange), exchange) {
        Ok(chosen) => format!("{}: {}", chosen.number, chosen.suite),
        Err(refusal) => refusal.to_string(),
    }
}

const CBC: &str = "aes256-aes128-sha256-ecp256-x25519";
const GCM: &str = "aes128gcm16-aes256gcm16-prfsha256-prfsha384-ecp256-x25519";

#[test]
fn proposals_are_numbered_from_1_and_aead_stands_apart() {
    let offer = offer_ike(&[
        "aes256-aes128gcm16-sha256-x25519",
        "aes256gcm16-prfsha384-ecp256",
    ]);
    let shape: Vec<_> = offer
        .proposals
        .iter()
        .map(|proposal| {
            (
                proposal.number,
                proposal
                    .transforms
                    .iter()
                    .map(|t| (t.kind.0, t.id))
                    .collect(),
            )
        })
        .collect::<Vec<(u8, Vec<_>)>>();
    assert_eq!(
        shape,
        [
            (1, vec![(1, 12), (3, 12), (2, 5), (4, 31)]),
            (2, vec![(1, 20), (2, 5), (4, 31)]),
            (3, vec![(1, 20), (2, 6), (4, 19)]),
        ]
    );
    let offer = offer_esp(&["aes256gcm16-x25519"], ChildExchange::IkeAuth);
    let types: Vec<_> = offer.proposals[0]
        .transforms
        .iter()
        .map(|t| (t.kind.0, t.id))
        .collect();
    assert_eq!(types, [(1, 20), (5, 1), (5, 0)]);
    assert_eq!(offer.proposals[0].spi, spi4());
    let offer = offer_esp(&["aes256gcm16-x25519-noesn"], ChildExchange::CreateChildSa);
    let types: Vec<_> = offer.proposals[0]
        .transforms
        .iter()
        .map(|t| (t.kind.0, t.id))
        .collect();
    assert_eq!(types, [(1, 20), (4, 31), (5, 0)]);
}

#[test]
fn our_order_decides_whatever_theirs_is() {
    let ours = [
        "aes256gcm16-aes128gcm16-prfsha384-prfsha256-x25519-ecp256",
        "aes256-sha512-sha256-x25519",
    ];
    assert_eq!(
        chosen(&ours, &[CBC, GCM]),
        "2: aes256gcm16-prfsha384-x25519"
    );
    assert_eq!(chosen(&ours, &[CBC]), "1: aes256-sha256-prfsha256-x25519");
    assert_eq!(
        chosen(&[CBC], &[GCM, "aes128-sha256-ecp256"]),
        "2: aes128-sha256-prfsha256-ecp256"
    );
}

#[test]
fn the_defaults_agree_with_themselves_and_the_initiator_accepts_the_answer() {
    let ours = default_ike();
    let offer = ike_to_wire(&ours, SpiBytes::EMPTY);
    let chosen = choose_ike(&ours, &offer).unwrap();
    assert_eq!(chosen.suite.to_string(), "aes256gcm16-prfsha384-x25519");
    assert!(ours[0].allows(&chosen.suite) && !ours[1].allows(&chosen.suite));
    let answer = chosen.answer(SpiBytes::EMPTY);
    assert_eq!(answer.proposals[0].transforms.len(), 3);
    assert_eq!(verify_accepted_ike(&ours, &answer).unwrap(), chosen);

    let ours = default_esp();
    for exchange in [ChildExchange::IkeAuth, ChildExchange::CreateChildSa] {
        let offer = esp_to_wire(&ours, spi4(), exchange);
        let chosen = choose_esp(&ours, &offer, exchange).unwrap();
        assert_eq!(
            (chosen.suite.to_string(), chosen.suite.esn),
            ("aes256gcm16-esn".to_owned(), true)
        );
        assert_eq!(chosen.peer_spi.as_u32(), Some(0x0102_0304));
        assert_eq!(chosen.suite.child_key_lengths().encryption, 36);
        let verified = verify_accepted_esp(&ours, &chosen.answer(spi4()), exchange).unwrap();
        assert_eq!(verified, chosen);
    }
}

#[test]
fn the_answer_repeats_an_offered_none() {
    let mut offer = offer_ike(&[GCM]);
    let none = Transform::new(TransformType::INTEG, Integrity::NONE.0, None);
    offer.proposals[0].transforms.push(none.clone());
    let chosen = choose_ike(&ike(&[GCM]), &offer).unwrap();
    let answer = chosen.answer(SpiBytes::EMPTY);
    assert!(answer.proposals[0].transforms.contains(&none));
    assert!(verify_accepted_ike(&ike(&[GCM]), &answer).is_ok());
}

#[test]
fn refusals_name_the_type_and_both_sides() {
    let refusal = choose_ike(
        &ike(&["aes256gcm16-prfsha384-x25519"]),
        &offer_ike(&["aes128-aes256-sha256-x25519"]),
    );
    let refusal = refusal.unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "encryption: they offer aes128, aes256; we allow aes256gcm16\n\
         PRF: they offer prfsha256; we allow prfsha384"
    );
    assert_eq!(
        refusal.suggestion().unwrap(),
        "add `aes128` and `prfsha256` to `ike:` here, or have the peer offer `aes256gcm16` and `prfsha384`"
    );
    assert_eq!(
        chosen(
            &["aes256-sha384-x25519"],
            &["aes256-sha256-prfsha384-ecp256"]
        ),
        "integrity: they offer sha256; we allow sha384\nkey exchange: they offer ecp256; we allow x25519"
    );
}

#[test]
fn suggestions_fit_where_we_allow_none() {
    let create = ChildExchange::CreateChildSa;
    let offer = offer_esp(&["aes256gcm16-x25519"], create);
    let refusal = choose_esp(&esp(&["aes256gcm16"]), &offer, create).unwrap_err();
    let expected = "add `x25519` to `esp:` here, or have the peer offer no key exchange";
    assert_eq!(refusal.suggestion().unwrap(), expected);

    let mut offer = offer_ike(&["aes256gcm16-prfsha256-x25519"]);
    let hmac = Transform::new(TransformType::INTEG, Integrity::HMAC_SHA2_256_128.0, None);
    offer.proposals[0].transforms.push(hmac);
    let refusal = choose_ike(&ike(&["aes256gcm16-prfsha256-x25519"]), &offer).unwrap_err();
    assert_eq!(
        refusal.suggestion().unwrap(),
        "have the peer offer no integrity"
    );
}

#[test]
fn the_nearest_proposal_comes_first_and_many_are_cut() {
    let ours = ["aes256gcm16-prfsha384-x25519"];
    let text = chosen(
        &ours,
        &["aes128-sha256-ecp256", "aes256gcm16-prfsha384-ecp256"],
    );
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "proposal 2, key exchange: they offer ecp256; we allow x25519"
    );
    assert!(
        lines[1].starts_with("proposal 1, encryption: they offer aes128; we allow aes256gcm16")
    );

    let mut offer = offer_ike(&["aes256-sha256-ecp256"]);
    offer.proposals = vec![offer.proposals[0].clone(); 1000];
    let refusal = choose_ike(&ike(&ours), &offer).unwrap_err();
    assert_eq!((refusal.offers.len(), refusal.omitted), (4, 996));
    assert!(refusal.to_string().ends_with("\nand 996 more proposals"));
}

#[test]
fn algorithms_we_never_allow_are_named_and_not_suggested() {
    let mut offer = offer_ike(&["aes256-sha256-x25519"]);
    offer.proposals[0].transforms[0] =
        Transform::new(TransformType::ENCR, Encryption::TRIPLE_DES.0, None);
    let refusal = choose_ike(&ike(&["aes256-sha256-x25519"]), &offer).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "encryption: they offer 3des; we allow aes256"
    );
    assert_eq!(
        refusal.suggestion().unwrap(),
        "have the peer offer `aes256`"
    );
}

/// An offer of ours with something done to its only proposal.
fn changed(text: &str, change: impl Fn(&mut Proposal)) -> Result<String, String> {
    let mut offer = offer_ike(&[text]);
    change(&mut offer.proposals[0]);
    let chosen = choose_ike(&ike(&[text]), &offer);
    chosen
        .map(|chosen| chosen.suite.to_string())
        .map_err(|refusal| refusal.to_string())
}

fn without(kind: TransformType) -> impl Fn(&mut Proposal) {
    move |proposal| {
        proposal
            .transforms
            .retain(|transform| transform.kind != kind)
    }
}

#[test]
fn rfc7296_050_a_proposal_missing_a_mandatory_type_is_unusable() {
    for kind in [
        TransformType::ENCR,
        TransformType::PRF,
        TransformType::INTEG,
        TransformType::KE,
    ] {
        let refused = changed("aes256-sha256-x25519", without(kind)).unwrap_err();
        assert!(refused.contains("they offer none; we allow"), "{refused}");
    }
    let mut offer = offer_esp(&["aes256gcm16"], ChildExchange::IkeAuth);
    without(TransformType::ESN)(&mut offer.proposals[0]);
    let refused = choose_esp(&default_esp(), &offer, ChildExchange::IkeAuth).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "sequence numbers: they offer none; we allow esn, noesn"
    );
}

#[test]
fn rfc7296_050_an_unknown_type_makes_the_proposal_unusable_and_others_stay() {
    let text = "aes256gcm16-prfsha384-x25519";
    let unknown = Transform::new(TransformType::ADDKE1, 36, None);
    let refused = changed(text, |proposal| proposal.transforms.push(unknown.clone())).unwrap_err();
    assert_eq!(
        refused,
        "transform type: they offer ADDKE1, which has no place here"
    );
    let mut offer = offer_ike(&[text, text]);
    offer.proposals[0].transforms.push(unknown);
    assert_eq!(choose_ike(&ike(&[text]), &offer).unwrap().number, 2);
}

#[test]
fn rfc7296_050_an_unknown_transform_or_attribute_makes_only_that_transform_unusable() {
    let text = "aes256gcm16-prfsha384-x25519";
    let unknown = Transform::new(TransformType::ENCR, 60_000, Some(256));
    let mut strange = Transform::new(TransformType::PRF, Prf::HMAC_SHA2_384.0, None);
    strange.attributes.push(Attribute {
        kind: AttributeType(99),
        value: AttributeValue::Short(1),
    });
    let added = changed(text, |proposal| {
        proposal.transforms.insert(0, unknown.clone());
        proposal.transforms.insert(0, strange.clone());
    });
    assert_eq!(added.unwrap(), text);
    assert!(changed(text, |proposal| proposal.transforms[1] = strange.clone()).is_err());
}

#[test]
fn aes_without_a_key_length_or_with_a_strange_one_is_not_chosen() {
    let text = "aes256gcm16-prfsha384-x25519";
    for bits in [None, Some(0), Some(192), Some(512)] {
        let changed = changed(text, |proposal| {
            proposal.transforms[0] = Transform::new(TransformType::ENCR, 20, bits);
        });
        assert!(changed.is_err());
    }
}

#[test]
fn rfc7296_048_an_aead_beside_an_integrity_algorithm_is_not_chosen() {
    let hmac = Transform::new(TransformType::INTEG, Integrity::HMAC_SHA2_256_128.0, None);
    let refused = changed("aes256gcm16-prfsha256-x25519", |proposal| {
        proposal.transforms.push(hmac.clone())
    });
    assert_eq!(
        refused.unwrap_err(),
        "integrity: they offer sha256; we allow none"
    );
    let none = Transform::new(TransformType::INTEG, 0, None);
    let refused = changed("aes256-sha256-x25519", |proposal| {
        proposal.transforms[1] = none.clone()
    });
    assert_eq!(
        refused.unwrap_err(),
        "integrity: they offer none; we allow sha256"
    );
}

#[test]
fn an_aead_in_one_proposal_with_other_ciphers_is_chosen_without_their_integrity() {
    // What peers send that make one proposal of everything.
    let mut offer = offer_ike(&["aes256-sha256-x25519"]);
    let aead = Transform::new(TransformType::ENCR, Encryption::AES_GCM_16.0, Some(256));
    offer.proposals[0].transforms.insert(0, aead);
    let both = ike(&["aes256gcm16-aes256-sha256-x25519"]);
    let chosen = choose_ike(&both, &offer).unwrap();
    assert_eq!(chosen.suite.to_string(), "aes256gcm16-prfsha256-x25519");
    assert_eq!(chosen.suite.integrity, Integrity::NONE);
    let answer = chosen.answer(SpiBytes::EMPTY);
    let is_integrity = |transform: &Transform| transform.kind == TransformType::INTEG;
    assert!(!answer.proposals[0].transforms.iter().any(is_integrity));
    let cbc = choose_ike(&ike(&["aes256-sha256-x25519"]), &offer).unwrap();
    assert_eq!(cbc.suite.to_string(), "aes256-sha256-prfsha256-x25519");
    // A choice has one cipher, so nothing excuses integrity beside an AEAD.
    let mut answer = choose_ike(&both, &ike_to_wire(&both, SpiBytes::EMPTY))
        .unwrap()
        .answer(SpiBytes::EMPTY);
    let hmac = Transform::new(TransformType::INTEG, Integrity::HMAC_SHA2_256_128.0, None);
    answer.proposals[0].transforms.push(hmac);
    assert!(verify_accepted_ike(&both, &answer).is_err());
}

#[test]
fn a_cipher_of_one_key_length_is_not_chosen_with_a_key_length() {
    let text = "chacha20poly1305-prfsha256-x25519";
    assert_eq!(changed(text, |_| {}).unwrap(), text);
    for bits in [128, 256] {
        let refused = changed(text, |proposal| {
            proposal.transforms[0] = Transform::new(TransformType::ENCR, 28, Some(bits));
        });
        assert!(refused.unwrap_err().starts_with("encryption: they offer"));
    }
    for word in ["aes128ctr-sha256", "aes128ccm8-prfsha256"] {
        let text = format!("{word}-x25519");
        let refused = changed(&text, |proposal| {
            let id = proposal.transforms[0].id;
            proposal.transforms[0] = Transform::new(TransformType::ENCR, id, None);
        });
        assert!(refused.is_err(), "{word}");
    }
}

#[test]
fn weak_algorithms_are_chosen_only_by_who_names_them_and_never_suggested() {
    let theirs = "aes128-sha1-modp1024";
    assert_eq!(
        chosen(&[theirs], &[theirs]),
        "1: aes128-sha1-prfsha1-modp1024"
    );
    let refusal = choose_ike(&default_ike(), &offer_ike(&[theirs])).unwrap_err();
    assert_eq!(
        refusal.suggestion().unwrap(),
        "have the peer offer `sha384` and `prfsha384` and `x25519`"
    );
}

#[test]
fn an_ike_sa_never_goes_without_a_key_exchange() {
    let none = Transform::new(TransformType::KE, 0, None);
    let changed = changed("aes256gcm16-prfsha384-x25519", |proposal| {
        proposal.transforms[2] = none.clone()
    });
    assert_eq!(
        changed.unwrap_err(),
        "key exchange: they offer none; we allow x25519"
    );
}

#[test]
fn wrong_protocols_and_spis_are_not_chosen() {
    let text = "aes256gcm16-prfsha384-x25519";
    assert!(changed(text, |proposal| proposal.protocol = ProtocolId::ESP).is_err());
    assert!(changed(text, |proposal| proposal.spi = spi4()).is_err());
    assert!(
        changed(text, |proposal| proposal.spi =
            SpiBytes::from(IkeSpi([1; 8])))
        .is_ok()
    );
    for spi in [&[][..], &[0; 4], &[1; 8]] {
        let mut offer = offer_esp(&["aes256gcm16"], ChildExchange::IkeAuth);
        offer.proposals[0].spi = SpiBytes::try_from(spi).unwrap();
        assert!(choose_esp(&default_esp(), &offer, ChildExchange::IkeAuth).is_err());
    }
}

#[test]
fn forward_secrecy_is_as_configured_and_never_in_ike_auth() {
    use ChildExchange::{CreateChildSa, IkeAuth};
    let (plain, pfs) = ("aes256gcm16", "aes256gcm16-x25519");
    assert_eq!(
        chosen_esp(&[pfs], &[pfs], CreateChildSa),
        "1: aes256gcm16-x25519-esn"
    );
    assert_eq!(chosen_esp(&[pfs], &[pfs], IkeAuth), "1: aes256gcm16-esn");
    let refused = "key exchange: they offer none; we allow x25519";
    assert_eq!(chosen_esp(&[pfs], &[plain], CreateChildSa), refused);
    let refused = "key exchange: they offer x25519; we allow none";
    assert_eq!(chosen_esp(&[plain], &[pfs], CreateChildSa), refused);

    let mut offer = offer_esp(&[pfs], CreateChildSa);
    let refused = choose_esp(&esp(&[plain]), &offer, IkeAuth).unwrap_err();
    assert_eq!(
        refused.offers[0].mismatches,
        [Mismatch::KeyExchangeInIkeAuth]
    );
    offer.proposals[0]
        .transforms
        .push(Transform::new(TransformType::KE, 0, None));
    let chosen = choose_esp(&esp(&[plain]), &offer, IkeAuth).unwrap();
    assert_eq!(
        (chosen.suite.key_exchange, chosen.suite.to_string()),
        (None, "aes256gcm16-esn".to_owned())
    );
}

#[test]
fn sequence_numbers_follow_what_both_allow() {
    let choose = |ours, theirs| chosen_esp(&[ours], &[theirs], ChildExchange::IkeAuth);
    assert_eq!(
        choose("aes256gcm16", "aes256gcm16-noesn"),
        "1: aes256gcm16-noesn"
    );
    assert_eq!(
        choose("aes256gcm16-noesn-esn", "aes256gcm16"),
        "1: aes256gcm16-noesn"
    );
    let refused = "sequence numbers: they offer noesn; we allow esn";
    assert_eq!(choose("aes256gcm16-esn", "aes256gcm16-noesn"), refused);
}

#[test]
fn a_choice_of_the_other_half_of_a_mixed_proposal_is_refused() {
    let ours = ike(&["aes256gcm16-aes256-sha256-x25519"]);
    let mut offer = ike_to_wire(&ours, SpiBytes::EMPTY);
    offer.proposals.remove(0);
    let mut answer = choose_ike(&ours, &offer).unwrap().answer(SpiBytes::EMPTY);
    assert_eq!(
        verify_accepted_ike(&ours, &answer)
            .unwrap()
            .suite
            .to_string(),
        "aes256-sha256-prfsha256-x25519"
    );
    answer.proposals[0].number = 1;
    let refusal = verify_accepted_ike(&ours, &answer).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "encryption: they chose aes256; we offered aes256gcm16"
    );
}

#[test]
fn rfc7296_046_a_choice_that_is_not_ours_is_refused() {
    let ours = ike(&[
        "aes256gcm16-prfsha384-prfsha256-x25519",
        "aes256-sha256-x25519",
    ]);
    let offer = ike_to_wire(&ours, SpiBytes::EMPTY);
    let good = choose_ike(&ours, &offer).unwrap().answer(SpiBytes::EMPTY);
    let refused = |change: &dyn Fn(&mut SecurityAssociation)| {
        let mut answer = good.clone();
        change(&mut answer);
        verify_accepted_ike(&ours, &answer).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|answer| answer.proposals[0].number = 3),
        "proposal: they chose number 3, which was not sent"
    );
    assert_eq!(
        refused(&|answer| answer.proposals[0].number = 2),
        "encryption: they chose aes256gcm16; we offered aes256\n\
         PRF: they chose prfsha384; we offered prfsha256"
    );
    assert_eq!(
        refused(&|answer| answer.proposals[0].transforms[0] =
            Transform::new(TransformType::ENCR, 20, Some(128))),
        "encryption: they chose aes128gcm16; we offered aes256gcm16"
    );
    assert_eq!(
        refused(&|answer| answer.proposals = vec![answer.proposals[0].clone(); 2]),
        "proposals: they chose 2 instead of one"
    );
    let both = |answer: &mut SecurityAssociation| {
        answer.proposals[0]
            .transforms
            .push(Transform::new(TransformType::PRF, 5, None));
    };
    assert_eq!(refused(&both), "PRF: they chose more than one");
    assert_eq!(
        refused(&|answer| answer.proposals[0].protocol = ProtocolId::ESP),
        "protocol: they chose ESP"
    );
    assert_eq!(
        refused(&|answer| without(TransformType::KE)(&mut answer.proposals[0])),
        "key exchange: they chose none; we offered x25519"
    );
}

mod any_offer {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn transform() -> impl Strategy<Value = Transform> {
        let id = prop_oneof![0..40u16, Just(u16::MAX)];
        let bits = proptest::option::of(prop_oneof![Just(128), Just(192), Just(256)]);
        (0..8u8, id, bits)
            .prop_map(|(kind, id, bits)| Transform::new(TransformType(kind), id, bits))
    }

    /// Transforms that ours are made of, and now and then a stranger's.
    fn offer(ours: SecurityAssociation) -> impl Strategy<Value = SecurityAssociation> {
        let known: Vec<Transform> = ours
            .proposals
            .iter()
            .flat_map(|proposal| proposal.transforms.clone())
            .collect();
        let (protocol, spi) = (ours.proposals[0].protocol, ours.proposals[0].spi.clone());
        let transform = prop_oneof![20 => proptest::sample::select(known), 1 => transform()];
        let proposal =
            (0..4u8, vec(transform, 0..8)).prop_map(move |(number, transforms)| Proposal {
                number,
                protocol,
                spi: spi.clone(),
                transforms,
            });
        vec(proposal, 1..4).prop_map(|proposals| SecurityAssociation { proposals })
    }

    /// What is chosen was offered; one of each type; and what is refused says why.
    fn check<S>(
        offer: &SecurityAssociation,
        result: Result<Chosen<S>, ProposalRefusal>,
    ) -> Option<S> {
        match result {
            Ok(chosen) => {
                let answer = chosen.answer(SpiBytes::EMPTY);
                let transforms = &answer.proposals[0].transforms;
                assert!(offer.proposals.iter().any(|proposal| {
                    proposal.number == chosen.number
                        && transforms
                            .iter()
                            .all(|transform| proposal.transforms.contains(transform))
                }));
                let mut kinds: Vec<_> = transforms.iter().map(|transform| transform.kind).collect();
                kinds.dedup();
                assert_eq!(kinds.len(), transforms.len());
                Some(chosen.suite)
            }
            Err(refusal) => {
                assert!(
                    refusal
                        .offers
                        .iter()
                        .all(|offer| !offer.mismatches.is_empty())
                );
                assert!(!refusal.to_string().is_empty() && refusal.suggestion().is_some());
                None
            }
        }
    }

    proptest! {
        #[test]
        fn ike_is_chosen_from_both_sides_or_refused_with_a_reason(
            offer in offer(ike_to_wire(&default_ike(), SpiBytes::EMPTY))
        ) {
            let ours = default_ike();
            if let Some(suite) = check(&offer, choose_ike(&ours, &offer)) {
                prop_assert!(ours.iter().any(|ours| ours.allows(&suite)));
            }
            check(&offer, verify_accepted_ike(&ours, &offer));
        }

        #[test]
        fn esp_is_chosen_from_both_sides_or_refused_with_a_reason(
            offer in offer(esp_to_wire(&esp(&["aes256gcm16-aes128-sha256-x25519"]), spi4(), ChildExchange::CreateChildSa)),
            pfs in any::<bool>(),
        ) {
            let ours = esp(&[if pfs { "aes256gcm16-aes128-sha256-x25519" } else { "aes128-sha256" }]);
            for exchange in [ChildExchange::IkeAuth, ChildExchange::CreateChildSa] {
                if let Some(suite) = check(&offer, choose_esp(&ours, &offer, exchange)) {
                    let own = pfs && exchange == ChildExchange::CreateChildSa;
                    prop_assert_eq!(suite.key_exchange.is_some(), own);
                }
                check(&offer, verify_accepted_esp(&ours, &offer, exchange));
            }
        }
    }
}

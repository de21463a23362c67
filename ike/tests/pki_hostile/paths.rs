//! Graphs of authorities that signed one another, of which one path is good, or none.

use std::time::{Duration, Instant};

use super::support::*;

/// What is wrong with an edge of the graph that is not to be used.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Expired,
    NoAuthority,
    NoSigning,
    Purposes,
    Names,
    Critical,
    Version,
    PathLength,
}

const FAULTS: [Fault; 8] = [
    Fault::Expired,
    Fault::NoAuthority,
    Fault::NoSigning,
    Fault::Purposes,
    Fault::Names,
    Fault::Critical,
    Fault::Version,
    Fault::PathLength,
];

impl Fault {
    fn draft(self) -> Draft {
        let good = Draft::authority();
        match self {
            Self::Expired => good.times(-10 * DAY, -DAY),
            Self::NoAuthority => {
                Draft::empty()
                    .usage(&[5])
                    .extension("2.5.29.19", true, &tlv(SEQUENCE, &[]))
            }
            Self::NoSigning => good.usage(&[0, 6]),
            Self::Purposes => good.purposes(&["1.3.6.1.5.5.7.3.1"]),
            Self::Names => good.constraints(&["dns:other.org"], &[]),
            Self::Critical => good.extension("1.2.3.4", true, &[5, 0]),
            Self::Version => Draft {
                version: 1,
                extensions: Vec::new(),
                ..good
            },
            Self::PathLength => good.limited(Some(0)),
        }
    }
}

/// A host below the first of `size` authorities, each of which signed each other one; the root signed the last one only.
/// Edges are good along 0, 1, 2, ... and have the fault elsewhere.
fn mesh(size: usize, fault: Fault, good: bool) -> Vec<Vec<u8>> {
    let authorities: Vec<_> = (0..size).map(|n| Signer::of(&format!("CA {n}"))).collect();
    let mut all = vec![Draft::host(HOST).issue(&Signer::of(HOST), &authorities[0])];
    for (s, subject) in authorities.iter().enumerate() {
        for (i, issuer) in authorities.iter().enumerate().rev() {
            if s == i {
                continue;
            }
            let fine = good && i == s + 1;
            let draft = if fine {
                Draft::authority()
            } else {
                fault.draft()
            };
            all.push(draft.issue(subject, issuer));
        }
    }
    let root = Signer::of("root");
    all.push(Draft::authority().issue(&authorities[size - 1], &root));
    all
}

#[test]
fn the_one_good_path_through_a_mesh_is_found_and_no_other() {
    let trust = trusting(&[Signer::of("root").root()]);
    // A path length of 0 is good where the path happens to end.
    for fault in FAULTS {
        for size in 2..=6 {
            if matches!(fault, Fault::PathLength) {
                continue;
            }
            let begun = Instant::now();
            let peer = verify(&trust, &mesh(size, fault, true), HOST);
            let peer = peer.unwrap_or_else(|failure| panic!("{fault:?} {size}: {failure}"));
            assert_eq!(peer.path().len(), size + 2, "{fault:?}");
            let bad = verify(&trust, &mesh(size, fault, false), HOST);
            assert!(bad.is_err(), "{fault:?} {size}");
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{fault:?} {size} {:?}",
                begun.elapsed()
            );
        }
    }
}

#[test]
fn a_cross_signature_that_is_bad_does_not_hide_the_good_one_in_any_order() {
    let [old, new, middle] = ["old root", "new root", "CA"].map(Signer::of);
    let host = Draft::host(HOST).issue(&Signer::of(HOST), &middle);
    for fault in FAULTS {
        if matches!(fault, Fault::PathLength) {
            continue;
        }
        let good = Draft::authority().issue(&middle, &new);
        let bad = fault.draft().issue(&middle, &old);
        for trust in [
            trusting(&[old.root(), new.root()]),
            trusting(&[new.root(), old.root()]),
        ] {
            for chain in [
                [host.clone(), good.clone(), bad.clone()],
                [host.clone(), bad.clone(), good.clone()],
            ] {
                verify(&trust, &chain, HOST).expect("trusted");
            }
            verify(&trust, &[host.clone(), bad.clone()], HOST).expect_err("only the bad one");
        }
    }
}

#[test]
fn an_expired_anchor_gives_way_to_the_renewed_one() {
    let root = Signer::of("root");
    let expired = parse(
        &Draft::authority()
            .times(-10 * DAY, -DAY)
            .issue(&root, &root),
    );
    let chain = [Draft::host(HOST).issue(&Signer::of(HOST), &root)];
    for anchors in [
        [expired.clone(), root.root()],
        [root.root(), expired.clone()],
    ] {
        verify(&trusting(&anchors), &chain, HOST).expect("trusted");
    }
    refused(
        verify(&trusting(&[expired]), &chain, HOST),
        "certificate-expired",
    );
}

#[test]
fn self_issued_authorities_count_for_nothing_but_the_last_certificate_never_does() {
    let [top, middle] = ["root", "CA"].map(Signer::of);
    let renewed = Signer::with_key("CA", "renewed");
    let again = Signer::with_key("CA", "renewed again");
    let root = parse(&Draft::authority().limited(Some(1)).issue(&top, &top));
    let trust = trusting(&[root]);
    let end = Draft::host(HOST).issue(&Signer::of(HOST), &again);
    let chain = |limit| {
        [
            end.clone(),
            Draft::authority().issue(&again, &renewed),
            Draft::authority().issue(&renewed, &middle),
            Draft::authority().limited(limit).issue(&middle, &top),
        ]
    };
    verify(&trust, &chain(Some(0)), HOST).expect("trusted");
    // One more authority under a name of its own is one too many.
    let lower = Signer::of("lower CA");
    let long = [
        Draft::host(HOST).issue(&Signer::of(HOST), &lower),
        Draft::authority().issue(&lower, &middle),
        Draft::authority().issue(&middle, &top),
    ];
    verify(&trust, &long, HOST).expect_err("path length");
    // A host of the authority's own name signs nobody.
    let host = Signer::with_key("CA", "host");
    let below = [
        Draft::host(HOST).issue(&Signer::of(HOST), &host),
        Draft::host("x").issue(&host, &middle),
        Draft::authority().issue(&middle, &top),
    ];
    verify(&trust, &below, HOST).expect_err("no authority");
}

#[test]
fn a_host_that_signs_itself_a_better_certificate_is_not_believed() {
    let root = Signer::of("root");
    let trust = trusting(&[root.root()]);
    let host = Signer::of("host");
    let real = Draft::host("host.example.com").issue(&host, &root);
    // Its own certificate as the authority above a victim's name, in all places of the chain.
    let forged = Draft::host("victim.example.com").issue(&Signer::of("victim"), &host);
    let promoted = Draft::authority().issue(&host, &host);
    for chain in [
        vec![forged.clone(), real.clone()],
        vec![forged.clone(), promoted.clone(), real.clone()],
        vec![forged.clone(), real, promoted.clone()],
        vec![forged.clone(), promoted],
        vec![forged],
    ] {
        verify(&trust, &chain, "victim.example.com").expect_err("forged");
    }
}

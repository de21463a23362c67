//! A CRL or an OCSP reply, in band and fetched, about a certificate that is good. Whatever comes, the certificate is not
//! found revoked, for that takes a signature of its authority.

use std::sync::Arc;
use std::time::Duration;

use bolero::check;
use ike::config::{Revocation, SignatureDemand};
use ike::pki::{
    Certificate, PathCache, Presented, RevocationCache, RevocationList, RevocationOutcome,
    TrustStore,
};

const AUTHORITY: &[u8] = include_bytes!("../../ike/tests/vectors/pki/p256.der");
const HOST: &[u8] = include_bytes!("../../ike/tests/vectors/pki/p256-host.der");
/// In January 2027.
const NOW: Duration = Duration::from_secs(1_800_000_000);

#[test]
fn revocation() {
    check!()
        .with_iterations(fuzz::ROUNDS / 10)
        .for_each(survives);
}

#[test]
fn revocation_mutations() {
    fuzz::some_mutations("revocation", fuzz::ROUNDS / 10, survives);
}

fn survives(input: &[u8]) {
    drop(RevocationList::read_all(input));
    let authority = Arc::new(Certificate::parse(AUTHORITY).expect("a certificate"));
    let trust = TrustStore::new(vec![authority], Vec::new(), Vec::new(), Vec::new());
    let presented = Presented {
        certificates: vec![HOST],
        raw_key: None,
        lists: vec![input],
        ocsp: vec![input],
    };
    let demand = SignatureDemand {
        revocation: Revocation::Strict,
        ..SignatureDemand::default()
    };
    let claimed = "host.example.com".parse().expect("a name");
    let mut cache = PathCache::default();
    let mut peer = trust
        .verify(&presented, &claimed, &demand, NOW, &mut cache)
        .expect("it is trusted");
    let mut fetched = RevocationCache::default();
    // OCSP, the CRL, and then it is known or not.
    for _ in 0..3 {
        match peer.check_revocation(&demand, &trust, &fetched, NOW) {
            RevocationOutcome::Needs {
                peer: again,
                questions,
            } => {
                for question in questions {
                    fetched.insert(&question, Ok(input.to_vec()), NOW);
                }
                peer = *again;
            }
            RevocationOutcome::Unknown(failure) => {
                assert!(!failure.to_string().chars().any(char::is_control));
                return;
            }
            RevocationOutcome::Clear(_) => return,
            RevocationOutcome::Revoked(failure) => panic!("{failure}"),
        }
    }
    panic!("the questions do not end");
}

//! A certificate, and a file of certificates.

use bolero::check;
use ike::config::SignatureDemand;
use ike::pki::{Certificate, PathCache, Presented, TrustStore};

#[test]
fn certificate() {
    check!().with_iterations(fuzz::ROUNDS).for_each(survives);
}

#[test]
fn certificate_mutations() {
    fuzz::some_mutations("certificate", fuzz::ROUNDS / 4, survives);
}

fn survives(input: &[u8]) {
    if let Ok(many) = Certificate::read_all(input) {
        assert!(!many.is_empty());
    }
    let Ok(certificate) = Certificate::parse(input) else {
        return;
    };
    assert_eq!(certificate.der(), input);
    let names = certificate
        .names()
        .iter()
        .chain([certificate.subject(), certificate.issuer()]);
    for name in names {
        assert!(!name.to_string().chars().any(char::is_control));
    }
    // As its own anchor; whatever is wrong with it, it can be told.
    let presented = Presented {
        certificates: vec![input, input],
        ..Presented::default()
    };
    let claimed = certificate
        .names()
        .first()
        .unwrap_or_else(|| certificate.subject())
        .clone();
    let now = certificate.not_before();
    let trust = TrustStore::new(vec![certificate.into()], Vec::new(), Vec::new(), Vec::new());
    let demand = SignatureDemand::default();
    if let Err(failure) = trust.verify(
        &presented,
        &claimed,
        &demand,
        now,
        &mut PathCache::default(),
    ) {
        assert!(!failure.to_string().chars().any(char::is_control));
        assert!(!failure.suggestion().is_empty());
    }
}

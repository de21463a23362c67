//! NIST CAVP for the IKEv2 key derivation functions (SP 800-135): nonces from 64 to 2048 bits, five hashes.

use std::collections::HashMap;

use ike::crypto::schedule::{prf_plus, skeyseed_initial, skeyseed_rekey};
use ike::crypto::{PrfAlgorithm, Secret, standard};
use ike::wire::numbers::Prf;

use crate::support::{HmacSha224, hex, vectors};

#[test]
fn all_cases_of_nist_derive_the_same_keys() {
    let text = vectors("nist-cavp-ikev2.rsp.gz");
    let mut prf: &dyn PrfAlgorithm = &HmacSha224;
    let mut case = HashMap::new();
    let mut cases = HashMap::<_, usize>::new();
    for line in text.lines().map(str::trim) {
        match line {
            "[SHA-1]" => prf = standard().prf(Prf::HMAC_SHA1).unwrap(),
            "[SHA-224]" => prf = &HmacSha224,
            "[SHA-256]" => prf = standard().prf(Prf::HMAC_SHA2_256).unwrap(),
            "[SHA-384]" => prf = standard().prf(Prf::HMAC_SHA2_384).unwrap(),
            "[SHA-512]" => prf = standard().prf(Prf::HMAC_SHA2_512).unwrap(),
            _ => {}
        }
        if let Some((name, value)) = line.split_once(" = ")
            && name != "COUNT"
            && !name.starts_with('[')
        {
            case.insert(name.to_owned(), hex(value));
            if name == "SKEYSEED(Rekey)" {
                check(prf, &std::mem::take(&mut case));
                *cases.entry(prf.output_length()).or_default() += 1;
            }
        }
    }
    let mut count: Vec<_> = cases.into_iter().collect();
    count.sort_unstable();
    println!("NIST CAVP IKEv2: cases by PRF output length in bytes: {count:?}");
    assert_eq!(count, [(20, 40), (28, 60), (32, 60), (48, 60), (64, 60)]);
}

fn check(prf: &dyn PrfAlgorithm, case: &HashMap<String, Vec<u8>>) {
    let get = |name: &str| &case[name][..];
    let (ni, nr) = (get("Ni"), get("Nr"));
    let shared_new = Secret::from(get("g^ir (new)"));
    let skeyseed = skeyseed_initial(prf, ni, nr, &Secret::from(get("g^ir")));
    assert_eq!(skeyseed.as_bytes(), get("SKEYSEED"));

    let expand = |key: &[u8], seed: &[&[u8]], expected: &str| {
        let mut out = vec![0; get(expected).len()];
        prf_plus(prf, key, seed, &mut out).unwrap();
        assert_eq!(out, get(expected), "{expected}");
        out
    };
    let keys = expand(
        skeyseed.as_bytes(),
        &[ni, nr, get("SPIi"), get("SPIr")],
        "DKM",
    );
    let sk_d = Secret::from(&keys[..prf.key_length()]);
    expand(sk_d.as_bytes(), &[ni, nr], "DKM(Child SA)");
    expand(
        sk_d.as_bytes(),
        &[shared_new.as_bytes(), ni, nr],
        "DKM(Child SA D-H)",
    );
    let rekeyed = skeyseed_rekey(prf, &sk_d, &shared_new, ni, nr);
    assert_eq!(rekeyed.as_bytes(), get("SKEYSEED(Rekey)"));
}

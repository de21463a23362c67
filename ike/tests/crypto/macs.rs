//! AES-XCBC and AES-CMAC as PRFs and as integrity algorithms, by the values of their RFCs.

use ike::crypto::schedule::{skeyseed_initial, skeyseed_rekey};
use ike::crypto::{Secret, standard};
use ike::wire::numbers::{Encryption, Integrity, Prf};

use crate::support::{field, json, suite};

#[test]
fn both_are_the_prfs_of_rfc4434_and_rfc4615_for_keys_of_any_length() {
    let file = json("aes-xcbc-cmac.json");
    let mut count = 0;
    for (name, id) in [("xcbc", Prf::AES128_XCBC), ("cmac", Prf::AES128_CMAC)] {
        let prf = standard().prf(id).unwrap();
        for case in file[name]["prf"].as_array().unwrap() {
            let (key, message) = (field(case, "key"), field(case, "message"));
            let expected = field(case, "output");
            assert_eq!(
                prf.compute(&key, &[&message]).as_bytes(),
                expected,
                "{case}"
            );
            // However the message is cut, also at the ends of blocks.
            for cut in 0..=message.len() {
                let (first, second) = message.split_at(cut);
                let parts = prf.compute(&key, &[first, &[], second]);
                assert_eq!(parts.as_bytes(), expected, "{case} cut at {cut}");
            }
            count += 1;
        }
    }
    println!("AES-XCBC and AES-CMAC as PRFs: {count} cases");
    assert_eq!(count, 8 + 7);
}

#[test]
fn both_are_the_integrity_algorithms_of_rfc3566_and_rfc4494() {
    let file = json("aes-xcbc-cmac.json");
    let mut count = 0;
    for (name, id) in [
        ("xcbc", Integrity::AES_XCBC_96),
        ("cmac", Integrity::AES_CMAC_96),
    ] {
        let ctr = suite(Encryption::AES_CTR, 128, id);
        for case in file[name]["icv"].as_array().unwrap() {
            let message = field(case, "message");
            // The code covers associated | IV | text: the IV is the message's end.
            let Some(at) = message.len().checked_sub(ctr.iv_length()) else {
                continue;
            };
            let (associated, iv) = message.split_at(at);
            let key = ctr.key(&[0; 20], &field(case, "key")).unwrap();
            let icv = field(case, "icv");
            assert_eq!(key.open(iv, associated, &mut [], &icv), Ok(()), "{case}");
            count += 1;
        }
    }
    println!("AES-XCBC-96 and AES-CMAC-96: {count} cases");
    assert_eq!(count, 3 + 3);
}

/// RFC 7296 section 2.14: the first 64 bits of each nonce, for these two, in SKEYSEED; all bits everywhere else.
#[test]
fn rfc7296_skeyseed_takes_the_beginning_of_each_nonce_for_the_aes_prfs() {
    let (ni, nr) = ([0x11; 32], [0x22; 20]);
    let shared = Secret::from(vec![0x33; 32]);
    for id in [Prf::AES128_XCBC, Prf::AES128_CMAC] {
        let prf = standard().prf(id).unwrap();
        let key = [[0x11; 8], [0x22; 8]].concat();
        let expected = prf.compute(&key, &[&[0x33; 32]]);
        assert_eq!(skeyseed_initial(prf, &ni, &nr, &shared), expected);
        let old = Secret::from(vec![0x44; 16]);
        let all = prf.compute(&[0x44; 16], &[&[0x33; 32], &ni, &nr]);
        assert_eq!(skeyseed_rekey(prf, &old, &shared, &ni, &nr), all);
    }
    let hmac = standard().prf(Prf::HMAC_SHA1).unwrap();
    let all = hmac.compute(&[&ni[..], &nr].concat(), &[&[0x33; 32]]);
    assert_eq!(skeyseed_initial(hmac, &ni, &nr, &shared), all);
}

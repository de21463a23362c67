//! What the protection of messages promises beyond the vectors: lengths, padding, IVs, refusals.

use ike::crypto::algorithms::{ENCRYPTION, INTEGRITY};
use ike::crypto::protection::{OpeningKey, SealingKey, plaintext_capacity, protected_body_length};
use ike::crypto::schedule::prf_plus;
use ike::crypto::{CryptoError, ProtectionAlgorithm, Random, Secret, SystemRandom, standard};
use ike::wire::numbers::{Encryption, Integrity, Prf};

use crate::support::Fixed;

/// Every suite that ships, with keys of the right lengths.
fn suites() -> Vec<(&'static dyn ProtectionAlgorithm, Vec<u8>, Vec<u8>)> {
    let mut suites = Vec::new();
    for row in ENCRYPTION.iter().filter(|row| row.ike) {
        let integrities = if row.is_aead() {
            vec![Integrity::NONE]
        } else {
            INTEGRITY.iter().map(|row| row.id).collect()
        };
        for integrity in integrities {
            let suite = standard()
                .protection(row.id, row.key_bits, integrity)
                .unwrap();
            let encryption = vec![0x11; suite.encryption_key_length()];
            let integrity = vec![0x22; suite.integrity_key_length()];
            suites.push((suite, encryption, integrity));
        }
    }
    assert_eq!(suites.len(), 19 + 6 * 6);
    suites
}

#[test]
fn every_suite_opens_what_it_sealed_at_the_announced_length() {
    let prefix = b"header and generic header".to_vec();
    for (suite, encryption, integrity) in suites() {
        let mut sealing = SealingKey::new(suite, &encryption, &integrity, 0).unwrap();
        let opening = OpeningKey::new(suite, &encryption, &integrity).unwrap();
        for length in 0..70 {
            let plaintext = vec![0x5a; length];
            let sealed = sealing
                .seal_message(&mut SystemRandom::new(), prefix.clone(), &plaintext)
                .unwrap();
            let (associated, body) = sealed.split_at(prefix.len());
            assert_eq!(associated, prefix);
            assert_eq!(body.len(), protected_body_length(suite, length));
            assert_eq!(body.len(), sealing.protected_body_length(length));
            assert_eq!(opening.open_message(associated, body).unwrap(), plaintext);
            let capacity = plaintext_capacity(suite, body.len()).unwrap();
            assert!(capacity >= length);
            assert_eq!(protected_body_length(suite, capacity), body.len());
        }
        assert_eq!(
            plaintext_capacity(suite, suite.iv_length() + suite.icv_length()),
            None
        );
    }
}

#[test]
fn a_changed_bit_in_prefix_iv_text_or_icv_is_refused_by_every_suite() {
    for (suite, encryption, integrity) in suites() {
        let mut sealing = SealingKey::new(suite, &encryption, &integrity, 7).unwrap();
        let opening = OpeningKey::new(suite, &encryption, &integrity).unwrap();
        let sealed = sealing
            .seal_message(&mut SystemRandom::new(), b"prefix".to_vec(), b"payloads")
            .unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let (associated, body) = changed.split_at(6);
            assert_eq!(
                opening.open_message(associated, body),
                Err(CryptoError::Integrity),
                "bit {bit}"
            );
        }
    }
}

#[test]
fn bodies_too_short_or_not_whole_blocks_are_refused_by_length() {
    for (suite, encryption, integrity) in suites() {
        let opening = OpeningKey::new(suite, &encryption, &integrity).unwrap();
        let least = suite.iv_length() + suite.icv_length();
        for length in 0..least + 40 {
            let refused = opening
                .open_message(b"prefix", &vec![0; length])
                .unwrap_err();
            let plausible = length > least && (length - least).is_multiple_of(suite.block_length());
            let expected = if plausible {
                CryptoError::Integrity
            } else {
                CryptoError::BodyLength(length)
            };
            assert_eq!(refused, expected);
        }
    }
}

#[test]
fn any_legal_padding_is_accepted_and_a_pad_length_beyond_the_text_is_not() {
    let suite = standard()
        .protection(Encryption::AES_GCM_16, Some(128), Integrity::NONE)
        .unwrap();
    let opening = OpeningKey::new(suite, &[1; 20], &[]).unwrap();
    let open = |text: &[u8]| {
        let (iv, mut text, mut icv) = ([9; 8], text.to_vec(), [0; 16]);
        suite
            .key(&[1; 20], &[])
            .unwrap()
            .seal(&iv, b"prefix", &mut text, &mut icv);
        opening.open_message(b"prefix", &[&iv[..], &text, &icv].concat())
    };
    assert_eq!(open(&[1, 2, 3, 0]), Ok(vec![1, 2, 3]));
    assert_eq!(open(&[1, 2, 3, 0xff, 0xff, 2]), Ok(vec![1, 2, 3]));
    assert_eq!(open(&[0xaa, 0xbb, 0xcc, 3]), Ok(vec![]));
    assert_eq!(open(&[0]), Ok(vec![]));
    assert_eq!(open(&[[0; 255].as_slice(), &[255]].concat()), Ok(vec![]));
    assert_eq!(
        open(&[1, 2, 3, 4]),
        Err(CryptoError::Padding {
            pad_length: 4,
            available: 3
        })
    );
    assert_eq!(
        open(&[1]),
        Err(CryptoError::Padding {
            pad_length: 1,
            available: 0
        })
    );
}

#[test]
fn a_counter_iv_counts_up_and_ends_without_repeating() {
    let mut counters = 0;
    for (suite, encryption, integrity) in suites() {
        if !suite.iv_is_counter() {
            continue;
        }
        let mut sealing = SealingKey::new(suite, &encryption, &integrity, u64::MAX - 1).unwrap();
        let mut seal = || sealing.seal_message(&mut Fixed(vec![]), vec![], b"text");
        assert_eq!(seal().unwrap()[..8], (u64::MAX - 1).to_be_bytes());
        assert_eq!(seal().unwrap()[..8], u64::MAX.to_be_bytes());
        assert_eq!(seal(), Err(CryptoError::IvExhausted));
        assert_eq!(seal(), Err(CryptoError::IvExhausted));
        assert_eq!(sealing.next_counter(), None);
        counters += 1;
    }
    assert_eq!(counters, 19 + 3 * 6);
}

#[test]
fn a_cbc_iv_is_drawn_anew_for_each_message() {
    let suite = standard()
        .protection(Encryption::AES_CBC, Some(128), Integrity::HMAC_SHA2_256_128)
        .unwrap();
    let mut sealing = SealingKey::new(suite, &[3; 16], &[4; 32], 0).unwrap();
    for byte in [1, 2] {
        let sealed = sealing
            .seal_message(&mut Fixed(vec![byte; 16]), vec![], b"text")
            .unwrap();
        assert_eq!(sealed[..16], [byte; 16]);
    }
    let (mut first, mut second) = ([0; 16], [0; 16]);
    SystemRandom::new().fill(&mut first);
    SystemRandom::new().fill(&mut second);
    assert_ne!(first, second);
}

#[test]
fn keys_of_a_wrong_length_are_refused() {
    for (suite, encryption, integrity) in suites() {
        let refused = suite.key(&encryption[1..], &integrity).err();
        let expected = CryptoError::KeyLength {
            expected: encryption.len(),
            actual: encryption.len() - 1,
        };
        assert_eq!(refused, Some(expected));
        let longer = [&integrity[..], &[0]].concat();
        let expected = CryptoError::KeyLength {
            expected: integrity.len(),
            actual: longer.len(),
        };
        assert_eq!(suite.key(&encryption, &longer).err(), Some(expected));
    }
}

#[test]
fn prf_plus_ends_after_255_blocks() {
    let prf = standard().prf(Prf::HMAC_SHA2_256).unwrap();
    let mut most = Secret::zeroed(255 * 32);
    prf_plus(prf, b"key", &[b"seed"], most.as_mut_bytes()).unwrap();
    let mut less = [0; 33];
    prf_plus(prf, b"key", &[b"se", b"ed"], &mut less).unwrap();
    assert_eq!(most.as_bytes()[..33], less);
    let mut more = vec![0; 255 * 32 + 1];
    let refused = prf_plus(prf, b"key", &[b"seed"], &mut more);
    assert_eq!(refused, Err(CryptoError::KeyMaterialTooLong(255 * 32 + 1)));
}

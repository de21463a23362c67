//! Wycheproof: the cases that break implementations. Each test counts what applied.

use ike::crypto::{CryptoError, ProtectionKey, standard};
use ike::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};
use p256::SecretKey;
use serde_json::Value;

use crate::support::{Fixed, field, json};

/// Calls `each` with every case of the file and its group.
fn cases(file: &str, mut each: impl FnMut(&Value, &Value)) {
    for group in json(&format!("wycheproof/{file}_test.json.gz"))["testGroups"]
        .as_array()
        .unwrap()
    {
        for case in group["tests"].as_array().unwrap() {
            each(group, case);
        }
    }
}

#[test]
fn x25519_agrees_and_refuses_every_secret_that_is_zero() {
    let method = standard()
        .key_exchange(KeyExchangeMethod::CURVE25519)
        .unwrap();
    let (mut agreed, mut refused) = (0, 0);
    cases("x25519", |_, case| {
        let key = method.generate(&mut Fixed(field(case, "private"))).unwrap();
        let (result, shared) = (key.agree(&field(case, "public")), field(case, "shared"));
        if shared == [0; 32] {
            assert_ne!(case["result"], "valid");
            assert_eq!(
                result,
                Err(CryptoError::PublicValue(KeyExchangeMethod::CURVE25519)),
                "{case}"
            );
            refused += 1;
        } else {
            assert_eq!(result.unwrap().as_bytes(), shared, "{case}");
            agreed += 1;
        }
    });
    println!("Wycheproof x25519: {agreed} agreed, {refused} of small order refused");
    assert_eq!(agreed + refused, 518);
}

/// ring imports no private key. So each case runs twice: our fresh key must accept or refuse the case's public value,
/// and the case's private key, held by another implementation, must agree with ours.
#[test]
fn ecdh_p256_refuses_invalid_points_and_agrees_with_every_key() {
    let method = standard().key_exchange(KeyExchangeMethod::ECP_256).unwrap();
    let generate = || method.generate(&mut Fixed(vec![])).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    cases("ecdh_secp256r1_ecpoint", |_, case| {
        let public = field(case, "public");
        if let [4, point @ ..] = &public[..]
            && case["result"] == "valid"
        {
            let private = private_key(&field(case, "private"));
            let theirs = p256::PublicKey::from_sec1_bytes(&public).unwrap();
            let shared =
                p256::ecdh::diffie_hellman(private.to_nonzero_scalar(), theirs.as_affine());
            assert_eq!(
                shared.raw_secret_bytes()[..],
                field(case, "shared"),
                "{case}"
            );

            let (ours, other) = (generate(), generate());
            let our_public = [&[4], ours.public_value()].concat();
            let our_public = p256::PublicKey::from_sec1_bytes(&our_public).unwrap();
            let expected =
                p256::ecdh::diffie_hellman(private.to_nonzero_scalar(), our_public.as_affine());
            let result = ours
                .agree(&private.public_key().to_sec1_bytes()[1..])
                .unwrap();
            assert_eq!(
                result.as_bytes(),
                &expected.raw_secret_bytes()[..],
                "{case}"
            );
            other.agree(point).unwrap();
            agreed += 1;
        } else {
            // On the wire there is no point format byte: what is not 04 | x | y cannot even be expressed.
            let point = public.get(1..).unwrap_or_default();
            if public.first() == Some(&4) {
                assert!(generate().agree(point).is_err(), "{case}");
            } else {
                assert_ne!(point.len(), method.public_length(), "{case}");
            }
            refused += 1;
        }
    });
    println!("Wycheproof ecdh_secp256r1_ecpoint: {agreed} agreed, {refused} refused");
    assert_eq!(agreed + refused, 355);
}

/// A private key whose number may have leading zeros too many or too few.
fn private_key(bytes: &[u8]) -> SecretKey {
    let start = bytes.len().saturating_sub(32);
    let mut padded = [0; 32];
    padded[32 - (bytes.len() - start)..].copy_from_slice(&bytes[start..]);
    SecretKey::from_slice(&padded).unwrap()
}

#[test]
fn aes_gcm_seals_and_opens() {
    let (mut valid, mut invalid, mut skipped) = (0, 0, 0);
    cases("aes_gcm", |group, case| {
        let bits = u16::try_from(group["keySize"].as_u64().unwrap()).unwrap();
        let suite = standard().protection(Encryption::AES_GCM_16, Some(bits), Integrity::NONE);
        let (Some(suite), true) = (suite, group["ivSize"] == 96) else {
            skipped += 1; // 192 bits, and nonces that IKE has not
            return;
        };
        // IKE's nonce is salt | IV.
        let nonce = field(case, "iv");
        let key = suite
            .key(&[&field(case, "key")[..], &nonce[..4]].concat(), &[])
            .unwrap();
        let (aad, msg) = (field(case, "aad"), field(case, "msg"));
        let (mut text, tag) = (field(case, "ct"), field(case, "tag"));
        let result = key.open(&nonce[4..], &aad, &mut text, &tag);
        if case["result"] == "valid" {
            assert_eq!((result, &text), (Ok(()), &msg), "{case}");
            let mut icv = [0; 16];
            key.seal(&nonce[4..], &aad, &mut text, &mut icv);
            assert_eq!((text, &icv[..]), (field(case, "ct"), &tag[..]), "{case}");
            valid += 1;
        } else {
            assert_eq!(result, Err(CryptoError::Integrity), "{case}");
            invalid += 1;
        }
    });
    println!(
        "Wycheproof aes_gcm: {valid} valid, {invalid} invalid, {skipped} skipped (192 bits, other nonces)"
    );
    assert_eq!((valid, invalid), (79, 54));
}

#[test]
fn hmac_sha2_as_prf_and_as_icv() {
    for (file, prf, integrity, full_bits) in [
        (
            "hmac_sha256",
            Prf::HMAC_SHA2_256,
            Integrity::HMAC_SHA2_256_128,
            256,
        ),
        (
            "hmac_sha384",
            Prf::HMAC_SHA2_384,
            Integrity::HMAC_SHA2_384_192,
            384,
        ),
        (
            "hmac_sha512",
            Prf::HMAC_SHA2_512,
            Integrity::HMAC_SHA2_512_256,
            512,
        ),
    ] {
        let prf = standard().prf(prf).unwrap();
        let suite = standard()
            .protection(Encryption::AES_CBC, Some(128), integrity)
            .unwrap();
        let (mut as_prf, mut as_icv) = (0, 0);
        cases(file, |group, case| {
            let (key, msg, tag) = (field(case, "key"), field(case, "msg"), field(case, "tag"));
            let valid = case["result"] == "valid";
            assert_eq!(
                prf.compute(&key, &[&msg]).as_bytes()[..tag.len()] == tag,
                valid,
                "{case}"
            );
            as_prf += 1;
            // As an ICV: keys of the hash's length, tags of half that, and the IV at the end of the message.
            if group["tagSize"] == full_bits / 2 && group["keySize"] == full_bits && msg.len() >= 16
            {
                let (associated, iv) = msg.split_at(msg.len() - 16);
                let key: Box<dyn ProtectionKey> = suite.key(&[0; 16], &key).unwrap();
                assert_eq!(
                    key.open(iv, associated, &mut [], &tag).is_ok(),
                    valid,
                    "{case}"
                );
                as_icv += 1;
            }
        });
        println!("Wycheproof {file}: {as_prf} as PRF, {as_icv} as ICV");
        assert_eq!(as_prf, 174);
        assert_eq!(as_icv, 38);
    }
}

//! Wycheproof: the cases that break implementations. Each test counts what applied.

use ike::crypto::{CryptoError, ProtectionKey, SystemRandom, standard};
use ike::wire::numbers::{Encryption, Integrity, KeyExchangeMethod, Prf};
use serde_json::Value;

use crate::support::{Fixed, field, json, suite};

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

/// What the tests need of another implementation of a curve.
macro_rules! other_curve {
    ($name:ident, $curve:ident, $field:literal) => {
        mod $name {
            /// The x of private times public, both in SEC1's form.
            pub(super) fn agree(private: &[u8], public: &[u8]) -> Vec<u8> {
                let public = $curve::PublicKey::from_sec1_bytes(public).unwrap();
                let private = secret_key(private).to_nonzero_scalar();
                let shared = $curve::ecdh::diffie_hellman(private, public.as_affine());
                shared.raw_secret_bytes().to_vec()
            }

            pub(super) fn public(private: &[u8]) -> Vec<u8> {
                use $curve::elliptic_curve::sec1::ToSec1Point;
                let public = secret_key(private).public_key();
                public.to_sec1_point(false).as_bytes().to_vec()
            }

            fn secret_key(bytes: &[u8]) -> $curve::SecretKey {
                $curve::SecretKey::from_slice(&super::padded::<$field>(bytes)).unwrap()
            }
        }
    };
}

other_curve!(other_p256, p256, 32);
other_curve!(other_p384, p384, 48);

/// A number that may have leading zeros too many or too few.
fn padded<const LENGTH: usize>(number: &[u8]) -> [u8; LENGTH] {
    let start = number.len().saturating_sub(LENGTH);
    let mut padded = [0; LENGTH];
    padded[LENGTH - (number.len() - start)..].copy_from_slice(&number[start..]);
    padded
}

/// Runs the cases of a curve: `valid` with private key, x | y and shared secret, and all others here. Gives how many were
/// agreed and refused.
fn ecdh(
    file: &str,
    method: KeyExchangeMethod,
    mut valid: impl FnMut(&[u8], &[u8], &[u8]),
) -> (usize, usize) {
    let method = standard().key_exchange(method).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    cases(file, |_, case| {
        let public = field(case, "public");
        if let [4, point @ ..] = &public[..]
            && case["result"] == "valid"
        {
            valid(&field(case, "private"), point, &field(case, "shared"));
            agreed += 1;
            return;
        }
        // On the wire there is no point format byte: what is not 04 | x | y cannot even be expressed.
        let point = public.get(1..).unwrap_or_default();
        if public.first() == Some(&4) {
            let key = method.generate(&mut SystemRandom::new()).unwrap();
            assert!(key.agree(point).is_err(), "{case}");
        } else {
            assert_ne!(point.len(), method.public_length(), "{case}");
        }
        refused += 1;
    });
    println!("Wycheproof {file}: {agreed} agreed, {refused} refused");
    (agreed, refused)
}

/// ring imports no private key. So a fresh key of ours agrees with the case's public value, and, for one case in
/// `every`, with the case's private key in the hands of another implementation.
fn ecdh_by_ring(
    file: &str,
    method: KeyExchangeMethod,
    every: usize,
    other_agree: fn(&[u8], &[u8]) -> Vec<u8>,
    other_public: fn(&[u8]) -> Vec<u8>,
) -> (usize, usize) {
    let algorithm = standard().key_exchange(method).unwrap();
    let generate = || algorithm.generate(&mut SystemRandom::new()).unwrap();
    let mut count = 0;
    ecdh(file, method, |private, point, _| {
        generate().agree(point).unwrap();
        if count % every == 0 {
            let ours = generate();
            let our_public = [&[4], ours.public_value()].concat();
            let shared = ours.agree(&other_public(private)[1..]).unwrap();
            assert_eq!(shared.as_bytes(), other_agree(private, &our_public));
        }
        count += 1;
    })
}

#[test]
fn ecdh_refuses_invalid_points_and_agrees_with_valid_ones() {
    use KeyExchangeMethod as Method;
    let file = "ecdh_secp256r1_ecpoint";
    let counts = ecdh_by_ring(
        file,
        Method::ECP_256,
        1,
        other_p256::agree,
        other_p256::public,
    );
    assert_eq!(counts, (330, 25));
    let file = "ecdh_secp384r1_ecpoint";
    let counts = ecdh_by_ring(
        file,
        Method::ECP_384,
        16,
        other_p384::agree,
        other_p384::public,
    );
    assert_eq!(counts, (771, 19));
    let method = standard().key_exchange(Method::ECP_521).unwrap();
    let counts = ecdh(
        "ecdh_secp521r1_ecpoint",
        Method::ECP_521,
        |private, point, shared| {
            let mut random = Fixed(padded::<66>(private).to_vec());
            let key = method.generate(&mut random).unwrap();
            assert_eq!(key.agree(point).unwrap().as_bytes(), shared);
        },
    );
    assert_eq!(counts, (632, 29));
}

/// Seals and opens the cases whose nonces are IKE's: salt | IV. Gives how many were valid, invalid and skipped.
fn aead(file: &str, id: Encryption, salt_length: usize, tag_bits: usize) -> [usize; 3] {
    let [mut valid, mut invalid, mut skipped] = [0; 3];
    cases(file, |group, case| {
        let bits = u16::try_from(group["keySize"].as_u64().unwrap()).unwrap();
        let bits = (id != Encryption::CHACHA20_POLY1305).then_some(bits);
        if group["ivSize"] != (salt_length + 8) * 8 || group["tagSize"] != tag_bits {
            skipped += 1;
            return;
        }
        let nonce = field(case, "iv");
        let (salt, iv) = nonce.split_at(salt_length);
        let key = suite(id, bits, Integrity::NONE)
            .key(&[&field(case, "key")[..], salt].concat(), &[])
            .unwrap();
        let (aad, msg) = (field(case, "aad"), field(case, "msg"));
        let (mut text, tag) = (field(case, "ct"), field(case, "tag"));
        let result = key.open(iv, &aad, &mut text, &tag);
        if case["result"] == "valid" {
            assert_eq!((result, &text), (Ok(()), &msg), "{case}");
            let mut icv = vec![0; tag.len()];
            key.seal(iv, &aad, &mut text, &mut icv);
            assert_eq!((text, icv), (field(case, "ct"), tag), "{case}");
            valid += 1;
        } else {
            assert_eq!(result, Err(CryptoError::Integrity), "{case}");
            invalid += 1;
        }
    });
    println!(
        "Wycheproof {file}, {tag_bits} bits of tag: {valid} valid, {invalid} invalid, {skipped} skipped (other nonces or tags)"
    );
    [valid, invalid, skipped]
}

#[test]
fn aeads_seal_and_open() {
    assert_eq!(
        aead("aes_gcm", Encryption::AES_GCM_16, 4, 128)[..2],
        [116, 81]
    );
    assert_eq!(
        aead("aes_ccm", Encryption::AES_CCM_16, 3, 128)[..2],
        [18, 0]
    );
    let chacha = aead("chacha20_poly1305", Encryption::CHACHA20_POLY1305, 4, 128);
    assert_eq!(chacha[..2], [256, 60]);
}

#[test]
fn aes_cmac_as_prf() {
    let prf = standard().prf(Prf::AES128_CMAC).unwrap();
    let (mut used, mut skipped) = (0, 0);
    cases("aes_cmac", |group, case| {
        if group["keySize"] != 128 {
            skipped += 1;
            return;
        }
        let (key, msg, tag) = (field(case, "key"), field(case, "msg"), field(case, "tag"));
        let right = prf.compute(&key, &[&msg]).as_bytes() == tag;
        assert_eq!(right, case["result"] == "valid", "{case}");
        used += 1;
    });
    println!("Wycheproof aes_cmac: {used} as PRF, {skipped} skipped (other keys)");
    assert_eq!(used, 102);
}

#[test]
fn hmac_as_prf_and_as_icv() {
    for (file, prf, integrity, full_bits, expected) in [
        (
            "hmac_sha1",
            Prf::HMAC_SHA1,
            Integrity::HMAC_SHA1_96,
            160,
            (170, 0),
        ),
        (
            "hmac_sha256",
            Prf::HMAC_SHA2_256,
            Integrity::HMAC_SHA2_256_128,
            256,
            (174, 38),
        ),
        (
            "hmac_sha384",
            Prf::HMAC_SHA2_384,
            Integrity::HMAC_SHA2_384_192,
            384,
            (174, 38),
        ),
        (
            "hmac_sha512",
            Prf::HMAC_SHA2_512,
            Integrity::HMAC_SHA2_512_256,
            512,
            (174, 38),
        ),
    ] {
        let prf = standard().prf(prf).unwrap();
        let cbc = suite(Encryption::AES_CBC, 128, integrity);
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
            // As an ICV: keys of the hash's length, tags as we cut them, and the IV at the end of the message.
            let tag_bits = 8 * cbc.icv_length();
            if group["tagSize"] == tag_bits && group["keySize"] == full_bits && msg.len() >= 16 {
                let (associated, iv) = msg.split_at(msg.len() - 16);
                let key: Box<dyn ProtectionKey> = cbc.key(&[0; 16], &key).unwrap();
                assert_eq!(
                    key.open(iv, associated, &mut [], &tag).is_ok(),
                    valid,
                    "{case}"
                );
                as_icv += 1;
            }
        });
        println!("Wycheproof {file}: {as_prf} as PRF, {as_icv} as ICV");
        assert_eq!((as_prf, as_icv), expected);
    }
}

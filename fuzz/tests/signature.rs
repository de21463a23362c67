//! What a peer and its certificates say about signatures, and key files: the first octet is what the rest is.
//!
//! | first octet | the rest |
//! |---|---|
//! | 0 | a SubjectPublicKeyInfo |
//! | 1 | a file with a private key |
//! | 2 | which of the keys of the corpus, an authentication method, Authentication Data |
//! | 3 | the data of SIGNATURE_HASH_ALGORITHMS |

use bolero::check;
use ike::auth::signature::{PeerHashes, allowed, choose, decode, encode};
use ike::config::{SignatureDemand, Strength};
use ike::crypto::signature::{PrivateKey, PublicKey, SignatureError};
use ike::wire::numbers::AuthMethod;

/// Mutations that run as a test: each may cost a signature.
const ROUNDS: usize = 20_000;

#[test]
fn signature() {
    check!().with_iterations(ROUNDS).for_each(survives);
}

#[test]
fn signature_mutations() {
    fuzz::some_mutations("signature", ROUNDS, survives);
}

/// What the signatures of the corpus are on.
const MESSAGE: &[u8] = b"the octets that AUTH covers";

const KEYS: [&[u8]; 5] = [
    include_bytes!("__fuzz__/signature/corpus/spki-rsa-2048"),
    include_bytes!("__fuzz__/signature/corpus/spki-ecdsa-p256"),
    include_bytes!("__fuzz__/signature/corpus/spki-ecdsa-p384"),
    include_bytes!("__fuzz__/signature/corpus/spki-ecdsa-p521"),
    include_bytes!("__fuzz__/signature/corpus/spki-ed25519"),
];

fn survives(input: &[u8]) {
    match input {
        [0, spki @ ..] => public_key(spki),
        [1, file @ ..] => private_key(file),
        [2, key, method, data @ ..] => {
            let key = PublicKey::from_spki(&KEYS[usize::from(*key) % KEYS.len()][1..]);
            authentication_data(
                &key.expect("a key of the corpus"),
                AuthMethod(*method),
                data,
            );
        }
        [3, data @ ..] => peer_hashes(data),
        _ => (),
    }
}

/// A key is what was read, and no key takes rubbish for a signature.
fn public_key(spki: &[u8]) {
    let Ok(key) = PublicKey::from_spki(spki) else {
        return;
    };
    assert_eq!(key.spki(), spki);
    for scheme in key.kind().schemes() {
        let wrong = key.verify(*scheme, MESSAGE, spki);
        assert!(
            matches!(wrong, Err(SignatureError::Wrong { .. })),
            "{scheme}"
        );
    }
}

/// A key that is read signs what its public half verifies; a refusal says nothing of the content.
fn private_key(file: &[u8]) {
    match PrivateKey::read(file, None) {
        Ok(key) => {
            let scheme = key.public_key().kind().schemes()[0];
            let signature = key
                .sign(scheme, MESSAGE)
                .expect("it signs by its first scheme");
            assert_eq!(key.public_key().verify(scheme, MESSAGE, &signature), Ok(()));
        }
        Err(error) => assert!(error.to_string().len() < 400, "{error}"),
    }
}

/// What is decoded, the key can judge, and it is encoded as it came where we would send it so.
fn authentication_data(key: &PublicKey, method: AuthMethod, data: &[u8]) {
    let Ok((scheme, signature)) = decode(method, data, key) else {
        return;
    };
    assert_eq!(key.kind().check(scheme), Ok(()));
    assert!(!signature.is_empty() && data.ends_with(signature));
    let verified = key.verify(scheme, MESSAGE, signature);
    assert!(matches!(
        verified,
        Ok(()) | Err(SignatureError::Wrong { .. })
    ));
    let demand = SignatureDemand::default();
    let sha1 = method == AuthMethod::RSA_SIGNATURE;
    assert_eq!(allowed(scheme, key.kind(), &demand).is_err(), sha1);
    let only: PeerHashes = [scheme.hash()].into_iter().collect();
    for peer in [Some(&only), None] {
        if let Ok(own) = choose(key.kind(), peer, Strength::Default)
            && (own.method(), own.scheme()) == (method, scheme)
        {
            // The variants of PSS apart, there is one encoding.
            let encoded = encode(&own, signature);
            assert_eq!(decode(method, &encoded, key), Ok((scheme, signature)));
        }
    }
}

/// The numbers that are known, and no others.
fn peer_hashes(data: &[u8]) {
    let Ok(hashes) = PeerHashes::parse(data) else {
        assert_eq!(data.len() % 2, 1);
        return;
    };
    let numbers: Vec<_> = data.chunks(2).map(|pair| (pair[0], pair[1])).collect();
    for number in 0..=u8::MAX {
        let listed = numbers.contains(&(0, number)) && (1..=5).contains(&number);
        assert_eq!(hashes.iter().any(|hash| hash.0 == number.into()), listed);
    }
}

//! Authentication method 1, RSA with SHA-1 (RFC 7296 section 2.15), which old peers make and we never do: the signature is
//! computed here.

use super::*;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd, Resize};
use der::asn1::{AnyRef, OctetStringRef, UintRef};
use der::{Decode, Reader, SliceReader};
use ike::wire::Payload;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use sim::ScriptedPeer;
use sim::peer::{Said, id_payload};

const KEY: TestKey = TestKey::Rsa2048;
const BITS: u32 = 2048;

/// RSASSA-PKCS1-v1_5 with SHA-1, RFC 8017 section 8.2.1.
fn sign(message: &[u8]) -> Vec<u8> {
    // DigestInfo up to the hash, RFC 8017 section 9.2.
    const SHA1: [u8; 15] = [
        0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14,
    ];
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
    let mut block = vec![0xff; 256];
    block[..2].copy_from_slice(&[0, 1]);
    block[220] = 0;
    block[221..236].copy_from_slice(&SHA1);
    block[236..].copy_from_slice(hash.as_ref());
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, BITS).expect("2048 bits");
    let [modulus, exponent] = modulus_and_private_exponent();
    let modulus = Odd::new(number(&modulus)).expect("odd");
    let base = BoxedMontyForm::new(number(&block), &BoxedMontyParams::new(modulus));
    let power = base.pow(&number(&exponent)).retrieve();
    power.resize(BITS).to_be_bytes().to_vec()
}

/// Out of PrivateKeyInfo (RFC 5208 section 5) and RSAPrivateKey (RFC 8017 appendix A.1.2).
fn modulus_and_private_exponent() -> [Vec<u8>; 2] {
    let (_, info) = der::Document::from_pem(include_str!("../../keys/rsa2048.pem")).expect("PEM");
    let inner = SliceReader::new(info.as_bytes()).and_then(|mut reader| {
        reader.sequence(|reader| {
            AnyRef::decode(reader)?;
            AnyRef::decode(reader)?;
            Ok::<_, der::Error>(<&OctetStringRef>::decode(reader)?.as_bytes())
        })
    });
    let numbers = SliceReader::new(inner.expect("PKCS#8")).and_then(|mut reader| {
        reader.sequence(|reader| {
            let numbers = [(); 4].map(|()| UintRef::decode(reader));
            reader.drain(reader.remaining_len())?;
            Ok::<_, der::Error>(numbers)
        })
    });
    let [_, modulus, _, private] = numbers.expect("PKCS#1");
    [modulus, private].map(|number| number.expect("a number").as_bytes().to_vec())
}

/// What the headquarters, with this policy, says to a branch that signs so.
fn asked(demand: SignatureDemand, change: impl FnOnce(&mut Vec<u8>)) -> (World, Said) {
    let authority = Authority::new("Root");
    let mut world = strangers(120);
    let credentials = authority.credentials(TestKey::P256, HQ);
    world.configure(0, End::hq().with(demanding(demand), credentials));
    let mut peer = ScriptedPeer::branch(&world, 120);
    let certificate = authority.issue(KEY, &Wanted::of(BRANCH));
    peer.sign_with(KEY.private(), &[certificate.der()]);
    // Its hashes are announced for the AUTH of the script alone, which is replaced.
    let mut session = peer.begin(&mut world);
    let mut payloads = peer.auth_payloads(&session, 0x1234_5678);
    let mut signature = sign(&session.octets(&id_payload(&peer.id).body()));
    change(&mut signature);
    for payload in &mut payloads {
        if let Payload::Auth(auth) = payload {
            auth.method = AuthMethod::RSA_SIGNATURE;
            auth.data = std::mem::take(&mut signature).into();
        }
    }
    let said = peer.ask(&mut world, &mut session, ExchangeType::IKE_AUTH, &payloads);
    (world, said.expect("an answer"))
}

const ACCEPTED: SignatureDemand = SignatureDemand {
    rsa_sha1: true,
    ..DEMAND
};

#[test]
fn it_is_believed_where_the_policy_names_it_and_nowhere_else() {
    let (world, said) = asked(ACCEPTED, |_| {});
    assert_ne!(
        said.auth().expect("AUTH").method,
        AuthMethod::RSA_SIGNATURE,
        "we never make it"
    );
    assert_eq!(world.nodes[0].count("ike-sa-established"), 1);
    let scheme = evidence(&world, 0).scheme().expect("a signature");
    assert_eq!(scheme.to_string(), "RSA PKCS#1 v1.5 with SHA1");

    let (world, said) = asked(DEMAND, |_| {});
    assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
    fails(&world, 0, "signature-not-allowed");
    assert_eq!(world.nodes[0].count("ike-sa-established"), 0);
}

#[test]
fn where_it_is_believed_it_still_has_to_be_right() {
    let changes: [fn(&mut Vec<u8>); 4] = [
        |signature| signature[255] ^= 1,
        |signature| signature[0] ^= 0x80,
        |signature| signature.insert(0, 0),
        |signature| signature.fill(0),
    ];
    for change in changes {
        let (world, said) = asked(ACCEPTED, change);
        assert_eq!(said.notifies(), [NotifyType::AUTHENTICATION_FAILED]);
        fails(&world, 0, "wrong-signature");
    }
}

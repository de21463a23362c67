//! What a key exchange carries: the payload KE (RFC 7296 section 3.4) and the nonce (section 3.9).

use super::names;
use super::reader::{Read, Reader, named, octets};
use crate::wire::numbers::KeyExchangeMethod as Ke;
use crate::wire::payload::ke::Nonce;

/// Lengths of public values in octets. A KEM has one for each direction.
const LENGTHS: &[(Ke, &[usize])] = &[
    (Ke::MODP_768, &[96]),
    (Ke::MODP_1024, &[128]),
    (Ke::MODP_1536, &[192]),
    (Ke::MODP_2048, &[256]),
    (Ke::MODP_3072, &[384]),
    (Ke::MODP_4096, &[512]),
    (Ke::MODP_6144, &[768]),
    (Ke::MODP_8192, &[1024]),
    (Ke::ECP_256, &[64]),
    (Ke::ECP_384, &[96]),
    (Ke::ECP_521, &[132]),
    (Ke::MODP_1024_160, &[128]),
    (Ke::MODP_2048_224, &[256]),
    (Ke::MODP_2048_256, &[256]),
    (Ke::ECP_192, &[48]),
    (Ke::ECP_224, &[56]),
    (Ke::BRAINPOOL_224, &[56]),
    (Ke::BRAINPOOL_256, &[64]),
    (Ke::BRAINPOOL_384, &[96]),
    (Ke::BRAINPOOL_512, &[128]),
    (Ke::CURVE25519, &[32]),
    (Ke::CURVE448, &[56]),
    (Ke::GOST3410_2012_256, &[64]),
    (Ke::GOST3410_2012_512, &[128]),
    (Ke::ML_KEM_512, &[800, 768]),
    (Ke::ML_KEM_768, &[1184, 1088]),
    (Ke::ML_KEM_1024, &[1568]),
];

/// RFC 7296 section 3.4.
pub(super) fn key_exchange(reader: &mut Reader<'_>) -> Read {
    let method = reader.code16("Key Exchange Method", names::key_exchange)?;
    reader.gist(named(names::key_exchange(method), method));
    reader.reserved(2)?;
    let length = reader.remaining();
    reader.gist(octets(length));
    let mark = reader.hex_rest("Key Exchange Data");
    let row = LENGTHS.iter().find(|(known, _)| *known == Ke(method));
    if let Some((known, lengths)) = row.filter(|(_, lengths)| !lengths.contains(&length)) {
        let lengths: Vec<_> = lengths.iter().map(usize::to_string).collect();
        reader.note(
            mark,
            format!("{length} octets; {known} has {}", lengths.join(" or ")),
        );
    }
    Ok(())
}

/// RFC 7296 section 3.9.
pub(super) fn nonce(reader: &mut Reader<'_>) -> Read {
    let length = reader.remaining();
    reader.gist(octets(length));
    let mark = reader.hex_rest("Nonce Data");
    if !(Nonce::SHORTEST..=Nonce::LONGEST).contains(&length) {
        let (least, most) = (Nonce::SHORTEST, Nonce::LONGEST);
        reader.refuse(
            mark,
            format!("{length} octets; {least} to {most} are allowed"),
        );
    }
    Ok(())
}

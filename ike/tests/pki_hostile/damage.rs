//! Random damage to chains, CRLs and OCSP replies: nothing panics, and nothing damaged is believed.

use std::time::{Duration, Instant};

use ike::auth::signature::decode;
use ike::config::Revocation::IfAvailable;
use ike::config::SignatureDemand;
use ike::crypto::signature::PublicKey;
use ike::pki::{Certificate, PathCache, Presented, RevocationCache, RevocationList};
use ike::wire::numbers::AuthMethod;

use super::status::{bad_news, signed};
use super::support::*;

/// xorshift64*: the same damage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % below.max(1)
    }

    /// Changes, removes, doubles or exchanges some bytes.
    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.next(3) {
            let at = self.next(bytes.len());
            let length = self.next(20).min(bytes.len() - at);
            match self.next(7) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.next(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 0xff, 0x80, 0x30, 0x7f][self.next(5)],
                2 => drop(bytes.drain(at..at + length)),
                3 => {
                    let piece = bytes[at..at + length].to_vec();
                    let to = self.next(bytes.len());
                    bytes.splice(to..to, piece);
                }
                4 if !other.is_empty() => {
                    let from = self.next(other.len());
                    let length = length.min(other.len() - from);
                    bytes.splice(
                        at..at + length.min(bytes.len() - at),
                        other[from..from + length].to_vec(),
                    );
                }
                5 => bytes.truncate(at),
                _ => bytes.insert(at, u8::try_from(self.next(256)).expect("a byte")),
            }
        }
    }
}

/// How often: more with `IKE_DAMAGE=1000000`.
fn rounds() -> usize {
    std::env::var("IKE_DAMAGE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3_000)
}

fn vectors() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/pki");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("vectors")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "der"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).expect("a file"))
        .collect()
}

#[test]
fn damaged_files_never_panic() {
    let files = vectors();
    let mut random = Random(0x1234_5678_9abc_def1);
    let begun = Instant::now();
    for _ in 0..rounds() {
        let other = &files[random.next(files.len())];
        let mut bytes = files[random.next(files.len())].clone();
        random.damage(&mut bytes, other);
        if let Ok(certificate) = Certificate::parse(&bytes) {
            let _ = (certificate.serial(), format!("{certificate:?}"));
        }
        if let Ok(list) = RevocationList::parse(&bytes) {
            let _ = format!("{list:?}");
        }
        let _ = Certificate::read_all(&bytes);
        let _ = RevocationList::read_all(&bytes);
    }
    println!("{} rounds: {:?}", rounds(), begun.elapsed());
}

/// What is signed is damaged before it is signed, as a careless or hostile authority does it: everything is reached.
#[test]
fn what_is_damaged_and_signed_all_the_same_never_panics() {
    let [top, middle, host] = ["root", "CA", HOST].map(Signer::of);
    let trust = trusting(&[parse(
        &Draft::authority()
            .constraints(
                &["dns:example.com", "email:.b.c", "dn:O=Example"],
                &["ip:0a000000ff000000"],
            )
            .issue(&top, &top),
    )]);
    let authority = Draft::authority()
        .limited(Some(3))
        .constraints(
            &[
                "dns:example.com",
                "email:.b.c",
                "email:x@y.z",
                "dn:O=Example",
            ],
            &[
                "ip:20010db8000000000000000000000000ffffffff000000000000000000000000",
                "dns:secret.example.com",
            ],
        )
        .crl(CRL_URL)
        .body(&middle, &top);
    let end = Draft::host(HOST)
        .names(&[
            "dns:host.example.com",
            "email:root@a.b.c",
            "ip:c0000201",
            "dn:O=Example, CN=x, E=ä@b.c",
        ])
        .purposes(&["1.3.6.1.5.5.7.3.17"])
        .crl(CRL_URL)
        .ocsp("http://pki.example.com/ocsp")
        .body(&host, &middle);
    let lists = ListDraft::of(&[1, 2, 7]).point(CRL_URL).issue(&middle);
    let list_body = &lists[4..lists.len() - 7 - 67];
    let mut random = Random(0xfeed_beef_1234_5677);
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    let mut believed = 0;
    for round in 0..rounds() {
        let (mut a, mut e, mut l) = (authority.clone(), end.clone(), list_body.to_vec());
        match round % 3 {
            0 => random.damage(&mut a, &end),
            1 => random.damage(&mut e, &authority),
            _ => random.damage(&mut l, &end),
        }
        let chain = [middle.key.sign(&e, &[]), top.key.sign(&a, &[])];
        let list = middle.key.sign(&l, &[]);
        let begun = Instant::now();
        let presented = Presented {
            certificates: chain.iter().map(Vec::as_slice).collect(),
            lists: vec![&list, &lists],
            ocsp: vec![&list, &chain[0]],
            raw_key: None,
        };
        let demand = demand(IfAvailable);
        let peer = trust.verify(
            &presented,
            &id(HOST),
            &demand,
            NOW,
            &mut PathCache::default(),
        );
        match peer {
            Ok(peer) => {
                believed += 1;
                let _ = peer.check_revocation(&demand, &trust, &RevocationCache::default(), NOW);
            }
            Err(failure) => {
                let _ = (failure.to_string(), failure.suggestion(), failure.details());
            }
        }
        longest = longest.max(begun.elapsed());
    }
    println!(
        "{} rounds: {:?}, the longest {longest:?}, {believed} believed",
        rounds(),
        begun.elapsed()
    );
    assert!(believed > 0, "nothing is reached");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

/// Damage after the signature is never believed, whatever it hits.
#[test]
fn what_is_damaged_after_it_was_signed_is_not_believed() {
    let [top, middle, host] = ["root", "CA", HOST].map(Signer::of);
    let trust = trusting(&[top.root()]);
    let chain = [
        Draft::host(HOST).issue(&host, &middle),
        Draft::authority().issue(&middle, &top),
    ];
    let mut random = Random(0x0bad_cafe_0bad_cafe);
    for round in 0..rounds() {
        let mut damaged = chain.clone();
        let at = round % 2;
        random.damage(&mut damaged[at], &chain[1 - at]);
        if damaged == chain {
            continue;
        }
        let claimed = &mut PathCache::default();
        let peer = trust.verify(
            &presented(&damaged),
            &id(HOST),
            &SignatureDemand::default(),
            NOW,
            claimed,
        );
        assert!(peer.is_err(), "round {round}");
    }
}

/// An OCSP reply that the authority damaged before it signed.
#[test]
fn damaged_replies_never_panic() {
    let scene = Scene::of(Draft::host(HOST));
    let news = bad_news();
    let mut random = Random(0x0c5b_0c5b_0c5b_0c5b);
    let mut understood = 0;
    for _ in 0..rounds() {
        let mut body = news.clone();
        random.damage(&mut body, &scene.host);
        let outcome = scene.check(IfAvailable, &[], &[], &[signed(&body)]);
        understood += usize::from(word(&outcome) == "certificate-revoked");
    }
    assert!(understood > 0, "nothing is reached");
}

/// Public keys and AUTH data of strangers.
#[test]
fn damaged_keys_and_proofs_never_panic() {
    let keys: Vec<_> = vectors()
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .map(|certificate| certificate.public_key().clone())
        .collect();
    let mut random = Random(0x5151_5151_1515_1515);
    let pss = [
        0x30, 70, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10, 0x30, 57, 0xa0, 15, 0x30, 13,
        6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 0xa1, 28, 0x30, 26, 6, 9, 0x2a, 0x86,
        0x48, 0x86, 0xf7, 0x0d, 1, 1, 8, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5,
        0, 0xa2, 3, 2, 1, 32, 0xa3, 3, 2, 1, 1,
    ];
    let heads = [
        &pss[..],
        &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
        &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        &[
            0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0,
        ],
    ];
    for _ in 0..rounds() {
        let key = &keys[random.next(keys.len())];
        let mut spki = key.spki().to_vec();
        let other = random.next(keys.len());
        random.damage(&mut spki, keys[other].spki());
        let key = PublicKey::from_spki(&spki).unwrap_or_else(|_| key.clone());
        let mut head = heads[random.next(heads.len())].to_vec();
        if random.next(2) == 0 {
            random.damage(&mut head, &pss);
        }
        let length = u8::try_from(head.len()).unwrap_or(u8::MAX);
        let signature = vec![u8::try_from(random.next(256)).expect("a byte"); random.next(600)];
        let data = [&[length], &head[..], &signature].concat();
        let method = AuthMethod([14, 14, 14, 1, 9, 10, 11][random.next(7)]);
        if let Ok((scheme, signature)) = decode(method, &data, &key) {
            key.verify(scheme, b"octets", signature)
                .expect_err("nobody signed");
        }
    }
}

//! Makes certificates, CRLs and OCSP replies from their parts, so that each part can be wrong. Ed25519 keys come from
//! names: the same in every run.

use std::sync::Arc;
use std::time::Duration;

use der::Encode as _;
use ike::config::identity::Identity;
use ike::config::{Purposes, Revocation, SignatureDemand, Strength};
use ike::crypto::signature::{PrivateKey, SignatureScheme};
use ike::pki::{
    Certificate, CertificateFailure, PathCache, Presented, RevocationCache, RevocationList,
    RevocationOutcome, TrustStore, TrustedPeer,
};

pub(crate) const DAY: i64 = 24 * 3600;
/// The time of all tests, in January 2027.
pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);
pub(crate) const SEQUENCE: u8 = 0x30;
const ED25519: &[u8] = &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70];

/// So many seconds after (or before) the time of all tests.
pub(crate) fn after(seconds: i64) -> Duration {
    Duration::from_secs(NOW.as_secs().saturating_add_signed(seconds))
}

/// An element of DER.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(length @ ..0x80) => out.push(length),
        _ => {
            let length = u32::try_from(contents.len()).expect("short").to_be_bytes();
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | u8::try_from(4 - zeros).expect("at most 4"));
            out.extend(&length[zeros..]);
        }
    }
    out.extend(contents);
    out
}

/// An object identifier from its text.
pub(crate) fn oid(text: &str) -> Vec<u8> {
    der::asn1::ObjectIdentifier::<39>::new(text)
        .map(|oid| oid.to_der().expect("short"))
        .expect("an object identifier")
}

/// A distinguished name.
pub(crate) fn dn(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return vec![SEQUENCE, 0];
    }
    format!("dn:{text}")
        .parse::<Identity>()
        .expect("a name")
        .to_octets()
}

pub(crate) fn id(text: &str) -> Identity {
    text.parse().expect("an identity")
}

/// GeneralizedTime.
pub(crate) fn time(at: Duration) -> Vec<u8> {
    der::asn1::GeneralizedTime::from_unix_duration(at)
        .and_then(|time| time.to_der())
        .expect("a date")
}

/// A key pair made from a name.
pub(crate) struct Key {
    private: PrivateKey,
    pub(crate) spki: Vec<u8>,
}

impl Key {
    pub(crate) fn of(name: &str) -> Self {
        let seed: Vec<u8> = name.bytes().cycle().take(32).collect();
        let prefix = [
            0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
        ];
        let private = PrivateKey::read(&[&prefix[..], &seed].concat(), None).expect("a key");
        let spki = private.public_key().spki().to_vec();
        Self { private, spki }
    }

    /// The bits of the key.
    pub(crate) fn bits(&self) -> &[u8] {
        &self.spki[self.spki.len() - 32..]
    }

    /// The frame of everything that is signed.
    pub(crate) fn sign(&self, message: &[u8], more: &[u8]) -> Vec<u8> {
        let signature = self
            .private
            .sign(SignatureScheme::Ed25519, message)
            .expect("a signature");
        tlv(
            SEQUENCE,
            &[message, ED25519, &tlv(3, &[&[0], &signature]), more],
        )
    }
}

/// Who signs: a name and a key.
pub(crate) struct Signer {
    pub(crate) name: String,
    pub(crate) key: Key,
}

impl Signer {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            name: format!("O=Example, CN={name}"),
            key: Key::of(name),
        }
    }

    /// With a key of another name.
    pub(crate) fn with_key(name: &str, key: &str) -> Self {
        Self {
            key: Key::of(key),
            ..Self::of(name)
        }
    }

    /// Its certificate, signed by itself.
    pub(crate) fn root(&self) -> Arc<Certificate> {
        parse(&Draft::authority().issue(self, self))
    }
}

pub(crate) fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    tlv(SEQUENCE, &[&oid(id), critical, &tlv(4, &[value])])
}

/// A BIT STRING of named bits.
fn bits(bits: &[u8]) -> Vec<u8> {
    let mut bytes = [0_u8; 2];
    for bit in bits {
        bytes[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    let length = if bytes[1] == 0 { 1 } else { 2 };
    let last = bytes[length - 1];
    let unused = u8::try_from(last.trailing_zeros().min(7)).expect("small");
    tlv(3, &[&[unused], &bytes[..length]])
}

/// A GeneralName: `dns:`, `email:`, `uri:`, `dn:`, `ip:` in hexadecimal, `other:`.
pub(crate) fn general_name(text: &str) -> Vec<u8> {
    let (kind, text) = text.split_once(':').expect("a kind");
    match kind {
        "email" => tlv(0x81, &[text.as_bytes()]),
        "dns" => tlv(0x82, &[text.as_bytes()]),
        "dn" => tlv(0xa4, &[&dn(text)]),
        "uri" => tlv(0x86, &[text.as_bytes()]),
        "ip" => {
            let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("digits");
            let bytes: Vec<u8> = (0..text.len()).step_by(2).map(digit).collect();
            tlv(0x87, &[&bytes])
        }
        "other" => tlv(0x88, &[&[42]]),
        _ => panic!("{kind}"),
    }
}

pub(crate) fn general_names(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| general_name(name)).collect()
}

fn distribution_point(url: &str) -> Vec<u8> {
    tlv(0xa0, &[&tlv(0xa0, &[&general_name(&format!("uri:{url}"))])])
}

/// What a certificate is to say.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) version: u8,
    pub(crate) serial: Vec<u8>,
    /// First and last second, from now on.
    pub(crate) times: (i64, i64),
    pub(crate) extensions: Vec<Vec<u8>>,
    pub(crate) spki: Option<Vec<u8>>,
}

impl Draft {
    pub(crate) fn empty() -> Self {
        Self {
            version: 3,
            serial: vec![7],
            times: (-100 * DAY, 100 * DAY),
            extensions: Vec::new(),
            spki: None,
        }
    }

    pub(crate) fn authority() -> Self {
        Self::empty().limited(None).usage(&[5, 6])
    }

    /// For a DNS name.
    pub(crate) fn host(name: &str) -> Self {
        Self::empty().usage(&[0]).names(&[&format!("dns:{name}")])
    }

    /// basicConstraints of an authority.
    pub(crate) fn limited(self, length: Option<u8>) -> Self {
        let length = length.map_or(Vec::new(), |length| vec![2, 1, length]);
        self.extension("2.5.29.19", true, &tlv(SEQUENCE, &[&[1, 1, 0xff], &length]))
    }

    pub(crate) fn usage(self, flags: &[u8]) -> Self {
        self.extension("2.5.29.15", true, &bits(flags))
    }

    pub(crate) fn purposes(self, purposes: &[&str]) -> Self {
        let purposes: Vec<u8> = purposes.iter().flat_map(|purpose| oid(purpose)).collect();
        self.extension("2.5.29.37", false, &tlv(SEQUENCE, &[&purposes]))
    }

    pub(crate) fn names(self, names: &[&str]) -> Self {
        self.extension("2.5.29.17", false, &tlv(SEQUENCE, &[&general_names(names)]))
    }

    pub(crate) fn constraints(self, permitted: &[&str], excluded: &[&str]) -> Self {
        let trees = |tag, names: &[&str]| {
            let trees: Vec<u8> = names
                .iter()
                .flat_map(|name| tlv(SEQUENCE, &[&general_name(name)]))
                .collect();
            if trees.is_empty() {
                trees
            } else {
                tlv(tag, &[&trees])
            }
        };
        let value = tlv(SEQUENCE, &[&trees(0xa0, permitted), &trees(0xa1, excluded)]);
        self.extension("2.5.29.30", true, &value)
    }

    pub(crate) fn crl(self, url: &str) -> Self {
        let value = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&distribution_point(url)])]);
        self.extension("2.5.29.31", false, &value)
    }

    pub(crate) fn ocsp(self, url: &str) -> Self {
        let location = general_name(&format!("uri:{url}"));
        let description = tlv(SEQUENCE, &[&oid("1.3.6.1.5.5.7.48.1"), &location]);
        self.extension("1.3.6.1.5.5.7.1.1", false, &tlv(SEQUENCE, &[&description]))
    }

    /// Replaces an extension of the same kind.
    pub(crate) fn extension(mut self, id: &str, critical: bool, value: &[u8]) -> Self {
        let identifier = oid(id);
        let other = |known: &Vec<u8>| {
            !known
                .windows(identifier.len())
                .any(|part| part == identifier)
        };
        self.extensions.retain(other);
        self.extensions.push(extension(id, critical, value));
        self
    }

    pub(crate) fn serial(mut self, serial: u8) -> Self {
        self.serial = vec![serial];
        self
    }

    pub(crate) fn times(mut self, first: i64, last: i64) -> Self {
        self.times = (first, last);
        self
    }

    /// What is signed.
    pub(crate) fn body(&self, subject: &Signer, issuer: &Signer) -> Vec<u8> {
        let version = match self.version {
            1 => Vec::new(),
            version => tlv(0xa0, &[&[2, 1, version - 1]]),
        };
        let extensions = match self.extensions.concat() {
            none if none.is_empty() => none,
            all => tlv(0xa3, &[&tlv(SEQUENCE, &[&all])]),
        };
        tlv(
            SEQUENCE,
            &[
                &version,
                &tlv(2, &[&self.serial]),
                ED25519,
                &dn(&issuer.name),
                &tlv(
                    SEQUENCE,
                    &[&time(after(self.times.0)), &time(after(self.times.1))],
                ),
                &dn(&subject.name),
                self.spki.as_ref().unwrap_or(&subject.key.spki),
                &extensions,
            ],
        )
    }

    /// The certificate.
    pub(crate) fn issue(&self, subject: &Signer, issuer: &Signer) -> Vec<u8> {
        issuer.key.sign(&self.body(subject, issuer), &[])
    }
}

/// What a CRL is to say.
pub(crate) struct ListDraft {
    /// thisUpdate and nextUpdate, from now on.
    pub(crate) times: (i64, Option<i64>),
    pub(crate) serials: Vec<Vec<u8>>,
    pub(crate) entry_extensions: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl ListDraft {
    pub(crate) fn of(serials: &[u8]) -> Self {
        Self {
            times: (-3600, Some(DAY)),
            serials: serials.iter().map(|serial| vec![*serial]).collect(),
            entry_extensions: extension("2.5.29.21", false, &[0x0a, 1, 1]),
            extensions: vec![extension("2.5.29.20", false, &[2, 1, 9])],
        }
    }

    /// issuingDistributionPoint: these contents.
    pub(crate) fn scope(mut self, contents: &[u8]) -> Self {
        self.extensions
            .push(extension("2.5.29.28", true, &tlv(SEQUENCE, &[contents])));
        self
    }

    pub(crate) fn point(self, url: &str) -> Self {
        self.scope(&distribution_point(url))
    }

    pub(crate) fn issue(&self, issuer: &Signer) -> Vec<u8> {
        let date = time(after(-2 * 3600));
        let more = tlv(SEQUENCE, &[&self.entry_extensions]);
        let entries: Vec<u8> = self
            .serials
            .iter()
            .flat_map(|serial| tlv(SEQUENCE, &[&tlv(2, &[serial]), &date, &more]))
            .collect();
        let entries = if entries.is_empty() {
            entries
        } else {
            tlv(SEQUENCE, &[&entries])
        };
        let next = self.times.1.map_or(Vec::new(), |next| time(after(next)));
        let extensions = tlv(0xa0, &[&tlv(SEQUENCE, &[&self.extensions.concat()])]);
        let body = tlv(
            SEQUENCE,
            &[
                &[2, 1, 1],
                ED25519,
                &dn(&issuer.name),
                &time(after(self.times.0)),
                &next,
                &entries,
                &extensions,
            ],
        );
        issuer.key.sign(&body, &[])
    }
}

pub(crate) fn list(der: &[u8]) -> Arc<RevocationList> {
    Arc::new(RevocationList::parse(der).unwrap_or_else(|error| panic!("{error}")))
}

pub(crate) fn parse(der: &[u8]) -> Arc<Certificate> {
    Arc::new(Certificate::parse(der).unwrap_or_else(|error| panic!("{error}")))
}

/// Trusts these authorities.
pub(crate) fn trusting(anchors: &[Arc<Certificate>]) -> TrustStore {
    TrustStore::new(anchors.to_vec(), Vec::new(), Vec::new(), Vec::new())
}

pub(crate) fn demand(revocation: Revocation) -> SignatureDemand {
    SignatureDemand {
        revocation,
        ..SignatureDemand::default()
    }
}

pub(crate) const CNSA: SignatureDemand = SignatureDemand {
    revocation: Revocation::IfAvailable,
    strength: Strength::Cnsa1,
    rsa_sha1: false,
    purposes: Purposes::Ike,
};

pub(crate) fn presented(certificates: &[Vec<u8>]) -> Presented<'_> {
    Presented {
        certificates: certificates.iter().map(Vec::as_slice).collect(),
        ..Presented::default()
    }
}

/// Verifies at the time of all tests.
pub(crate) fn verify(
    trust: &TrustStore,
    certificates: &[Vec<u8>],
    claimed: &str,
) -> Result<TrustedPeer, CertificateFailure> {
    trust.verify(
        &presented(certificates),
        &id(claimed),
        &SignatureDemand::default(),
        NOW,
        &mut PathCache::default(),
    )
}

/// That it is refused with this code; its words print nothing that steers a terminal.
#[track_caller]
pub(crate) fn refused(
    result: Result<TrustedPeer, CertificateFailure>,
    code: &str,
) -> CertificateFailure {
    let failure = result.expect_err("it is to be refused");
    assert_eq!(failure.code().name(), code, "{failure}");
    let words = [failure.to_string(), failure.suggestion()];
    let details = failure.details().into_iter().map(|(_, value)| value);
    for text in words.into_iter().chain(details) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    failure
}

/// A peer below one authority, to be checked for revocation.
pub(crate) struct Scene {
    pub(crate) root: Signer,
    pub(crate) host: Vec<u8>,
}

pub(crate) const HOST: &str = "host.example.com";
pub(crate) const CRL_URL: &str = "http://pki.example.com/ca.crl";
pub(crate) const OCSP_URL: &str = "http://pki.example.com/ocsp";

impl Scene {
    /// Serial number 7.
    pub(crate) fn of(host: Draft) -> Self {
        let root = Signer::of("root");
        let host = host.issue(&Signer::of("host"), &root);
        Self { root, host }
    }

    /// With these CRLs from files, in band, and these OCSP replies in band.
    pub(crate) fn check(
        &self,
        revocation: Revocation,
        files: &[Vec<u8>],
        lists: &[Vec<u8>],
        replies: &[Vec<u8>],
    ) -> RevocationOutcome {
        let (trust, peer) = self.peer(files, lists, replies);
        peer.check_revocation(
            &demand(revocation),
            &trust,
            &RevocationCache::default(),
            NOW,
        )
    }

    pub(crate) fn peer(
        &self,
        files: &[Vec<u8>],
        lists: &[Vec<u8>],
        replies: &[Vec<u8>],
    ) -> (TrustStore, TrustedPeer) {
        let files = files.iter().map(|der| list(der)).collect();
        let trust = TrustStore::new(vec![self.root.root()], Vec::new(), files, Vec::new());
        let presented = Presented {
            certificates: vec![&self.host],
            lists: lists.iter().map(Vec::as_slice).collect(),
            ocsp: replies.iter().map(Vec::as_slice).collect(),
            raw_key: None,
        };
        let cache = &mut PathCache::default();
        let peer = trust
            .verify(
                &presented,
                &id(HOST),
                &SignatureDemand::default(),
                NOW,
                cache,
            )
            .expect("trusted");
        (trust, peer)
    }
}

/// The outcome in a word: `clear`, a failure's code, or the URLs that are needed.
pub(crate) fn word(outcome: &RevocationOutcome) -> String {
    match outcome {
        RevocationOutcome::Clear(_) => "clear".into(),
        RevocationOutcome::Revoked(failure) | RevocationOutcome::Unknown(failure) => {
            failure.code().name().into()
        }
        RevocationOutcome::Needs { questions, .. } => {
            let urls: Vec<_> = questions
                .iter()
                .map(|question| question.url.as_str())
                .collect();
            urls.join(" ")
        }
    }
}

//! How both ends prove who they are: pre-shared keys, certificates, raw public keys (RFC 7296 section 2.15, RFC 7670).
//!
//! ```text
//!   auth: { psk }                     one secret, both directions
//!   auth: { certificate, key, ca }    both sign; what is ours and whom we believe in one mapping
//!   auth: { local, remote }           each side in its own way
//! ```

mod ours;
mod theirs;

use std::sync::Arc;

use ike::config::{
    Authentication, LocalAuthentication, PublicCredentials, RemoteAuthentication, Strength,
};
use ike::crypto::Secret;
use ike::pki::{Certificate, TrustStore};

use self::ours::Ours;
use self::theirs::{Theirs, Trust};
use crate::report::{Code, Severity};
use crate::secret::{self, Use};
use crate::walk::{Draft, Place, Walk, list};
use crate::words::{self, MAX_FILES};
use crate::yaml::Node;

/// What `auth` says.
pub(super) struct Auth {
    pub(super) authentication: Authentication,
    pub(super) secret: Option<Secret>,
    /// Where either side signs.
    pub(super) credentials: Option<Arc<PublicCredentials>>,
    /// Whether whoever an authority vouches for could come, unless an id says who may.
    pub(super) needs_remote_id: bool,
    /// The one certificate that the peer has to have.
    pub(super) pinned: Option<Arc<Certificate>>,
}

/// What stands under `auth`. `implied`: the strength that the proposals of the IKE SA imply.
pub(super) fn read(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &str,
    implied: Strength,
) -> Option<Auth> {
    let fields = walk.fields(node, None, path, &words::AUTH)?;
    let short = fields
        .present()
        .filter(|key| !matches!(*key, "local" | "remote"));
    let short: Vec<&str> = short.collect();
    match (fields.get("local"), fields.get("remote"), short.as_slice()) {
        (None, None, ["psk"]) => {
            let psk = secret::read(
                walk,
                fields.get("psk")?,
                &fields.path("psk"),
                Use::PreSharedKey,
            );
            Some(Auth::new(
                Ours::PreSharedKey(None),
                Theirs::PreSharedKey(psk),
            ))
        }
        (None, None, []) => {
            if !fields.is_misspelt() {
                let message = "nothing says how the two ends prove who they are".to_owned();
                tell(
                    walk,
                    Code::MissingKey,
                    &fields.place,
                    message,
                    "add psk: { file: NAME.psk }, or certificate: NAME.pem, key: NAME.key, ca: CA.pem",
                );
            }
            None
        }
        (None, None, keys) if keys.contains(&"psk") => {
            let others: Vec<&str> = keys.iter().filter(|key| **key != "psk").copied().collect();
            let message = format!(
                "psk beside {}: each side proves itself in one way",
                list(&others)
            );
            tell(
                walk,
                Code::AuthMethods,
                &fields.place,
                message,
                "where the two sides differ, write local: { psk: ... }, remote: { ca: ... }, or the reverse",
            );
            None
        }
        (None, None, _) => {
            let theirs = theirs::read(walk, &fields, &["ca", "public_key"], implied);
            let ours = ours::read(walk, &fields, theirs.as_ref());
            Some(Auth::new(ours?, theirs?))
        }
        (local, remote, []) => {
            let local = walk
                .required(&fields, "local", "local: { ... }: how we prove who we are")
                .and(local);
            let remote = walk
                .required(&fields, "remote", "remote: { ... }: how the peer has to")
                .and(remote);
            let remote = remote.and_then(|node| {
                walk.fields(node, None, &fields.path("remote"), &words::AUTH_REMOTE)
            });
            let local = local.and_then(|node| {
                walk.fields(node, None, &fields.path("local"), &words::AUTH_LOCAL)
            });
            let ways = ["psk", "ca", "certificate", "public_key"];
            let theirs = remote.and_then(|remote| theirs::read(walk, &remote, &ways, implied));
            let ours = local.and_then(|local| ours::read(walk, &local, theirs.as_ref()));
            let (ours, theirs) = (ours?, theirs?);
            if let (Ours::PreSharedKey(_), Theirs::PreSharedKey(_)) = (&ours, &theirs) {
                let message = "one secret serves both directions, and here are two".to_owned();
                tell(
                    walk,
                    Code::AuthMethods,
                    &fields.place,
                    message,
                    "write auth: { psk: ... }",
                );
                return None;
            }
            Some(Auth::new(ours, theirs))
        }
        (.., keys) => {
            let message = format!("{} beside local and remote: whose is it?", list(keys));
            let suggestion = "certificate, key belong into local: { ... }; ca, crl and what is asked of the peer into remote: { ... }";
            tell(walk, Code::AuthMethods, &fields.place, message, suggestion);
            None
        }
    }
}

impl Auth {
    fn new(ours: Ours, theirs: Theirs) -> Self {
        let mut secret = None;
        let (local, own) = match ours {
            Ours::PreSharedKey(psk) => {
                secret = psk;
                (LocalAuthentication::PreSharedKey, None)
            }
            Ours::Signature(own) => (LocalAuthentication::Signature, Some(own)),
        };
        let (remote, trust) = match theirs {
            Theirs::PreSharedKey(psk) => {
                secret = secret.or(psk);
                (RemoteAuthentication::PreSharedKey, None)
            }
            Theirs::Signature(demand, trust) => {
                (RemoteAuthentication::Signature(demand), Some(trust))
            }
        };
        let needs_remote_id = trust.as_ref().is_some_and(|trust| trust.keys.is_empty());
        let pinned = trust
            .as_ref()
            .and_then(|trust| match trust.pinned.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            });
        let credentials = (own.is_some() || trust.is_some()).then(|| {
            let Trust {
                anchors,
                intermediates,
                lists,
                keys,
                pinned: _,
            } = trust.unwrap_or_default();
            let trust = TrustStore::new(anchors, intermediates, lists, keys);
            Arc::new(PublicCredentials { own, trust })
        });
        Self {
            authentication: Authentication { local, remote },
            secret,
            credentials,
            needs_remote_id,
            pinned,
        }
    }

    /// Whether the peer proves itself by a signature.
    pub(super) const fn peer_signs(&self) -> bool {
        matches!(
            self.authentication.remote,
            RemoteAuthentication::Signature(_)
        )
    }

    /// Our certificate.
    pub(super) fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.credentials.as_ref()?.own.as_ref()?.chain.first()
    }
}

fn tell(walk: &mut Walk<'_>, code: Code, place: &Place, message: String, suggestion: &str) {
    walk.drafts
        .push(Draft::of(code, Severity::Error, place, message).suggest(suggestion));
}

fn warn(walk: &mut Walk<'_>, code: Code, place: &Place, message: String, suggestion: &str) {
    walk.drafts
        .push(Draft::of(code, Severity::Warning, place, message).suggest(suggestion));
}

fn read_certificates(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &str,
) -> Option<Vec<Arc<Certificate>>> {
    let expected = ("a file with certificates or a list of them", MAX_FILES);
    let files = walk.one_or_more(node, path, expected, |walk, node, path| {
        walk.certificates(node, path)
    })?;
    Some(files.iter().flat_map(|file| file.iter().cloned()).collect())
}

fn is_issuer(issuer: &Certificate, of: &Certificate) -> bool {
    issuer.subject().matches(of.issuer())
}

fn is_self_issued(certificate: &Certificate) -> bool {
    is_issuer(certificate, certificate)
}

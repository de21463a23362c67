//! The search for a path from the peer's certificate to an authority that we trust.
//!
//! Why not the path builder of rustls-webpki: it takes no path of more than six intermediates, refuses every path with a
//! constraint on directory names, URIs or e-mail addresses, ignores keyUsage and the anchor's own limits, and cannot say
//! which certificate was at fault. What remains of it here is what is hard to get right: the signature verification.
//!
//! ```text
//!   end entity --issuer's name--> candidate --...--> anchor of that name      names only, costs nothing
//!   end entity <---signature----- candidate <--...-- anchor                   from the anchor down, only keys that it vouches for
//!   rules::check of the whole path                                            dates, usage, constraints
//! ```
//!
//! The keys of certificates that nobody vouches for are thus never computed with. The search is bounded by the length of a
//! path, by the steps it takes, by the names it compares with constraints and by the signatures it verifies, whatever a
//! stranger sends; no pair is verified twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::certificate::Certificate;
use super::failure::{CertificateFailure as Failure, CertificateName, UntrustedFault};
use super::signature::{self, SignatureFault};
use super::{rules, trust::TrustStore};
use crate::config::SignatureDemand;

/// Longest path, with both ends.
const MAX_PATH: usize = 16;

/// How many certificates the search may look at, each with those that may have issued it.
const MAX_STEPS: usize = 2048;

/// How often it may compare a name with a constraint.
const MAX_COMPARISONS: usize = 1 << 20;

/// How many signatures it may verify.
const MAX_SIGNATURES: usize = 32;

/// Finds a path from `end_entity` to an anchor of `trust`, and checks it.
pub(super) fn find(
    end_entity: &Arc<Certificate>,
    presented: &[Arc<Certificate>],
    trust: &TrustStore,
    demand: &SignatureDemand,
    now: Duration,
) -> Result<Vec<Arc<Certificate>>, Failure> {
    let mut search = Search {
        anchors: trust.anchors(),
        others: Vec::new(),
        demand,
        now,
        only_sound: true,
        steps: MAX_STEPS,
        comparisons: MAX_COMPARISONS,
        signatures: MAX_SIGNATURES,
        verified: BTreeMap::new(),
        failure: None,
    };
    for other in presented.iter().chain(trust.intermediates()) {
        let known = |known: &Arc<Certificate>| known.der() == other.der();
        if !known(end_entity)
            && !search.anchors.iter().any(known)
            && !search.others.iter().any(known)
        {
            search.others.push(Arc::clone(other));
        }
    }
    let mut path = vec![Arc::clone(end_entity)];
    if search
        .anchors
        .iter()
        .any(|anchor| anchor.der() == end_entity.der())
    {
        // It is trusted itself; no signature says more.
        rules::check(&path, demand, now)?;
        return Ok(path);
    }
    // First through those that have nothing wrong with them: of many that signed one another, the bad ones would use up
    // the steps. Then through all, to find out what is wrong.
    let (sound, unsound): (Vec<_>, _) = search
        .others
        .drain(..)
        .partition(|other| rules::is_sound_authority(other, demand, now));
    search.others = sound;
    if search.extend(&mut path) {
        return Ok(path);
    }
    search.others.extend(unsound);
    search.steps = MAX_STEPS;
    search.only_sound = false;
    if search.extend(&mut path) {
        return Ok(path);
    }
    let (_, failure) = search.failure.expect("a search that failed says why");
    Err(failure)
}

struct Search<'a> {
    anchors: &'a [Arc<Certificate>],
    others: Vec<Arc<Certificate>>,
    demand: &'a SignatureDemand,
    now: Duration,
    /// Authorities that cannot stand above the path so far are passed over without a word.
    only_sound: bool,
    steps: usize,
    comparisons: usize,
    signatures: usize,
    /// What came of verifying one certificate by another, by their places in memory, which do not move meanwhile.
    verified: BTreeMap<(*const Certificate, *const Certificate), Result<(), SignatureFault>>,
    /// The failure that tells most, so far.
    failure: Option<(Progress, Failure)>,
}

/// How far a path came before it failed: what failed last is what is worth telling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    NoIssuer,
    Signature,
    Exhausted,
    Rules,
}

impl Search<'_> {
    /// Completes the path, or leaves it as it was.
    fn extend(&mut self, path: &mut Vec<Arc<Certificate>>) -> bool {
        let last = Arc::clone(&path[path.len() - 1]);
        if self.steps == 0 || path.len() == MAX_PATH {
            self.untrusted(Progress::Exhausted, &path[0], UntrustedFault::TooManyPaths);
            return false;
        }
        self.steps -= 1;
        let mut known = false;
        for at in 0..self.anchors.len() {
            let anchor = &self.anchors[at];
            if anchor.subject.same(&last.issuer) {
                known = true;
                path.push(Arc::clone(anchor));
                if self.check(path) {
                    return true;
                }
                path.pop();
            }
        }
        for at in 0..self.others.len() {
            let candidate = Arc::clone(&self.others[at]);
            let seen = |seen: &Arc<Certificate>| {
                seen.public_key() == candidate.public_key() && seen.subject.same(&candidate.subject)
            };
            if !candidate.subject.same(&last.issuer) || path.iter().any(seen) {
                continue;
            }
            known = true;
            if self.is_known_bad(&last, &candidate)
                || self.only_sound && !self.may_stand_above(&candidate, path)
            {
                continue;
            }
            path.push(candidate);
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        if !known {
            self.untrusted(Progress::NoIssuer, &last, UntrustedFault::UnknownIssuer);
        }
        false
    }

    /// Checks a path that has reached an anchor: signatures from the anchor down, then everything else.
    fn check(&mut self, path: &[Arc<Certificate>]) -> bool {
        for pair in path.windows(2).rev() {
            let (certificate, issuer) = (&pair[0], &pair[1]);
            match self.verify(certificate, issuer) {
                Some(Ok(())) => {}
                Some(Err(fault)) => {
                    self.bad_signature(certificate, fault);
                    return false;
                }
                None => {
                    self.untrusted(Progress::Exhausted, &path[0], UntrustedFault::TooManyPaths);
                    return false;
                }
            }
        }
        let costs = (1..path.len()).map(|at| rules::cost_of_names(&path[at], &path[..at]));
        if !self.afford(costs.sum()) {
            self.untrusted(Progress::Exhausted, &path[0], UntrustedFault::TooManyPaths);
            return false;
        }
        match rules::check(path, self.demand, self.now) {
            Ok(()) => true,
            Err(failure) => {
                self.fail(Progress::Rules, failure);
                false
            }
        }
    }

    /// `None`: no more signatures are verified.
    fn verify(
        &mut self,
        certificate: &Arc<Certificate>,
        issuer: &Arc<Certificate>,
    ) -> Option<Result<(), SignatureFault>> {
        let pair = (Arc::as_ptr(certificate), Arc::as_ptr(issuer));
        if let Some(known) = self.verified.get(&pair) {
            return Some(known.clone());
        }
        self.signatures = self.signatures.checked_sub(1)?;
        let result = signature::verify(
            issuer,
            &certificate.algorithm,
            certificate.message(),
            &certificate.signature,
        );
        self.verified.insert(pair, result.clone());
        Some(result)
    }

    fn may_stand_above(&mut self, authority: &Certificate, below: &[Arc<Certificate>]) -> bool {
        self.afford(rules::cost_of_names(authority, below))
            && rules::may_stand_above(authority, below)
    }

    /// Whether so many comparisons are left.
    fn afford(&mut self, comparisons: usize) -> bool {
        let rest = self.comparisons.checked_sub(comparisons);
        self.comparisons = rest.unwrap_or_default();
        rest.is_some()
    }

    fn is_known_bad(&self, certificate: &Arc<Certificate>, issuer: &Arc<Certificate>) -> bool {
        let pair = (Arc::as_ptr(certificate), Arc::as_ptr(issuer));
        self.verified.get(&pair).is_some_and(Result::is_err)
    }

    fn bad_signature(&mut self, certificate: &Certificate, fault: SignatureFault) {
        let name = CertificateName::of(certificate);
        match fault {
            SignatureFault::Wrong => {
                self.untrusted(
                    Progress::Signature,
                    certificate,
                    UntrustedFault::WrongSignature,
                );
            }
            SignatureFault::Weak(algorithm) => self.fail(
                Progress::Signature,
                Failure::Weak {
                    certificate: name,
                    what: format!("its signature is {algorithm}"),
                },
            ),
            SignatureFault::Unsupported(algorithm) => self.fail(
                Progress::Signature,
                Failure::Unsupported {
                    certificate: name,
                    what: format!("a signature by {algorithm}"),
                },
            ),
        }
    }

    fn untrusted(&mut self, progress: Progress, certificate: &Certificate, fault: UntrustedFault) {
        let trusted = self.anchors.iter().take(8);
        let failure = Failure::Untrusted {
            certificate: CertificateName::of(certificate),
            issuer: certificate.issuer().clone(),
            fault,
            trusted: trusted.map(|anchor| anchor.subject().clone()).collect(),
            unusable: Vec::new(),
        };
        self.fail(progress, failure);
    }

    fn fail(&mut self, progress: Progress, failure: Failure) {
        if self
            .failure
            .as_ref()
            .is_none_or(|(before, _)| *before < progress)
        {
            self.failure = Some((progress, failure));
        }
    }
}

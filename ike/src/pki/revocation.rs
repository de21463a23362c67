//! Whether a certificate of a trusted path was revoked.
//!
//! Everything at hand is looked at: CRLs from files, CRLs and OCSP replies in band, what was fetched. One that says
//! "revoked" wins; one that says "good" will do. Only if none says anything are questions asked, first of the OCSP
//! responders that the certificate names, then for its CRLs:
//!
//! ```text
//!   check_revocation --> Needs(OCSP) --> check_revocation --> Needs(CRLs) --> check_revocation --> Clear | Unknown
//! ```
//!
//! Each question comes once for a peer, and not while the cache remembers an answer, so the loop ends.

use std::time::Duration;

use super::certificate::Certificate;
use super::crl::MAX_LIST;
use super::failure::{CertificateFailure, CertificateName};
use super::ocsp::{self, MAX_REPLY};
use super::revocation_cache::{Content, RevocationCache};
use super::trust::{TrustStore, TrustedPeer};
use crate::auth::ask::FetchQuestion;
use crate::config::{Revocation, SignatureDemand};

/// How far clocks may differ before something is "of the future".
pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Most questions at once.
const MAX_QUESTIONS: usize = 16;

/// What one CRL or OCSP reply says about a certificate.
pub(super) enum Status {
    /// It is about others.
    Silent,
    Good,
    Revoked {
        when: Duration,
        reason: Option<u8>,
    },
    /// It would have to say something, but is not to be believed: why.
    Unusable(String),
}

/// A peer whose path is trusted and, as far as the policy asks, not revoked. Only [`TrustedPeer::check_revocation`] makes it.
#[derive(Debug)]
pub struct NotRevoked {
    peer: TrustedPeer,
}

impl NotRevoked {
    /// Who it is.
    #[must_use]
    pub const fn peer(&self) -> &TrustedPeer {
        &self.peer
    }
}

/// What is known about revocation.
#[derive(Debug)]
pub enum RevocationOutcome {
    /// Go on.
    Clear(NotRevoked),
    /// A certificate of the path is revoked.
    Revoked(CertificateFailure),
    /// Fetch these (all at once), insert the answers into the cache, and check again. Each question comes once for a peer.
    Needs {
        /// To be checked again.
        peer: Box<TrustedPeer>,
        /// Never empty, at most 16.
        questions: Vec<FetchQuestion>,
    },
    /// [`Revocation::Strict`], and it cannot be learned.
    Unknown(CertificateFailure),
}

impl TrustedPeer {
    /// Looks at every certificate of the path below the anchor. CRLs and OCSP replies that came in band were kept by
    /// [`TrustStore::verify`]. `now`: since the Unix epoch.
    #[must_use]
    pub fn check_revocation(
        mut self,
        demand: &SignatureDemand,
        trust: &TrustStore,
        fetched: &RevocationCache,
        now: Duration,
    ) -> RevocationOutcome {
        let mut questions = Vec::new();
        let mut unknown = None;
        if demand.revocation != Revocation::Off {
            for pair in self.path().windows(2) {
                let mut inquiry = Inquiry {
                    certificate: &pair[0],
                    issuer: &pair[1],
                    demand,
                    now,
                    good: false,
                    tried: Vec::new(),
                };
                let possible = inquiry.possible_questions();
                if let Err(revoked) = inquiry.look(&self, trust, fetched, &possible) {
                    return RevocationOutcome::Revoked(revoked);
                }
                let more = inquiry.open_questions(&self, fetched, possible);
                if more.is_empty() && !inquiry.good {
                    unknown.get_or_insert_with(|| inquiry.unknown());
                }
                questions.extend(more);
            }
        }
        if demand.revocation == Revocation::Strict
            && let Some(unknown) = unknown
        {
            return RevocationOutcome::Unknown(unknown);
        }
        questions.sort();
        questions.dedup();
        questions.truncate(MAX_QUESTIONS);
        if questions.is_empty() {
            return RevocationOutcome::Clear(NotRevoked { peer: self });
        }
        self.asked.extend(questions.iter().cloned());
        RevocationOutcome::Needs {
            peer: Box::new(self),
            questions,
        }
    }
}

/// What is found out about one certificate.
struct Inquiry<'a> {
    certificate: &'a Certificate,
    issuer: &'a Certificate,
    demand: &'a SignatureDemand,
    now: Duration,
    good: bool,
    /// In words.
    tried: Vec<String>,
}

impl Inquiry<'_> {
    /// Looks at everything at hand.
    fn look(
        &mut self,
        peer: &TrustedPeer,
        trust: &TrustStore,
        fetched: &RevocationCache,
        possible: &[FetchQuestion],
    ) -> Result<(), CertificateFailure> {
        let (certificate, issuer) = (self.certificate, self.issuer);
        let (strength, now) = (self.demand.strength, self.now);
        let files = trust.lists().iter().map(AsRef::as_ref);
        for list in files.chain(&peer.evidence.lists) {
            self.take("CRL", list.status(certificate, issuer, strength, now))?;
        }
        for reply in &peer.evidence.replies {
            self.take("OCSP", reply.status(certificate, issuer, strength, now))?;
        }
        for question in possible {
            let source = if question.body.is_some() {
                "OCSP"
            } else {
                "CRL"
            };
            if let Some(content) = fetched.content(question) {
                let status = match content {
                    Content::List(list) => list.status(certificate, issuer, strength, now),
                    Content::Reply(reply) => reply.status(certificate, issuer, strength, now),
                };
                let status = match status {
                    Status::Silent => Status::Unusable("it is about other certificates".into()),
                    Status::Unusable(why) => Status::Unusable(format!("{}: {why}", question.url)),
                    other => other,
                };
                self.take(source, status)?;
            }
            if let Some(why) = fetched.failure(question) {
                self.tried.push(format!("{}: {why}", question.url));
            }
        }
        Ok(())
    }

    fn take(&mut self, source: &'static str, status: Status) -> Result<(), CertificateFailure> {
        match status {
            Status::Silent => {}
            Status::Good => self.good = true,
            Status::Unusable(why) => self.tried.push(why),
            Status::Revoked { when, reason } => {
                return Err(CertificateFailure::Revoked {
                    certificate: CertificateName::of(self.certificate),
                    when,
                    reason,
                    source,
                });
            }
        }
        Ok(())
    }

    /// OCSP first: CRLs only where no responder is left to ask.
    fn open_questions(
        &self,
        peer: &TrustedPeer,
        fetched: &RevocationCache,
        possible: Vec<FetchQuestion>,
    ) -> Vec<FetchQuestion> {
        let mut open: Vec<_> = possible
            .into_iter()
            .filter(|question| !peer.asked.contains(question))
            .filter(|question| match self.good {
                // What is a day old is looked for again, while the old answer still stands.
                true => fetched.is_old(question, self.now),
                false => fetched.is_open(question, self.now),
            })
            .collect();
        if open.iter().any(|question| question.body.is_some()) {
            open.retain(|question| question.body.is_some());
        }
        open
    }

    fn possible_questions(&self) -> Vec<FetchQuestion> {
        let ocsp = self
            .certificate
            .ocsp_urls()
            .iter()
            .map(|url| FetchQuestion {
                url: url.clone(),
                body: Some(ocsp::request(self.certificate, self.issuer)),
                limit: MAX_REPLY,
            });
        let lists = self.certificate.crl_urls().iter().map(|url| FetchQuestion {
            url: url.clone(),
            body: None,
            limit: MAX_LIST,
        });
        ocsp.chain(lists).collect()
    }

    fn unknown(&mut self) -> CertificateFailure {
        let mut tried = std::mem::take(&mut self.tried);
        tried.truncate(8);
        CertificateFailure::RevocationUnknown {
            certificate: CertificateName::of(self.certificate),
            tried,
        }
    }
}

//! Words that stand for several proposals: `default`, `cnsa1` and `compatible`.

use std::str::FromStr;

use super::{EspProposal, IkeProposal, ProposalError};

/// Reads what an operator writes for an IKE SA: a proposal, or a word for several.
///
/// # Errors
/// [`ProposalError`] for what is neither.
pub fn read_ike(text: &str) -> Result<Vec<IkeProposal>, ProposalError> {
    match Set::find(text) {
        Some(set) => Ok(set.ike()),
        None => Ok(vec![text.parse()?]),
    }
}

/// Reads what an operator writes for a Child SA: a proposal, or a word for several.
///
/// # Errors
/// [`ProposalError`] for what is neither.
pub fn read_esp(text: &str) -> Result<Vec<EspProposal>, ProposalError> {
    match Set::find(text) {
        Some(set) => Ok(set.esp()),
        None => Ok(vec![text.parse()?]),
    }
}

/// What we propose where the operator says nothing: `default`.
#[must_use]
pub fn default_ike() -> Vec<IkeProposal> {
    Set::Default.ike()
}

/// What we propose for ESP where the operator says nothing, with and without extended sequence numbers: `default`.
#[must_use]
pub fn default_esp() -> Vec<EspProposal> {
    Set::Default.esp()
}

/// A word for several proposals. No set has an algorithm with a weakness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// Today's best: AEAD first, and AES-CBC with HMAC-SHA-2 as the second proposal. The groups that cost a responder
    /// milliseconds are left to those who name them: strangers choose the group.
    Default,
    /// The Commercial National Security Algorithm Suite 1.0 (RFC 9206): AES-256-GCM, ECP 384, and SHA-384 before the
    /// SHA-512 that the suite's own proposals have.
    Cnsa1,
    /// What old peers still need, and nothing weak.
    Compatible,
}

impl Set {
    pub(super) const ALL: [Self; 3] = [Self::Default, Self::Cnsa1, Self::Compatible];

    /// Finds a word, in upper or lower case.
    pub(super) fn find(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|set| set.word().eq_ignore_ascii_case(word))
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Cnsa1 => "cnsa1",
            Self::Compatible => "compatible",
        }
    }

    fn ike(self) -> Vec<IkeProposal> {
        parsed(match self {
            Self::Default => &[
                "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-x25519-ecp256-ecp384",
                "aes256-aes128-sha384-sha256-sha512-prfsha384-prfsha256-prfsha512-x25519-ecp256-ecp384",
            ],
            Self::Cnsa1 => &["aes256gcm16-prfsha384-prfsha512-ecp384"],
            Self::Compatible => &["aes256-aes128-sha256-ecp256-modp2048"],
        })
    }

    fn esp(self) -> Vec<EspProposal> {
        parsed(match self {
            Self::Default => &[
                "aes256gcm16-aes128gcm16",
                "aes256-aes128-sha384-sha256-sha512",
            ],
            Self::Cnsa1 => &["aes256gcm16"],
            Self::Compatible => &["aes256-aes128-sha256"],
        })
    }
}

fn parsed<P: FromStr<Err = ProposalError>>(texts: &[&str]) -> Vec<P> {
    texts
        .iter()
        .map(|text| text.parse().expect("a test parses every set"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::proposal::weaknesses;

    #[test]
    fn every_set_parses_and_names_nothing_weak() {
        for set in Set::ALL {
            let (ike, esp) = (set.ike(), set.esp());
            assert!(!ike.is_empty() && !esp.is_empty());
            let texts = ike.iter().map(ToString::to_string);
            for text in texts.chain(esp.iter().map(ToString::to_string)) {
                assert_eq!(weaknesses(&text), []);
            }
            assert_eq!(read_ike(&set.word().to_uppercase()), Ok(ike));
            assert_eq!(read_esp(set.word()), Ok(esp));
        }
    }

    #[test]
    fn default_prefers_aead() {
        let (ike, esp) = (default_ike(), default_esp());
        assert!(ike[0].to_string().starts_with("aes256gcm16-aes128gcm16-"));
        assert!(esp[1].to_string().starts_with("aes256-aes128-sha384-"));
    }

    #[test]
    fn cnsa1_is_the_suite_of_rfc9206() {
        let ike = Set::Cnsa1.ike();
        assert_eq!(ike[0].to_string(), "aes256gcm16-prfsha384-prfsha512-ecp384");
        assert_eq!(Set::Cnsa1.esp()[0].to_string(), "aes256gcm16");
    }

    #[test]
    fn a_proposal_is_read_as_one() {
        let text = "aes128-sha256-prfsha256-modp2048";
        assert_eq!(read_ike(text), Ok(vec![text.parse().expect(text)]));
        assert_eq!(read_esp("null-sha256").map(|read| read.len()), Ok(1));
    }
}

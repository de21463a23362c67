//! Proposals from operators' words, with errors that point at the word and say what to write instead.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::sets::Set;
use super::{EspProposal, IkeProposal};
use crate::crypto::algorithms::{
    ENCRYPTION, EncryptionRow, INTEGRITY, IntegrityRow, KEY_EXCHANGE, KeyExchangeRow, Keyword,
    PrfRow, Row, SEQUENCE_NUMBERS, SequenceNumbersRow, Unavailable, find_prf,
};
use crate::wire::numbers::{ProtocolId, TransformType};

/// Why a text is no proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalError {
    /// The bytes of the text that are wrong; the whole of it where something is missing.
    pub at: Range<usize>,
    /// What is wrong.
    pub problem: ProposalProblem,
    /// What to write instead, as a phrase.
    pub suggestion: Option<String>,
}

/// What is wrong with a proposal's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalProblem {
    /// There is nothing, or nothing between two hyphens.
    Empty,
    /// No algorithm has this name.
    Unknown(String),
    /// We know the algorithm and do not offer it.
    Unavailable(String, Unavailable),
    /// The algorithm stands there already.
    Repeated(String),
    /// The algorithm has no use in this protocol.
    NotFor(String, ProtocolId),
    /// An integrity algorithm where every cipher authenticates by itself.
    IntegrityBesideAead(String),
    /// No algorithm of a type that has to be there.
    Missing(TransformType),
    /// A word for several proposals, joined to other words.
    NotAlone(String),
}

impl fmt::Display for ProposalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            ProposalProblem::Empty => f.write_str("there should be an algorithm here"),
            ProposalProblem::Unknown(word) => write!(f, "no algorithm is called `{word}`"),
            ProposalProblem::Unavailable(word, reason) => write!(f, "`{word}` is {reason}"),
            ProposalProblem::Repeated(word) => write!(f, "`{word}` stands there twice"),
            ProposalProblem::NotFor(word, protocol) => {
                write!(f, "`{word}` has no use in {protocol}")
            }
            ProposalProblem::IntegrityBesideAead(word) => {
                write!(
                    f,
                    "`{word}` has no use beside ciphers that authenticate by themselves"
                )
            }
            ProposalProblem::Missing(kind) => {
                write!(f, "the proposal names no {}", type_name(*kind))
            }
            ProposalProblem::NotAlone(word) => {
                write!(f, "`{word}` stands for whole proposals, not for algorithms")
            }
        }
    }
}

impl std::error::Error for ProposalError {}

/// A word of a proposal that works only because the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// The bytes of the text.
    pub at: Range<usize>,
    /// The word.
    pub word: String,
    /// What is wrong with the algorithm.
    pub why: &'static str,
}

/// The weak words of a proposal's text.
#[must_use]
pub fn weaknesses(text: &str) -> Vec<Weakness> {
    let weak = |(at, word): (Range<usize>, &str)| {
        let why = Keyword::find(word)?.weakness()?;
        let word = word.to_owned();
        Some(Weakness { at, word, why })
    };
    placed_words(text).filter_map(weak).collect()
}

/// The words between hyphens, and where they stand.
fn placed_words(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split('-').map(move |word| {
        let at = start..start + word.len();
        start = at.end + 1;
        (at, word)
    })
}

/// A transform type in the words of errors and refusals.
pub(super) const fn type_name(kind: TransformType) -> &'static str {
    match kind {
        TransformType::ENCR => "encryption",
        TransformType::PRF => "PRF",
        TransformType::INTEG => "integrity",
        TransformType::KE => "key exchange",
        TransformType::ESN => "sequence numbers",
        _ => "additional key exchange",
    }
}

impl FromStr for IkeProposal {
    type Err = ProposalError;

    /// Reads words such as `aes256-aes128-sha256-x25519`.
    ///
    /// Without a PRF word, the PRFs are those on the hashes of the integrity words; so an integrity word beside AEADs
    /// alone means the PRF, as operators of other daemons are used to write it.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let Words {
            encryption,
            mut integrity,
            mut prf,
            key_exchange,
            ..
        } = Words::read(text, ProtocolId::IKE)?;
        let missing = |kind, extra: &str| {
            let suggestion = Some(format!("write `{text}-{extra}`"));
            ProposalError {
                at: 0..text.len(),
                problem: ProposalProblem::Missing(kind),
                suggestion,
            }
        };
        check_cipher(text, &encryption, &integrity)?;
        let aead_only = encryption.iter().all(|(row, _)| row.is_aead());
        if prf.is_empty() {
            prf = integrity
                .iter()
                .map(|(row, at)| (find_prf(row.prf).expect("a test finds it"), at.clone()))
                .collect();
            if aead_only {
                integrity.clear();
            }
        } else if aead_only {
            refuse_integrity(text, &integrity)?;
        }
        if prf.is_empty() {
            return Err(missing(TransformType::PRF, "prfsha384"));
        }
        if key_exchange.is_empty() {
            return Err(missing(TransformType::KE, "x25519"));
        }
        Ok(Self {
            encryption: rows(encryption),
            integrity: rows(integrity),
            prf: rows(prf),
            key_exchange: rows(key_exchange),
        })
    }
}

impl FromStr for EspProposal {
    type Err = ProposalError;

    /// Reads words such as `aes256gcm16-x25519-esn`. A key exchange word asks for perfect forward secrecy.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let Words {
            encryption,
            integrity,
            key_exchange,
            sequence_numbers,
            ..
        } = Words::read(text, ProtocolId::ESP)?;
        check_cipher(text, &encryption, &integrity)?;
        if encryption.iter().all(|(row, _)| row.is_aead()) {
            refuse_integrity(text, &integrity)?;
        }
        let sequence_numbers = if sequence_numbers.is_empty() {
            SEQUENCE_NUMBERS.iter().collect()
        } else {
            rows(sequence_numbers)
        };
        Ok(Self {
            encryption: rows(encryption),
            integrity: rows(integrity),
            key_exchange: rows(key_exchange),
            sequence_numbers,
        })
    }
}

/// A row and where its word stands.
type Placed<R> = (&'static R, Range<usize>);

/// The words of a text by type, each type in the order written.
#[derive(Default)]
struct Words {
    encryption: Vec<Placed<EncryptionRow>>,
    integrity: Vec<Placed<IntegrityRow>>,
    prf: Vec<Placed<PrfRow>>,
    key_exchange: Vec<Placed<KeyExchangeRow>>,
    sequence_numbers: Vec<Placed<SequenceNumbersRow>>,
}

impl Words {
    fn read(text: &str, protocol: ProtocolId) -> Result<Self, ProposalError> {
        let mut words = Self::default();
        for (at, word) in placed_words(text) {
            words.take(word, at, protocol)?;
        }
        Ok(words)
    }

    fn take(
        &mut self,
        word: &str,
        at: Range<usize>,
        protocol: ProtocolId,
    ) -> Result<(), ProposalError> {
        let ike = protocol == ProtocolId::IKE;
        let not_for = ProposalProblem::NotFor(word.to_owned(), protocol);
        let leave_out = || Some(format!("leave `{word}` out"));
        let added = match Keyword::find(word) {
            Some(Keyword::Encryption(row)) if if ike { row.ike } else { row.esp } => {
                add(&mut self.encryption, row, &at)
            }
            Some(Keyword::Integrity(row)) => add(&mut self.integrity, row, &at),
            Some(Keyword::Prf(row)) if ike => add(&mut self.prf, row, &at),
            Some(Keyword::KeyExchange(row)) => add(&mut self.key_exchange, row, &at),
            Some(Keyword::SequenceNumbers(row)) if !ike => {
                add(&mut self.sequence_numbers, row, &at)
            }
            Some(Keyword::Unavailable(row)) => {
                let suggestion = Some(format!("use `{}`", best(row.transform)));
                let problem = ProposalProblem::Unavailable(word.to_owned(), row.reason);
                return Err(ProposalError {
                    at,
                    problem,
                    suggestion,
                });
            }
            Some(_) => {
                return Err(ProposalError {
                    at,
                    problem: not_for,
                    suggestion: leave_out(),
                });
            }
            None if word.is_empty() => {
                return Err(ProposalError {
                    at,
                    problem: ProposalProblem::Empty,
                    suggestion: None,
                });
            }
            None if Set::find(word).is_some() => {
                return Err(ProposalError {
                    at,
                    problem: ProposalProblem::NotAlone(word.to_owned()),
                    suggestion: Some(format!("write a list: `[{word}, ...]`")),
                });
            }
            None => {
                let suggestion = did_you_mean(word, ike);
                let problem = ProposalProblem::Unknown(word.to_owned());
                return Err(ProposalError {
                    at,
                    problem,
                    suggestion,
                });
            }
        };
        if added {
            return Ok(());
        }
        let problem = ProposalProblem::Repeated(word.to_owned());
        Err(ProposalError {
            at,
            problem,
            suggestion: leave_out(),
        })
    }
}

/// Adds a row, unless it is there.
fn add<R: Row>(rows: &mut Vec<Placed<R>>, row: &'static R, at: &Range<usize>) -> bool {
    let new = rows.iter().all(|(other, _)| *other != row);
    if new {
        rows.push((row, at.clone()));
    }
    new
}

fn rows<R>(placed: Vec<Placed<R>>) -> Vec<&'static R> {
    placed.into_iter().map(|(row, _)| row).collect()
}

/// There is a cipher, and integrity for those that need it.
fn check_cipher(
    text: &str,
    encryption: &[Placed<EncryptionRow>],
    integrity: &[Placed<IntegrityRow>],
) -> Result<(), ProposalError> {
    let at = 0..text.len();
    if encryption.is_empty() {
        let problem = ProposalProblem::Missing(TransformType::ENCR);
        return Err(ProposalError {
            at,
            problem,
            suggestion: Some(format!("write `aes256gcm16-{text}`")),
        });
    }
    if integrity.is_empty()
        && let Some((row, _)) = encryption.iter().find(|(row, _)| !row.is_aead())
    {
        let problem = ProposalProblem::Missing(TransformType::INTEG);
        let suggestion = Some(format!(
            "`{}` needs an integrity algorithm: write `{text}-sha256`, or use `{}`",
            row.keyword(),
            best(TransformType::ENCR)
        ));
        return Err(ProposalError {
            at,
            problem,
            suggestion,
        });
    }
    Ok(())
}

fn refuse_integrity(text: &str, integrity: &[Placed<IntegrityRow>]) -> Result<(), ProposalError> {
    let Some((_, at)) = integrity.first() else {
        return Ok(());
    };
    let word = text[at.clone()].to_owned();
    let suggestion = Some(format!("leave `{word}` out"));
    let problem = ProposalProblem::IntegrityBesideAead(word);
    Err(ProposalError {
        at: at.clone(),
        problem,
        suggestion,
    })
}

/// Our first choice of a type.
fn best(kind: TransformType) -> &'static str {
    match kind {
        TransformType::PRF => "prfsha384",
        TransformType::INTEG => INTEGRITY[0].keyword(),
        TransformType::KE => KEY_EXCHANGE[0].keyword(),
        _ => ENCRYPTION[0].keyword(),
    }
}

/// The offered word that is nearest to a misspelt one, if any is near.
fn did_you_mean(word: &str, ike: bool) -> Option<String> {
    if word.contains([',', ' ']) {
        return Some("join words by `-`, and write several proposals as a list".to_owned());
    }
    let plain: String = word
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let useful = |keyword: &Keyword| {
        keyword.is_sound()
            && match keyword {
                Keyword::Encryption(row) => row.ike || !ike,
                Keyword::Prf(_) => ike,
                Keyword::SequenceNumbers(_) => !ike,
                _ => true,
            }
    };
    let known = Keyword::all()
        .filter(useful)
        .flat_map(|keyword| {
            keyword
                .words()
                .iter()
                .map(move |word| (*word, keyword.words()[0]))
        })
        .chain(Set::ALL.map(|set| (set.word(), set.word())));
    let (distance, nearest) = known
        .map(|(known, canonical)| (edit_distance(&plain, known), canonical))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= plain.len() / 3).then(|| format!("did you mean `{nearest}`?"))
}

/// Insertions, deletions and replacements of characters between two words (Levenshtein).
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, r) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(l != r);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ike(text: &str) -> IkeProposal {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn esp(text: &str) -> EspProposal {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The wrong part of the text, the message and the suggestion.
    fn refused<P: FromStr<Err = ProposalError> + fmt::Debug>(text: &str) -> (&str, String, String) {
        let error = text.parse::<P>().unwrap_err();
        (
            &text[error.at.clone()],
            error.to_string(),
            error.suggestion.unwrap_or_default(),
        )
    }

    fn refused_ike(text: &str) -> (&str, String, String) {
        refused::<IkeProposal>(text)
    }

    fn refused_esp(text: &str) -> (&str, String, String) {
        refused::<EspProposal>(text)
    }

    #[test]
    fn words_become_canonical_and_parse_to_the_same_again() {
        for (text, canonical) in [
            (
                "aes256gcm16-prfsha384-x25519",
                "aes256gcm16-prfsha384-x25519",
            ),
            (
                "AES256GCM128-PRFSHA384-curve25519",
                "aes256gcm16-prfsha384-x25519",
            ),
            ("aes256gcm16-sha384-x25519", "aes256gcm16-prfsha384-x25519"),
            ("ecp256-sha256-aes128", "aes128-sha256-prfsha256-ecp256"),
            (
                "aes256-sha512-prfsha256-dh19-dh31",
                "aes256-sha512-prfsha256-ecp256-x25519",
            ),
            (
                "aes256gcm16-aes256-sha256-x25519",
                "aes256gcm16-aes256-sha256-prfsha256-x25519",
            ),
            (
                "aes128ccm64-aes192gcm96-aescmac-ecp521",
                "aes128ccm8-aes192gcm12-prfaescmac-ecp521",
            ),
            (
                "aes128ctr-aesxcbc-modp2048",
                "aes128ctr-aesxcbc-prfaesxcbc-modp2048",
            ),
            (
                "chacha20poly1305-prfsha512-dh20",
                "chacha20poly1305-prfsha512-ecp384",
            ),
            ("aes-sha-dh2", "aes128-sha1-prfsha1-modp1024"),
        ] {
            let proposal = ike(text);
            assert_eq!(proposal.to_string(), canonical);
            assert_eq!(ike(canonical), proposal);
        }
        for (text, canonical) in [
            ("aes256gcm16", "aes256gcm16"),
            ("aes256gcm16-esn-noesn", "aes256gcm16"),
            ("aes256gcm16-noesn-esn", "aes256gcm16-noesn-esn"),
            ("null-sha256", "null-sha256"),
            ("aes256gmac-modp4096", "aes256gmac-modp4096"),
            ("noesn-aes128-sha256-x25519", "aes128-sha256-x25519-noesn"),
        ] {
            let proposal = esp(text);
            assert_eq!(proposal.to_string(), canonical);
            assert_eq!(esp(canonical), proposal);
        }
    }

    #[test]
    fn every_integrity_algorithm_has_its_prf() {
        for row in INTEGRITY {
            assert!(find_prf(row.prf).is_some());
        }
    }

    #[test]
    fn errors_point_at_the_word_and_say_what_to_write() {
        let (at, problem, suggestion) = refused_ike("aes256gmc16-prfsha384-x25519");
        assert_eq!(at, "aes256gmc16");
        assert_eq!(problem, "no algorithm is called `aes256gmc16`");
        assert_eq!(suggestion, "did you mean `aes256gcm16`?");
        let (at, _, suggestion) = refused_ike("aes256-sha256-x25591");
        assert_eq!((at, &suggestion[..]), ("x25591", "did you mean `x25519`?"));
        assert_eq!(
            refused_ike("aes256-sha256-x25519!").2,
            "did you mean `x25519`?"
        );
        assert_eq!(refused_ike("aes256-blah").2, "");
        assert!(
            refused_ike("aes256-sha256-x25519,aes128")
                .2
                .contains("list")
        );
    }

    #[test]
    fn refused_and_unbuilt_words_say_so() {
        let (at, problem, suggestion) = refused_ike("aes256-md5-x25519");
        assert_eq!(
            (at, &problem[..]),
            ("md5", "`md5` is refused: MD5 is broken")
        );
        assert_eq!(suggestion, "use `sha256`");
        let (at, problem, suggestion) = refused_ike("aes256-sha256-x448");
        assert_eq!((at, &problem[..]), ("x448", "`x448` is not built yet"));
        assert_eq!(suggestion, "use `x25519`");
        for word in [
            "des", "3des", "modp768", "dh1", "dh22", "dh23", "dh24", "prfmd5",
        ] {
            let (at, problem, _) = refused_ike(word);
            assert_eq!(at, word);
            assert!(
                problem.starts_with(&format!("`{word}` is refused: ")),
                "{problem}"
            );
        }
    }

    #[test]
    fn weak_algorithms_work_where_named_and_are_told() {
        let text = "aes128-SHA-sha256-modp1024-modp1536-x25519";
        ike(text);
        let words = |text| {
            weaknesses(text)
                .into_iter()
                .map(|weak| weak.word)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(text), ["SHA", "modp1024", "modp1536"]);
        assert_eq!(&text[weaknesses(text)[1].at.clone()], "modp1024");
        for (text, weak) in [
            ("null-aes128-sha1", &["null", "sha1"][..]),
            ("aes128gmac", &["aes128gmac"]),
        ] {
            esp(text);
            assert_eq!(words(text), weak);
        }
        assert!(words("aes128-aesxcbc-modp2048").is_empty());
        // Nobody is led to them.
        assert_eq!(refused_ike("aes128-sha256-mdp1024").2, "");
    }

    #[test]
    fn ciphers_that_hide_nothing_are_for_esp_alone() {
        assert_eq!(
            refused_ike("null-sha256-x25519").1,
            "`null` has no use in IKE"
        );
        assert_eq!(refused_ike("aes128gmac-prfsha256-x25519").0, "aes128gmac");
        assert_eq!(refused_esp("null").1, "the proposal names no integrity");
    }

    #[test]
    fn a_word_for_several_proposals_stands_alone() {
        let (at, problem, suggestion) = refused_ike("default-x25519");
        assert_eq!(at, "default");
        assert_eq!(
            problem,
            "`default` stands for whole proposals, not for algorithms"
        );
        assert_eq!(suggestion, "write a list: `[default, ...]`");
        assert_eq!(refused_esp("compatibel").2, "did you mean `compatible`?");
    }

    #[test]
    fn what_is_missing_is_named_with_the_text_to_write() {
        let (at, problem, suggestion) = refused_ike("aes256gcm16-x25519");
        assert_eq!(
            (at, &problem[..]),
            ("aes256gcm16-x25519", "the proposal names no PRF")
        );
        assert_eq!(suggestion, "write `aes256gcm16-x25519-prfsha384`");
        assert_eq!(
            refused_ike("aes256-sha256").2,
            "write `aes256-sha256-x25519`"
        );
        assert_eq!(
            refused_ike("aes256-x25519").1,
            "the proposal names no integrity"
        );
        assert_eq!(
            refused_ike("sha256-x25519").1,
            "the proposal names no encryption"
        );
        assert_eq!(refused_esp("aes256").1, "the proposal names no integrity");
    }

    #[test]
    fn words_without_use_are_errors() {
        assert_eq!(refused_esp("aes256gcm16-sha256").0, "sha256");
        assert_eq!(
            refused_ike("aes256gcm16-sha256-prfsha384-x25519").0,
            "sha256"
        );
        assert_eq!(
            refused_ike("aes256-sha256-x25519-esn").1,
            "`esn` has no use in IKE"
        );
        assert_eq!(
            refused_esp("aes256gcm16-prfsha256").1,
            "`prfsha256` has no use in ESP"
        );
        assert_eq!(
            refused_ike("aes256-sha256-aes256cbc").1,
            "`aes256cbc` stands there twice"
        );
        assert_eq!(refused_ike("").1, "there should be an algorithm here");
        let error = "aes256--x25519".parse::<IkeProposal>().unwrap_err();
        assert_eq!((error.at, error.problem), (7..7, ProposalProblem::Empty));
    }

    #[test]
    fn any_text_is_answered() {
        for text in ["-", "é", "aes256-é", "\u{0}", "x".repeat(10_000).as_str()] {
            let error = text.parse::<IkeProposal>().unwrap_err();
            assert!(text.get(error.at).is_some());
        }
    }
}

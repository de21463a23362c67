//! Proposals as a whole: whom they leave out, and what does not go together.
//!
//! Only what is written is judged; the defaults are ours. What many peers have is what RFC 8221 and RFC 8247 ask of them.

use ike::crypto::algorithms::{EncryptionRow, KeyExchangeRow, Keyword};
use ike::wire::numbers::{Encryption, KeyExchangeMethod, SequenceNumbers};

use super::Check;
use crate::language::FoundConnection;
use crate::report::{Code, Severity};
use crate::walk::Place;

/// What a proposal means, word by word.
struct Words(Vec<Keyword>);

impl Words {
    fn of(proposal: &impl ToString) -> Self {
        let text = proposal.to_string();
        Self(text.split('-').filter_map(Keyword::find).collect())
    }

    fn encryption(&self) -> impl Iterator<Item = &'static EncryptionRow> {
        self.0.iter().filter_map(|word| match word {
            Keyword::Encryption(row) => Some(*row),
            _ => None,
        })
    }

    fn key_exchange(&self) -> impl Iterator<Item = &'static KeyExchangeRow> {
        self.0.iter().filter_map(|word| match word {
            Keyword::KeyExchange(row) => Some(*row),
            _ => None,
        })
    }

    /// Whether all that it has of some type is weak, so that whoever takes it takes something weak.
    fn is_weak(&self) -> bool {
        let kinds = self.0.iter().map(|word| word.transform().transform);
        kinds.into_iter().any(|kind| {
            let mut alike = self
                .0
                .iter()
                .filter(|word| word.transform().transform == kind);
            alike.all(|word| word.weakness().is_some())
        })
    }

    fn is_extended_only(&self) -> bool {
        let mut kinds = self.0.iter().filter_map(|word| match word {
            Keyword::SequenceNumbers(row) => Some(row.id),
            _ => None,
        });
        kinds.next() == Some(SequenceNumbers::EXTENDED_64) && kinds.next().is_none()
    }
}

impl Check<'_> {
    pub(super) fn algorithms(&mut self, found: &FoundConnection) {
        let connection = &found.connection;
        let ike: Vec<Words> = connection.proposals.iter().map(Words::of).collect();
        if let Some(place) = &found.ike {
            self.weak(&ike, place);
            self.few_peers(&ike, place);
            self.few_groups(&ike, place);
        }
        for ((child, place), found_esp) in connection
            .children
            .iter()
            .zip(&found.children)
            .zip(&found.esp)
        {
            let esp: Vec<Words> = child.proposals.iter().map(Words::of).collect();
            if let Some(place) = found_esp {
                self.weak(&esp, place);
                self.few_peers(&esp, place);
                self.perfect_forward_secrecy(&ike, &esp, place);
                self.extended(&esp, child.replay_window, place);
            }
            if found.ike.is_some() || found_esp.is_some() {
                let place = found.ike.as_ref().or(found_esp.as_ref()).unwrap_or(place);
                self.weaker_ike(&ike, &esp, &child.name.to_string(), place);
            }
        }
    }

    /// Everybody has to take something weak, or is led to it.
    fn weak(&mut self, proposals: &[Words], place: &Place) {
        let first_good = proposals.iter().position(|one| !one.is_weak());
        match (proposals.iter().position(Words::is_weak), first_good) {
            (Some(_), None) => {
                let message = "every proposal needs a weak algorithm: peers that follow RFC 8221 and RFC 8247 refuse them all".to_owned();
                let suggestion = "put default or compatible before them, and take the weak ones out when the peer can do better";
                self.tell(
                    Code::OnlyWeak,
                    Severity::Warning,
                    place,
                    message,
                    suggestion,
                );
            }
            (Some(weak), Some(good)) if weak < good => {
                let message = format!(
                    "proposal {} has a weak algorithm, and stands before proposal {}, which has none: a peer that knows both gets the weak one",
                    weak + 1,
                    good + 1
                );
                self.tell(
                    Code::WeakFirst,
                    Severity::Warning,
                    place,
                    message,
                    "put the best proposal first",
                );
            }
            _ => {}
        }
    }

    /// Ciphers that many peers do not have.
    fn few_peers(&mut self, proposals: &[Words], place: &Place) {
        let is_common = |row: &EncryptionRow| {
            matches!(row.id, Encryption::AES_GCM_16 | Encryption::AES_CBC)
                && matches!(row.key_bits, Some(128 | 256))
        };
        let mut rows = proposals.iter().flat_map(Words::encryption).peekable();
        if rows.peek().is_some() && !rows.any(is_common) {
            let message = "neither AES-GCM with tags of 16 bytes nor AES-CBC, of 128 or 256 bits: peers that have nothing else, which are many, find nothing here".to_owned();
            let suggestion = "add default behind it, unless all peers are known to have it";
            self.tell(
                Code::ExcludesPeers,
                Severity::Warning,
                place,
                message,
                suggestion,
            );
        }
    }

    /// Key exchange methods that many peers do not have.
    fn few_groups(&mut self, proposals: &[Words], place: &Place) {
        use KeyExchangeMethod as Method;
        let methods: Vec<Method> = proposals
            .iter()
            .flat_map(Words::key_exchange)
            .map(|row| row.id)
            .collect();
        let common = [
            Method::ECP_256,
            Method::ECP_384,
            Method::MODP_2048,
            Method::MODP_3072,
            Method::MODP_4096,
        ];
        if methods.iter().any(|method| common.contains(method)) {
            return;
        }
        let (message, suggestion) = if methods.contains(&Method::CURVE25519) {
            (
                "x25519 is the only key exchange that is not rare: Windows and the VPN gateways of Azure and AWS do not have it",
                "add ecp256 or modp2048 behind it where such a peer has to connect",
            )
        } else {
            (
                "neither x25519, ecp256, ecp384 nor modp2048 to modp4096: peers that have nothing else, which are many, find nothing here",
                "add x25519 or ecp256",
            )
        };
        self.tell(
            Code::ExcludesPeers,
            Severity::Note,
            place,
            message.to_owned(),
            suggestion,
        );
    }

    /// Only when a Child SA is made in an exchange of its own does a mismatch show, perhaps hours later.
    fn perfect_forward_secrecy(&mut self, ike: &[Words], esp: &[Words], place: &Place) {
        let with = esp
            .iter()
            .filter(|one| one.key_exchange().next().is_some())
            .count();
        if with == 0 {
            return;
        }
        if with < esp.len() {
            let message = "some proposals have a key exchange and some have none: a peer may leave perfect forward secrecy out".to_owned();
            let suggestion =
                "give each proposal a key exchange if it is to be kept, or none of them";
            self.tell(
                Code::PfsOptional,
                Severity::Note,
                place,
                message,
                suggestion,
            );
        }
        let of = |all: &[Words]| -> Vec<&'static KeyExchangeRow> {
            all.iter().flat_map(Words::key_exchange).collect()
        };
        let (theirs, own) = (of(ike), of(esp));
        let strongest = own.iter().map(|row| strength(row.id)).max();
        let weakest = theirs.iter().map(|row| strength(row.id)).min();
        let names = |rows: &[&KeyExchangeRow]| {
            rows.iter()
                .map(|row| row.keywords[0])
                .collect::<Vec<_>>()
                .join(", ")
        };
        if strongest < weakest {
            let message = format!(
                "the key exchange of the Child SA ({}) is weaker than those of the IKE SA ({})",
                names(&own),
                names(&theirs)
            );
            self.tell(
                Code::PfsGroup,
                Severity::Warning,
                place,
                message,
                "use one of those of the IKE SA",
            );
        } else if !own.iter().any(|row| theirs.contains(row)) {
            let message = format!(
                "none of its key exchanges ({}) is one of the IKE SA ({}): a peer that has only those refuses the child, but not before it is made again",
                names(&own),
                names(&theirs)
            );
            self.tell(
                Code::PfsGroup,
                Severity::Note,
                place,
                message,
                "add one of those of the IKE SA",
            );
        }
    }

    fn extended(&mut self, esp: &[Words], replay_window: u32, place: &Place) {
        if !esp.iter().all(Words::is_extended_only) {
            return;
        }
        if replay_window == 0 {
            let message =
                "`esn` needs a replay window (RFC 4303 section 2.2.1), and `replay_window` is 0"
                    .to_owned();
            self.tell(
                Code::NoProposalLeft,
                Severity::Error,
                place,
                message,
                "take `replay_window: 0` out, or write noesn",
            );
        } else {
            let message =
                "`esn` alone: peers without extended sequence numbers are refused".to_owned();
            self.tell(
                Code::ExcludesPeers,
                Severity::Note,
                place,
                message,
                "leave `esn` out: it is preferred anyhow, and peers without it are taken",
            );
        }
    }

    /// The keys of the child come from the IKE SA: who reads that, reads all (RFC 7296 section 2.17).
    fn weaker_ike(&mut self, ike: &[Words], esp: &[Words], child: &str, place: &Place) {
        let most = |all: &[Words]| {
            all.iter()
                .flat_map(Words::encryption)
                .map(|row| row.key_length * 8)
                .max()
        };
        if let (Some(outer), Some(inner)) = (most(ike), most(esp))
            && outer < inner
        {
            let message = format!(
                "the IKE SA has keys of {outer} bits at most, and child {child} up to {inner}: whoever breaks the one has the other"
            );
            self.tell(
                Code::WeakerIke,
                Severity::Note,
                place,
                message,
                "let the IKE SA be at least as strong: aes256gcm16, or default",
            );
        }
    }
}

/// About how many bits of security a method gives (NIST SP 800-57 part 1, table 2; RFC 3526 section 8).
const fn strength(method: KeyExchangeMethod) -> u16 {
    use KeyExchangeMethod as Method;
    match method {
        Method::MODP_1024 => 80,
        Method::MODP_1536 => 90,
        Method::MODP_2048 => 112,
        Method::MODP_4096 => 150,
        Method::MODP_6144 => 170,
        Method::MODP_8192 | Method::ECP_384 => 192,
        Method::ECP_521 => 256,
        _ => 128,
    }
}

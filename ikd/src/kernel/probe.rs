//! What this kernel can, and whether that is enough for the configuration.

use std::collections::BTreeSet;

use ike::config::proposal::{ChildExchange, EspProposal, esp_to_wire};
use ike::config::{Child, Configuration};
use ike::wire::SpiBytes;
use ike::wire::numbers::{Encryption, Integrity, TransformType};
use ike::wire::payload::sa::Proposal;
use xfrm_sys::{Algorithm, Answer, Capabilities, KernelError};

use super::convert::{Algorithms, algorithms};

/// Why the kernel is not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// We may not ask it.
    Privilege,
    /// There is no ESP of this family, in the kernel's words.
    Esp {
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The module that has it.
        module: &'static str,
        /// The kernel's words.
        words: String,
    },
    /// A child has no proposal left.
    NoAlgorithm {
        /// As `connection/child`.
        child: String,
        /// What the kernel lacks.
        lacks: String,
    },
}

/// Compares; returns warnings, a line each, where the kernel lacks something that others can stand in for.
///
/// # Errors
/// [`Shortage`].
pub(crate) fn compare(
    configuration: &Configuration,
    kernel: &Capabilities,
) -> Result<Vec<String>, Shortage> {
    let answers = [&kernel.esp_ipv4, &kernel.esp_ipv6];
    if answers.iter().any(|answer| {
        answer
            .refusal()
            .is_some_and(|refusal| refusal.errno == libc::EPERM)
    }) {
        return Err(Shortage::Privilege);
    }
    let mut warnings = Vec::new();
    for connection in configuration
        .connections
        .iter()
        .filter(|connection| !connection.children.is_empty())
    {
        let addresses = [connection.local.address, connection.remote.address];
        let wants = |ipv4: bool| {
            addresses
                .iter()
                .flatten()
                .any(|address| address.is_ipv4() == ipv4)
        };
        let anything = addresses.iter().all(Option::is_none);
        for (answer, family, module, ipv4) in [
            (answers[0], "IPv4", "esp4", true),
            (answers[1], "IPv6", "esp6", false),
        ] {
            let Some(refusal) = answer.refusal() else {
                continue;
            };
            if wants(ipv4) || (anything && ipv4) {
                return Err(Shortage::Esp {
                    family,
                    module,
                    words: words(refusal),
                });
            }
        }
        for child in &connection.children {
            let name = format!("{}/{}", connection.name, child.name);
            warnings.extend(compare_child(&name, child, kernel)?);
        }
    }
    Ok(warnings)
}

fn compare_child(
    name: &str,
    child: &Child,
    kernel: &Capabilities,
) -> Result<Vec<String>, Shortage> {
    let lacking: Vec<_> = child
        .proposals
        .iter()
        .map(|proposal| lacks(proposal, kernel))
        .collect();
    let names = |lacking: &BTreeSet<&str>| lacking.iter().copied().collect::<Vec<_>>().join(", ");
    if !lacking.is_empty() && lacking.iter().all(|(_, usable)| !usable) {
        let all = lacking
            .iter()
            .flat_map(|(lacking, _)| lacking.iter().copied())
            .collect();
        return Err(Shortage::NoAlgorithm {
            child: name.to_owned(),
            lacks: names(&all),
        });
    }
    let warning = |(proposal, (lacking, _)): (&EspProposal, &(BTreeSet<&str>, bool))| {
        format!(
            "{name}: the kernel lacks {} of proposal {proposal}: an SA that negotiates it will fail",
            names(lacking)
        )
    };
    Ok(std::iter::zip(&child.proposals, &lacking)
        .filter(|(_, (lacking, _))| !lacking.is_empty())
        .map(warning)
        .collect())
}

/// Kernel algorithms of a proposal that are not there, and whether anything is left of it.
fn lacks(proposal: &EspProposal, kernel: &Capabilities) -> (BTreeSet<&'static str>, bool) {
    let mut lacking = BTreeSet::new();
    let mut usable = false;
    let wire = esp_to_wire([proposal], SpiBytes::EMPTY, ChildExchange::IkeAuth);
    for (encryption, integrity) in wire.proposals.iter().flat_map(combinations) {
        let Some(algorithms) = algorithms(encryption, integrity) else {
            continue;
        };
        let missing = missing(algorithms, kernel);
        usable |= missing.is_empty();
        lacking.extend(missing);
    }
    (lacking, usable)
}

fn combinations(proposal: &Proposal) -> Vec<(Encryption, Integrity)> {
    let of = |kind| {
        proposal
            .transforms
            .iter()
            .filter(move |transform| transform.kind == kind)
            .map(|transform| transform.id)
    };
    let mut integrity: Vec<_> = of(TransformType::INTEG).map(Integrity).collect();
    if integrity.is_empty() {
        integrity.push(Integrity::NONE);
    }
    of(TransformType::ENCR)
        .flat_map(|encryption| {
            integrity
                .iter()
                .map(move |one| (Encryption(encryption), *one))
        })
        .collect()
}

fn missing(algorithms: Algorithms, kernel: &Capabilities) -> Vec<&'static str> {
    match algorithms {
        Algorithms::Aead(aead) => (!kernel.has_aead(aead))
            .then(|| aead.kernel_name())
            .into_iter()
            .collect(),
        Algorithms::Separate(cipher, hash) => {
            let cipher = (!kernel.has_encryption(cipher)).then(|| cipher.kernel_name());
            let hash = (!kernel.has_integrity(hash)).then(|| hash.kernel_name());
            cipher.into_iter().chain(hash).collect()
        }
    }
}

fn words(refusal: &KernelError) -> String {
    refusal.words.clone().unwrap_or_else(|| refusal.to_string())
}

/// What was found and what was looked for in vain, a line each, for `ikctl status`.
pub(crate) fn tell(kernel: &Capabilities) -> (Vec<String>, Vec<String>) {
    let single = [
        ("ESP over IPv4", &kernel.esp_ipv4),
        ("ESP over IPv6", &kernel.esp_ipv6),
        ("extended sequence numbers", &kernel.esn),
        ("SA direction", &kernel.sa_direction),
    ];
    let single = single.into_iter();
    let aead = kernel
        .aead
        .iter()
        .map(|(one, answer)| (one.kernel_name(), answer));
    let encryption = kernel
        .encryption
        .iter()
        .map(|(one, answer)| (one.kernel_name(), answer));
    let integrity = kernel
        .integrity
        .iter()
        .map(|(one, answer)| (one.kernel_name(), answer));
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (name, answer) in single.chain(aead).chain(encryption).chain(integrity) {
        match answer {
            Answer::Yes if !found.iter().any(|one| one == name) => found.push(name.to_owned()),
            Answer::Yes => {}
            Answer::No(refusal) => missing.push(format!("{name} ({})", words(refusal))),
        }
    }
    missing.dedup();
    (found, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32, words: &str) -> Answer {
        let words = Some(words.to_owned());
        Answer::No(KernelError {
            operation: "NEWSA",
            errno,
            words,
            offset: None,
            missing: None,
        })
    }

    fn kernel(esp: Answer, aead: Answer) -> Capabilities {
        Capabilities {
            esp_ipv4: esp.clone(),
            esp_ipv6: esp.clone(),
            ah_ipv4: esp.clone(),
            ah_ipv6: esp.clone(),
            transport: esp.clone(),
            udp_encapsulation: esp.clone(),
            esn: esp.clone(),
            if_id: esp.clone(),
            aead: vec![(xfrm_sys::AeadAlgorithm::AesGcm16, aead)],
            encryption: vec![(xfrm_sys::EncryptionAlgorithm::AesCbc, Answer::Yes)],
            integrity: vec![(xfrm_sys::IntegrityAlgorithm::HmacSha256_128, Answer::Yes)],
            sa_direction: esp,
            migrate_state: Answer::Yes,
        }
    }

    fn configuration(proposals: &str) -> Configuration {
        let policy = format!(
            "version: 1\nconnections:\n  branch:\n    local: {{ address: 192.0.2.1, id: hq.example.com }}\n    \
             remote: {{ address: 198.51.100.7, id: branch.example.com }}\n    auth: {{ psk: \"a-secret-of-the-tests-only\" }}\n    \
             children:\n      lan: {{ local: 10.1.0.0/16, remote: 10.2.0.0/16, keep: passive{proposals} }}\n"
        );
        let loaded = policies::load_texts([(std::path::Path::new("test.yaml"), policy.as_str())]);
        loaded
            .unwrap_or_else(|report| panic!("{report}"))
            .configuration
    }

    #[test]
    fn a_kernel_without_esp_is_not_enough() {
        let none = refused(libc::EPROTONOSUPPORT, "Requested type not found");
        let shortage = compare(&configuration(""), &kernel(none, Answer::Yes)).expect_err("no ESP");
        assert_eq!(
            shortage,
            Shortage::Esp {
                family: "IPv4",
                module: "esp4",
                words: "Requested type not found".to_owned()
            }
        );
    }

    #[test]
    fn a_missing_privilege_is_not_taken_for_a_missing_module() {
        let shortage = compare(
            &Configuration::default(),
            &kernel(refused(libc::EPERM, "no"), Answer::Yes),
        );
        assert_eq!(shortage, Err(Shortage::Privilege));
    }

    #[test]
    fn a_missing_algorithm_is_a_warning_while_others_remain() {
        let lacking = kernel(
            Answer::Yes,
            refused(libc::ENOSYS, "Requested AEAD algorithm not found"),
        );
        let warnings = compare(
            &configuration(", esp: [aes256gcm16, aes128-sha256]"),
            &lacking,
        )
        .expect("CBC remains");
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("branch/lan: the kernel lacks rfc4106(gcm(aes)) of proposal "),
            "{warnings:?}"
        );
        let shortage =
            compare(&configuration(", esp: [aes256gcm16]"), &lacking).expect_err("nothing remains");
        let lacks = "rfc4106(gcm(aes))".to_owned();
        assert_eq!(
            shortage,
            Shortage::NoAlgorithm {
                child: "branch/lan".to_owned(),
                lacks
            }
        );
        let proposal = ", esp: [aes256gcm16, aes128-sha256]";
        assert_eq!(
            compare(&configuration(proposal), &kernel(Answer::Yes, Answer::Yes)),
            Ok(Vec::new())
        );
    }
}

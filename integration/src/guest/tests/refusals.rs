//! What does not fit together: each end says why, in words that tell what to change, and nothing is left in the kernel.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::PAIRS;
use super::harness::{self, PATIENCE, Test};
use crate::guest::peers::{Kind, Policy, eventually};
use crate::guest::world::{Pair, World, site_to_site};

/// ikd does not take a stranger's word that there is no common proposal, and asks on: no use in waiting for its end.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// A reason for a refusal, and the words in which each daemon must tell it, any one of them, in each role.
struct Refusal {
    name: &'static str,
    /// Breaks the responder's policy.
    spoil: fn(&mut Policy),
    ikd_begins: &'static [&'static str],
    ikd_answers: &'static [&'static str],
    strongswan_begins: &'static [&'static str],
    strongswan_answers: &'static [&'static str],
}

const REFUSALS: &[Refusal] = &[
    Refusal {
        name: "wrong_psk",
        spoil: |policy| policy.psk.push_str(", mistyped"),
        ikd_begins: &["AUTHENTICATION_FAILED"],
        ikd_answers: &["pre-shared keys differ"],
        strongswan_begins: &["AUTHENTICATION_FAILED"],
        strongswan_answers: &["MAC mismatched"],
    },
    Refusal {
        name: "wrong_identity",
        spoil: |policy| policy.remote_id = "somebody-else.example.com".to_owned(),
        ikd_begins: &["AUTHENTICATION_FAILED"],
        ikd_answers: &["somebody-else.example.com"],
        strongswan_begins: &["AUTHENTICATION_FAILED"],
        strongswan_answers: &["no matching peer config found"],
    },
    Refusal {
        name: "no_common_ike_proposal",
        spoil: |policy| policy.ike = "aes128gcm16-prfsha256-ecp256".to_owned(),
        // Anybody could have sent that notify: ikd tells it, and goes on asking until it gives up.
        ikd_begins: &["NO_PROPOSAL_CHOSEN"],
        ikd_answers: &["ecp256"],
        strongswan_begins: &["NO_PROPOSAL_CHOSEN"],
        strongswan_answers: &["no acceptable", "inacceptable", "no proposal"],
    },
    Refusal {
        name: "no_common_esp_proposal",
        spoil: |policy| policy.esp = "aes128-sha256-noesn".to_owned(),
        ikd_begins: &["NO_PROPOSAL_CHOSEN"],
        ikd_answers: &["we allow aes128"],
        strongswan_begins: &["NO_PROPOSAL_CHOSEN"],
        strongswan_answers: &["no acceptable"],
    },
    Refusal {
        name: "selectors_that_do_not_overlap",
        spoil: |policy| {
            policy.children[0].local = "10.77.0.0/16".to_owned();
            policy.children[0].remote = "10.78.0.0/16".to_owned();
        },
        ikd_begins: &["TS_UNACCEPTABLE"],
        ikd_answers: &["10.77.0.0/16"],
        strongswan_begins: &["TS_UNACCEPTABLE"],
        strongswan_answers: &["unacceptable"],
    },
];

pub(super) fn tests() -> Vec<Test> {
    let all = REFUSALS
        .iter()
        .flat_map(|refusal| PAIRS.map(|pair| (refusal, pair)));
    all.map(|(refusal, (initiator, responder))| {
        Test::new(
            format!("refused::{}::{initiator}_to_{responder}", refusal.name),
            move |world| is_refused(world, refusal, initiator, responder),
        )
    })
    .collect()
}

fn is_refused(world: &World, refusal: &Refusal, initiator: Kind, responder: Kind) -> Result<()> {
    let (hq, mut branch) = site_to_site();
    (refusal.spoil)(&mut branch);
    let mut pair = Pair::start(world, (initiator, &hq), (responder, &branch))?;
    let result = (|| {
        ensure!(pair.hq.up_within("lan", LONG_ENOUGH).is_err(), "it came up");
        let (begins, answers) = (
            if initiator == Kind::Ikd {
                refusal.ikd_begins
            } else {
                refusal.strongswan_begins
            },
            if responder == Kind::Ikd {
                refusal.ikd_answers
            } else {
                refusal.strongswan_answers
            },
        );
        // What is only a hint so far stands in the log, not yet among the failures.
        says(
            "the initiator",
            || pair.hq.reasons() + &pair.hq.log(),
            begins,
        )?;
        says("the responder", || pair.branch.reasons(), answers)?;
        // An IKE SA without a child may be left, an SA in the kernel may not.
        harness::no_sa_is_left(world)
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    harness::nothing_is_left(world)
}

fn says(who: &str, reasons: impl Fn() -> String, words: &[&str]) -> Result<()> {
    let told = eventually(PATIENCE, || {
        let reasons = reasons();
        words.iter().any(|word| reasons.contains(word))
    });
    ensure!(told, "{who} does not say {words:?}, but:\n{}", reasons());
    Ok(())
}

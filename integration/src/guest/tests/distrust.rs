//! Gateways that are not believed. The one that judges says at which step and why, by a stable code; the other is told
//! AUTHENTICATION_FAILED and nothing more; neither kernel is left with an SA.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::company::{authorities, by_certificate, company};
use super::harness::{self, PATIENCE, Test};
use super::is_full;
use crate::guest::certificates::{Authority, Contents, Key};
use crate::guest::peers::{Credential, Demand, Kind, Policy, Proof, eventually};
use crate::guest::topology::CAROL;
use crate::guest::web::Web;
use crate::guest::world::{Pair, World};

/// A refusal of a certificate is final: no use in waiting for the initiator's end.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// One gateway proves who it is, the other judges.
struct Scene<'a> {
    world: &'a World,
    /// Whose proof is no good.
    prover: Policy,
    /// Who has to find out.
    judge: Policy,
    /// Where CRLs and OCSP replies are.
    web: Option<Web>,
}

/// A proof that is no good.
struct Case {
    name: &'static str,
    /// The codes by which ikd may tell it.
    codes: &'static [&'static str],
    /// Whether strongSwan can be made to give such a proof, or to judge it.
    strongswan: Strongswan,
    spoil: fn(&mut Scene<'_>) -> Result<()>,
    /// What else must hold in the end.
    afterwards: fn(&Scene<'_>) -> Result<()>,
}

/// What strongSwan's part in a case can be.
#[derive(PartialEq)]
enum Strongswan {
    /// None: it would take its own proof for what it is.
    Neither,
    Proves,
    /// Both: it also refuses when ikd gives such a proof.
    ProvesAndJudges,
    /// Only it can give such a proof.
    AloneProves,
}

const CASE: Case = Case {
    name: "",
    codes: &[],
    strongswan: Strongswan::Neither,
    spoil: |_| Ok(()),
    afterwards: |_| Ok(()),
};

const CASES: &[Case] = &[
    Case {
        name: "expired",
        codes: &["certificate-expired"],
        strongswan: Strongswan::ProvesAndJudges,
        spoil: |scene| scene.prove(|contents| contents.valid(-20, -1)),
        ..CASE
    },
    Case {
        name: "not_yet_valid",
        codes: &["certificate-not-yet-valid"],
        strongswan: Strongswan::Proves,
        spoil: |scene| scene.prove(|contents| contents.valid(1, 20)),
        ..CASE
    },
    Case {
        name: "unknown_authority",
        codes: &["certificate-untrusted"],
        strongswan: Strongswan::ProvesAndJudges,
        spoil: |scene| {
            let stranger = Authority::root(&Contents::authority("Another Root", Key::P256))?;
            let contents = Contents::gateway(&scene.prover.local_id, Key::P256);
            scene.show(stranger.issue(&contents.with(CRL_POINTER))?);
            scene.serve(|_| Ok(Vec::new()))
        },
        // What nobody vouches for makes nobody fetch anything.
        afterwards: |scene| {
            let asked = scene.web.as_ref().map(Web::asked).unwrap_or_default();
            ensure!(
                asked.is_empty(),
                "a stranger's certificate made {asked:?} fetch its CRL"
            );
            Ok(())
        },
    },
    Case {
        name: "missing_intermediate",
        codes: &["certificate-untrusted"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            // Not the office that signs for the judge: who sees its certificate there could send it.
            let office = Contents::authority("Silent Office", Key::P256);
            scene.prove_by(&company()?.root.intermediate(&office)?, |contents| contents)?;
            if let Proof::Signature(credential) = &mut scene.prover.proof {
                credential.chain.truncate(1);
            }
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "key_usage",
        codes: &["certificate-key-usage"],
        spoil: |scene| scene.prove(|contents| contents.with_usage("critical, keyAgreement")),
        ..CASE
    },
    Case {
        name: "extended_key_usage",
        codes: &["certificate-key-usage"],
        spoil: |scene| {
            scene.prove(|contents| contents.with("extendedKeyUsage = critical, codeSigning"))
        },
        ..CASE
    },
    Case {
        name: "name_constraints",
        codes: &["certificate-constraints"],
        spoil: |scene| {
            let narrow = Contents::authority("Narrow Office", Key::P256)
                .with("nameConstraints = critical, permitted;DNS:elsewhere.example.net");
            scene.prove_by(&company()?.root.intermediate(&narrow)?, |contents| contents)
        },
        ..CASE
    },
    Case {
        name: "issued_by_a_gateway",
        codes: &[
            "certificate-untrusted",
            "certificate-constraints",
            "certificate-key-usage",
        ],
        spoil: |scene| {
            let gateway = Contents::gateway("impostor.example.com", Key::P256);
            scene.prove_by(&company()?.office.intermediate(&gateway)?, |contents| {
                contents
            })
        },
        ..CASE
    },
    Case {
        name: "revoked_by_crl_file",
        codes: &["certificate-revoked"],
        strongswan: Strongswan::ProvesAndJudges,
        spoil: |scene| {
            let office = scene.revoked_by_an_office("")?;
            authorities(&mut scene.judge).crls = vec![office.crl()?];
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "revoked_by_crl_from_a_distribution_point",
        codes: &["certificate-revoked"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            let crl = scene.revoked_by_an_office(CRL_POINTER)?.crl_der()?;
            scene.serve(move |_| Ok(crl.clone()))
        },
        ..CASE
    },
    Case {
        name: "revoked_by_ocsp",
        codes: &["certificate-revoked"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            let office = scene.revoked_by_an_office(OCSP_POINTER)?;
            scene.serve(move |request| office.ocsp_reply(request))
        },
        ..CASE
    },
    Case {
        name: "revoked_intermediate",
        codes: &["certificate-revoked"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            let root = Authority::root(&Contents::authority("Strict Root", Key::P384))?;
            let office = root.intermediate(&Contents::authority("Closed Office", Key::P256))?;
            scene.prove_by(&office, |contents| contents)?;
            root.revoke(&office.certificate);
            let authorities = authorities(&mut scene.judge);
            authorities.anchors = vec![root.certificate.clone()];
            authorities.crls = vec![root.crl()?];
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "nothing_known_where_strict",
        codes: &["revocation-unknown"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            authorities(&mut scene.judge).strict = true;
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "wrong_identity",
        codes: &["unknown-identity", "wrong-identity"],
        strongswan: Strongswan::ProvesAndJudges,
        spoil: |scene| {
            // A pattern: who begins names nobody in IDr, and judges the answer.
            scene.judge.remote_id = "*.elsewhere.example.com".to_owned();
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "another_raw_public_key",
        // strongSwan signs and sends no key (RFC 7670) along.
        codes: &["key-untrusted", "wrong-signature"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            if let Proof::Signature(credential) = &mut scene.prover.proof {
                credential.chain.clear();
            }
            let other = Key::P256.file("somebody else")?.with_extension("pub");
            scene.judge.demand = Demand::PublicKey(other);
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "psk_where_a_certificate_is_demanded",
        codes: &["auth-method"],
        strongswan: Strongswan::Proves,
        spoil: |scene| {
            scene.prover.proof = Proof::PreSharedKey;
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "method_1_where_no_policy_names_it",
        codes: &["auth-method", "signature-not-allowed"],
        strongswan: Strongswan::AloneProves,
        spoil: |scene| {
            scene.prover.strongswan_signatures.announces_hashes = false;
            scene.show(company()?.gateway(&scene.prover.local_id, Key::Rsa(2048))?);
            Ok(())
        },
        ..CASE
    },
    Case {
        name: "rsa_of_1024_bits",
        codes: &["certificate-weak"],
        strongswan: Strongswan::AloneProves,
        spoil: |scene| {
            scene.show(company()?.gateway(&scene.prover.local_id, Key::Rsa(1024))?);
            Ok(())
        },
        ..CASE
    },
];

const CRL_POINTER: &str = "crlDistributionPoints = URI:http://203.0.113.9/office.crl";
const OCSP_POINTER: &str = "authorityInfoAccess = OCSP;URI:http://203.0.113.9/ocsp";

impl Scene<'_> {
    /// The prover shows a certificate of the company's office, changed by `change`.
    fn prove(&mut self, change: impl Fn(Contents) -> Contents) -> Result<()> {
        self.prove_by(&company()?.office, change)
    }

    /// The prover shows a certificate of `issuer`, changed by `change`.
    fn prove_by(
        &mut self,
        issuer: &Authority,
        change: impl Fn(Contents) -> Contents,
    ) -> Result<()> {
        let contents = change(Contents::gateway(&self.prover.local_id, Key::P256));
        self.show(issuer.issue(&contents)?);
        Ok(())
    }

    fn show(&mut self, credential: Credential) {
        self.prover.proof = Proof::Signature(credential);
    }

    /// The prover shows a certificate that its issuer, a new office, has taken back; `pointer` says where to ask.
    fn revoked_by_an_office(&mut self, pointer: &str) -> Result<Arc<Authority>> {
        let office = Contents::authority("Severe Office", Key::P256);
        let office = Arc::new(company()?.root.intermediate(&office)?);
        self.prove_by(&office, |contents| contents.with(pointer))?;
        if let Proof::Signature(credential) = &self.prover.proof {
            credential
                .chain
                .first()
                .into_iter()
                .for_each(|certificate| office.revoke(certificate));
        }
        Ok(office)
    }

    fn serve(&mut self, page: impl Fn(&[u8]) -> Result<Vec<u8>> + Send + 'static) -> Result<()> {
        self.web = Some(Web::start(&self.world.net.carol, CAROL, page)?);
        Ok(())
    }
}

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for case in CASES {
        for (prover, judge) in casts(&case.strongswan) {
            for prover_begins in [true, false] {
                let order = if prover_begins { "begins" } else { "answers" };
                tests.push(Test::new(
                    format!(
                        "distrusted::{}::{prover}_{order}_and_{judge}_judges",
                        case.name
                    ),
                    move |world| is_distrusted(world, case, prover, judge, prover_begins),
                ));
            }
        }
    }
    tests
}

/// Who proves, and who judges.
fn casts(strongswan: &Strongswan) -> Vec<(Kind, Kind)> {
    let ours = (Kind::Ikd, Kind::Ikd);
    let proves = (Kind::Strongswan, Kind::Ikd);
    let judges = (Kind::Ikd, Kind::Strongswan);
    match strongswan {
        Strongswan::Neither => vec![ours],
        Strongswan::Proves => vec![ours, proves],
        Strongswan::ProvesAndJudges if is_full() => {
            vec![ours, proves, judges, (Kind::Strongswan, Kind::Strongswan)]
        }
        Strongswan::ProvesAndJudges => vec![ours, proves, judges],
        Strongswan::AloneProves => vec![proves],
    }
}

fn is_distrusted(
    world: &World,
    case: &Case,
    prover: Kind,
    judge: Kind,
    prover_begins: bool,
) -> Result<()> {
    let (hq, branch) = by_certificate(Key::P256, Key::P384)?;
    let (proving, judging) = if prover_begins {
        (hq, branch)
    } else {
        (branch, hq)
    };
    let mut scene = Scene {
        world,
        prover: proving,
        judge: judging,
        web: None,
    };
    (case.spoil)(&mut scene)?;
    let (proving, judging) = ((prover, &scene.prover), (judge, &scene.judge));
    let (hq, branch) = if prover_begins {
        (proving, judging)
    } else {
        (judging, proving)
    };
    let mut pair = Pair::start(world, hq, branch)?;
    let result = (|| {
        ensure!(pair.hq.up_within("lan", LONG_ENOUGH).is_err(), "it came up");
        let (proves, judges) = match prover_begins {
            true => (&pair.hq, &pair.branch),
            false => (&pair.branch, &pair.hq),
        };
        if judge == Kind::Ikd {
            let told = eventually(PATIENCE, || {
                let reasons = judges.reasons();
                let says = |code: &&str| reasons.contains(&format!("\"code\": \"{code}\""));
                case.codes.iter().any(says) && reasons.contains("\"step\": \"IKE_AUTH\"")
            });
            ensure!(
                told,
                "the judge names none of {:?} at IKE_AUTH, but:\n{}",
                case.codes,
                judges.reasons()
            );
        }
        // The whole of what it is told: strongSwan's log shows messages by their payloads. Who is found out by its answer
        // believes that the IKE SA stands, which ikd therefore deletes in the same breath.
        let told = match (prover, judge) {
            (Kind::Ikd | Kind::Libreswan, _) => "AUTHENTICATION_FAILED",
            (Kind::Strongswan, Kind::Ikd) if !prover_begins => "[ N(AUTH_FAILED) D ]",
            (Kind::Strongswan, _) => "[ N(AUTH_FAILED) ]",
        };
        ensure!(
            eventually(PATIENCE, || (proves.reasons() + &proves.log())
                .contains(told)),
            "the prover was not told {told}"
        );
        harness::no_sa_is_left(world)
    })();
    pair.explain(result)?;
    pair.hq.shut_down()?;
    pair.branch.shut_down()?;
    (case.afterwards)(&scene)?;
    harness::nothing_is_left(world)
}

//! The authorities that the tests of certificates share, and the policies of two gateways that believe them.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Result, anyhow};

use crate::guest::certificates::{Authority, Contents, Key};
use crate::guest::peers::{Authorities, Credential, Demand, Policy, Proof};
use crate::guest::world::site_to_site;

/// A company with a root that signs nothing but its offices.
pub(super) struct Company {
    /// Believed by everybody.
    pub(super) root: Authority,
    /// Below it: signs the gateways' certificates.
    pub(super) office: Authority,
    /// What the office has issued: a certificate takes an emulated guest half a second.
    gateways: Mutex<Vec<(String, Key, Credential)>>,
}

impl Company {
    /// A good certificate of the office for the gateway called `name`, and its key.
    pub(super) fn gateway(&self, name: &str, key: Key) -> Result<Credential> {
        let mut gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gateways
            .iter()
            .find(|known| known.0 == name && known.1 == key);
        if let Some((.., credential)) = known {
            return Ok(credential.clone());
        }
        let credential = self.office.issue(&Contents::gateway(name, key))?;
        gateways.push((name.to_owned(), key, credential.clone()));
        Ok(credential)
    }
}

/// The company, which is founded once.
pub(super) fn company() -> Result<&'static Company> {
    static COMPANY: OnceLock<Result<Company>> = OnceLock::new();
    COMPANY
        .get_or_init(found)
        .as_ref()
        .map_err(|error| anyhow!("{error:#}"))
}

fn found() -> Result<Company> {
    let root = Authority::root(&Contents::authority("Example Root", Key::P384))?;
    let office = root.intermediate(&Contents::authority("Example Office", Key::P256))?;
    Ok(Company {
        root,
        office,
        gateways: Mutex::default(),
    })
}

/// The policies of both gateways, each with a certificate of the office for a key of its kind; headquarters' first.
pub(super) fn by_certificate(hq: Key, branch: Key) -> Result<(Policy, Policy)> {
    let company = company()?;
    let mut policies = site_to_site();
    for (policy, key) in [(&mut policies.0, hq), (&mut policies.1, branch)] {
        policy.proof = Proof::Signature(company.gateway(&policy.local_id, key)?);
        policy.demand = Demand::Certificate(Authorities {
            anchors: vec![company.root.certificate.clone()],
            ..Authorities::default()
        });
    }
    Ok(policies)
}

/// What `policy` believes about certificates.
pub(super) fn authorities(policy: &mut Policy) -> &mut Authorities {
    match &mut policy.demand {
        Demand::Certificate(authorities) => authorities,
        other => unreachable!("{other:?} where certificates are demanded"),
    }
}

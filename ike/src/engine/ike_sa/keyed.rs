//! The keys of an IKE SA between IKE_SA_INIT and IKE_AUTH, and what AUTH covers (RFC 7296 sections 2.14 and 2.15).

use crate::config::proposal::IkeSuite;
use crate::crypto::schedule::{IkeKeys, skeyseed_initial, skeyseed_rekey};
use crate::crypto::{PrfAlgorithm, ProtectionAlgorithm, Secret};
use crate::engine::channel::Channel;
use crate::engine::event::IkeSpis;
use crate::engine::failure::Cause;
use crate::engine::shared::Shared;
use crate::wire::numbers::Prf;

/// What both sides have after IKE_SA_INIT, and need until IKE_AUTH is done.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) suite: IkeSuite,
    pub(super) sk_d: Secret,
    pub(super) sk_pi: Secret,
    pub(super) sk_pr: Secret,
    pub(super) channel: Channel,
    pub(super) ni: Vec<u8>,
    pub(super) nr: Vec<u8>,
    /// The two messages of IKE_SA_INIT as sent and received: AUTH covers them.
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
}

impl Keyed {
    /// Derives all keys of the IKE SA (RFC 7296 section 2.14). `response` may be filled in later by a responder.
    pub(super) fn derive(
        shared: &mut Shared,
        suite: IkeSuite,
        secret: &Secret,
        spis: IkeSpis,
        initiator: bool,
        (ni, nr): (Vec<u8>, Vec<u8>),
        (request, response): (Vec<u8>, Vec<u8>),
    ) -> Result<Self, Cause> {
        let (prf, protection) = algorithms(shared, suite)?;
        let skeyseed = skeyseed_initial(prf, &ni, &nr, secret);
        let keys = IkeKeys::derive(
            prf,
            protection,
            &skeyseed,
            &ni,
            &nr,
            &spis.initiator.0,
            &spis.responder.0,
        )
        .map_err(Cause::KeyExchange)?;
        let kept = shared.is_recorded().then_some(&suite);
        let channel =
            Channel::new(protection, &keys, initiator, kept).map_err(Cause::KeyExchange)?;
        shared.export_keys(spis, suite, &keys);
        let IkeKeys {
            sk_d, sk_pi, sk_pr, ..
        } = keys;
        Ok(Self {
            suite,
            sk_d,
            sk_pi,
            sk_pr,
            channel,
            ni,
            nr,
            request,
            response,
        })
    }

    /// What the initiator's AUTH covers (RFC 7296 section 2.15).
    pub(super) fn initiator_octets(&self, shared: &Shared, id_body: &[u8]) -> Vec<u8> {
        self.octets(shared, &self.request, &self.nr, &self.sk_pi, id_body)
    }

    /// What the responder's AUTH covers.
    pub(super) fn responder_octets(&self, shared: &Shared, id_body: &[u8]) -> Vec<u8> {
        self.octets(shared, &self.response, &self.ni, &self.sk_pr, id_body)
    }

    fn octets(
        &self,
        shared: &Shared,
        message: &[u8],
        nonce: &[u8],
        sk_p: &Secret,
        id_body: &[u8],
    ) -> Vec<u8> {
        let prf = shared
            .provider
            .prf(self.suite.prf)
            .expect("the keys were derived with it");
        crate::auth::signed_octets(message, nonce, prf, sk_p.as_bytes(), id_body)
    }
}

/// SK_d and the channel of an IKE SA that replaces one with this PRF and SK_d (RFC 7296 section 2.18).
pub(super) fn successor(
    shared: &mut Shared,
    (old_prf, old_sk_d): (Prf, &Secret),
    suite: IkeSuite,
    secret: &Secret,
    spis: IkeSpis,
    initiator: bool,
    (ni, nr): (&[u8], &[u8]),
) -> Result<(Secret, Channel), Cause> {
    let (prf, protection) = algorithms(shared, suite)?;
    let old_prf = shared
        .provider
        .prf(old_prf)
        .expect("the keys were derived with it");
    let skeyseed = skeyseed_rekey(old_prf, old_sk_d, secret, ni, nr);
    let keys = IkeKeys::derive(
        prf,
        protection,
        &skeyseed,
        ni,
        nr,
        &spis.initiator.0,
        &spis.responder.0,
    )
    .map_err(Cause::KeyExchange)?;
    let kept = shared.is_recorded().then_some(&suite);
    let channel = Channel::new(protection, &keys, initiator, kept).map_err(Cause::KeyExchange)?;
    shared.export_keys(spis, suite, &keys);
    Ok((keys.sk_d, channel))
}

fn algorithms(
    shared: &Shared,
    suite: IkeSuite,
) -> Result<(&'static dyn PrfAlgorithm, &'static dyn ProtectionAlgorithm), Cause> {
    let prf = shared.provider.prf(suite.prf);
    let protection = shared
        .provider
        .protection(suite.encryption, suite.key_bits, suite.integrity);
    prf.zip(protection).ok_or_else(|| Cause::NotBuilt {
        suite: suite.to_string(),
    })
}

//! What should be true: connections, their children, and what passes or is dropped beside them.
//!
//! These types are the engine's whole configuration. They are built by the policy language (or by a test) after it has
//! checked what a type cannot say; the engine relies on the invariants written on the fields and holds no secret here:
//! keys are asked for by the connection's name ([`crate::engine::io::Question`]).

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::identity::{Identity, IdentityPattern};
use super::proposal::{EspProposal, IkeProposal};
use super::selector::{Selector, Side};
use crate::crypto::signature::{KeyKind, PublicKey};
use crate::pki::{Certificate, TrustStore};

/// The name an operator gave to a connection, a child or a pass/drop policy: 1 to 64 printable characters without white
/// space, unique among its kind. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Takes a name as written, or `None` where it is empty, longer than 64 characters or holds anything but letters,
    /// digits and `. _ - @ :`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let good = |c: char| c.is_alphanumeric() || "._-@:".contains(c);
        (!text.is_empty() && text.chars().count() <= 64 && text.chars().all(good))
            .then(|| Self(text.into()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Everything the engine is told to make true. Handed over whole; a later one replaces it.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// Connections, in the order of the files; names are unique.
    pub connections: Vec<Arc<Connection>>,
    /// Traffic that passes in clear or is dropped; names are unique.
    pub shunts: Vec<Arc<Shunt>>,
    /// How much an unproven stranger may cost.
    pub limits: Limits,
    /// Whether Child SAs go to the kernel.
    pub kernel: KernelMode,
    /// Certificates and public keys, by connection; an entry for each connection where either side signs. Apart from the
    /// connections, because files may change while the SAs that were authenticated by them stay.
    pub credentials: BTreeMap<Name, Arc<PublicCredentials>>,
}

/// What a connection's signatures are made and judged with. Holds no private key.
#[derive(Debug, Default)]
pub struct PublicCredentials {
    /// Ours, where we sign.
    pub own: Option<OwnCredential>,
    /// Whom we believe, where the peer signs.
    pub trust: TrustStore,
}

/// With what we sign, and what we show for it.
#[derive(Debug)]
pub struct OwnCredential {
    /// The public half of our key.
    pub key: PublicKey,
    /// The certificate of that key, then the intermediates below the peer's anchor, in order. Empty: a raw public key
    /// (RFC 7670).
    pub chain: Vec<Arc<Certificate>>,
}

/// Whether there is a kernel to install Child SAs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelMode {
    /// Child SAs and policies are installed through XFRM.
    #[default]
    Xfrm,
    /// IKE SAs only (childless, RFC 6023); configured children are refused. For floods and load tests.
    None,
}

/// One peer, or a class of peers, and what is protected with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Connection {
    /// Unique in the configuration.
    pub name: Name,
    /// Our end.
    pub local: Local,
    /// The other end.
    pub remote: Remote,
    /// Proposals for the IKE SA (phase 1), best first. Never empty.
    pub proposals: Vec<IkeProposal>,
    /// How both ends prove who they are.
    pub authentication: Authentication,
    /// What is protected. May be empty: an IKE SA without a child (RFC 6023).
    pub children: Vec<Arc<Child>>,
    /// When silence means that the peer is gone.
    pub liveness: Liveness,
    /// After this long, less up to a tenth, we replace the IKE SA. `None`: only the peer does.
    pub rekey_after: Option<Duration>,
    /// After this long, less up to a tenth, we have both ends authenticate again: a fresh IKE SA takes the place of the old
    /// one, which ends when the new one's children are in use. `None`: only the peer does, or an operator.
    pub reauth_after: Option<Duration>,
    /// What becomes of an older IKE SA with the same peer.
    pub unique: Unique,
    /// Whether a Child SA that was made in IKE_AUTH is rekeyed at once, so that what would fail hours later fails now.
    pub verify_rekey: bool,
}

impl Connection {
    /// Whether `other` is the same but for its children, so that an IKE SA of one serves the other.
    #[must_use]
    pub fn differs_in_children_only(&self, other: &Self) -> bool {
        let Self {
            name,
            local,
            remote,
            proposals,
            authentication,
            children: _,
            liveness,
            rekey_after,
            reauth_after,
            unique,
            verify_rekey,
        } = self;
        (
            name,
            local,
            remote,
            proposals,
            authentication,
            liveness,
            rekey_after,
            reauth_after,
            unique,
            verify_rekey,
        ) == (
            &other.name,
            &other.local,
            &other.remote,
            &other.proposals,
            &other.authentication,
            &other.liveness,
            &other.rekey_after,
            &other.reauth_after,
            &other.unique,
            &other.verify_rekey,
        )
    }

    /// The child of this name.
    #[must_use]
    pub fn child(&self, name: &Name) -> Option<&Arc<Child>> {
        self.children.iter().find(|child| child.name == *name)
    }

    /// Whether we start negotiating by ourselves, before any packet: any child is to be kept up.
    #[must_use]
    pub fn initiates(&self) -> bool {
        self.remote.can_be_called() && self.children.iter().any(|child| child.keep == Keep::Up)
    }
}

/// What becomes of several IKE SAs of one connection with one peer, by the identity that it has proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unique {
    /// The newer one replaces the older one, when its children stand, or after a minute.
    #[default]
    Replace,
    /// The older one stays, and the newer one ends; but where the peer says that it has no other (INITIAL_CONTACT), it is
    /// believed.
    Keep,
    /// Both stay, but for INITIAL_CONTACT.
    No,
}

/// Our end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address we speak from; `None`: any address of ours, chosen by the route.
    pub address: Option<IpAddr>,
    /// Who we say we are.
    pub id: Identity,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The address we speak to; `None`: whoever comes (and we never initiate).
    pub address: Option<IpAddr>,
    /// Its name, where no address is given: resolved at every attempt of ours ([`crate::engine::io::Question::Resolve`]).
    pub host: Option<HostName>,
    /// Who the peer must prove to be; `None`: anybody who can authenticate.
    pub id: Option<IdentityPattern>,
}

impl Remote {
    /// Whether we know where to call.
    #[must_use]
    pub const fn can_be_called(&self) -> bool {
        self.address.is_some() || self.host.is_some()
    }
}

/// The name of a host as DNS has it: labels of letters, digits and `-`, with a letter in the last one, so that it is no
/// address that was mistyped.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(Arc<str>);

impl HostName {
    /// Takes a name as written, or `None` where it is none.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_label = |label: &str| {
            let good = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
            (1..=63).contains(&label.len())
                && label.bytes().all(good)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let labels = text.strip_suffix('.').unwrap_or(text);
        let last = labels.rsplit('.').next()?;
        (labels.len() <= 253
            && labels.split('.').all(is_label)
            && last.bytes().any(|c| c.is_ascii_alphabetic()))
        .then(|| Self(text.into()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// How the two ends authenticate, RFC 7296 section 2.15; each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// How we prove who we are.
    pub local: LocalAuthentication,
    /// How the peer has to.
    pub remote: RemoteAuthentication,
}

impl Authentication {
    /// One shared secret for both directions. The secret itself is with its owner, under the connection's name.
    pub const PRE_SHARED_KEY: Self = Self {
        local: LocalAuthentication::PreSharedKey,
        remote: RemoteAuthentication::PreSharedKey,
    };

    /// How strong signatures have to be, where either side signs.
    #[must_use]
    pub const fn strength(&self) -> Option<Strength> {
        match (self.local, self.remote) {
            (_, RemoteAuthentication::Signature(demand)) => Some(demand.strength),
            (LocalAuthentication::Signature, _) => Some(Strength::Default),
            (LocalAuthentication::PreSharedKey, RemoteAuthentication::PreSharedKey) => None,
        }
    }

    /// Whether the peer has to sign.
    #[must_use]
    pub const fn peer_signs(&self) -> bool {
        matches!(self.remote, RemoteAuthentication::Signature(_))
    }
}

/// How we prove who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalAuthentication {
    /// By the connection's shared secret.
    PreSharedKey,
    /// By the private key of [`PublicCredentials::own`].
    Signature,
}

/// How the peer has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteAuthentication {
    /// By the connection's shared secret.
    PreSharedKey,
    /// By a signature under a key that [`PublicCredentials::trust`] vouches for.
    Signature(SignatureDemand),
}

/// What we ask of a peer's signature and certificate beyond that they are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignatureDemand {
    /// How certificates are checked for revocation.
    pub revocation: Revocation,
    /// Which keys and hashes will do.
    pub strength: Strength,
    /// Whether authentication method 1 (RSA with SHA-1) is accepted, which only a policy that names it does.
    pub rsa_sha1: bool,
    /// For what certificates have to be made.
    pub purposes: Purposes,
}

/// For what a certificate has to be made, by its extendedKeyUsage (RFC 4945 section 5.1.3.12). One without that extension
/// is for everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purposes {
    /// For IKE, or for any purpose.
    #[default]
    Ike,
    /// Whatever it is for: the extension is not looked at, neither in the peer's certificate nor in those above it.
    Any,
}

/// How certificates are checked for revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revocation {
    /// Not at all.
    Off,
    /// A revoked certificate is refused; where nothing can be learned, it is accepted.
    #[default]
    IfAvailable,
    /// A certificate is refused unless a CRL or an OCSP reply says that it is good.
    Strict,
}

/// Which keys and hashes will do for a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strength {
    /// RSA from 2048 bits, ECDSA and EdDSA, with SHA2-256 and above.
    #[default]
    Default,
    /// RFC 9206: RSA from 3072 bits or ECDSA P-384, with SHA2-384 and above.
    Cnsa1,
}

impl Strength {
    /// Whether a key is strong enough: a peer's, ours, or one that signs certificates.
    #[must_use]
    pub const fn takes(self, key: KeyKind) -> bool {
        match self {
            Self::Default => !matches!(key, KeyKind::Rsa { bits: ..2048 }),
            Self::Cnsa1 => matches!(key, KeyKind::Rsa { bits: 3072.. } | KeyKind::EcdsaP384),
        }
    }
}

/// When the peer is asked for a sign of life, and when its silence counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Silence after which an empty INFORMATIONAL asks whether the peer is there. Zero: never.
    pub interval: Duration,
    /// How long a request goes unanswered (retransmissions included) before the peer counts as gone.
    pub give_up: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            give_up: Duration::from_secs(60),
        }
    }
}

/// One set of selectors protected by one Child SA (phase 2).
#[derive(Debug, PartialEq, Eq)]
pub struct Child {
    /// Unique in its connection.
    pub name: Name,
    /// What is behind us. In tunnel mode never empty. In transport mode empty means all traffic of the address that we
    /// speak from, and what is given says which of its traffic: each selector of its family holds that address
    /// (`0.0.0.0/0[udp/1701]` is good where it is not known). See [`Self::protected`].
    pub local: Vec<Selector>,
    /// What is behind the peer; in transport mode the peer itself, as `local`.
    pub remote: Vec<Selector>,
    /// What the packets carry.
    pub mode: Mode,
    /// Proposals for ESP, best first. Never empty. Key exchange methods in them are for CREATE_CHILD_SA (perfect forward
    /// secrecy); a child that is made in IKE_AUTH has its keys from the IKE SA.
    pub proposals: Vec<EspProposal>,
    /// Whether we see to it that it is there.
    pub keep: Keep,
    /// Packets that may arrive out of order, RFC 4303 section 3.4.3; 0 switches replay protection off.
    pub replay_window: u32,
    /// After this long the kernel stops using the SA, whatever happened to us.
    pub hard_lifetime: Duration,
    /// After this long, less up to a tenth, we replace it; shorter than [`Self::hard_lifetime`]. `None`: only the peer does.
    pub rekey_after: Option<Duration>,
    /// After this much, less up to a tenth, we replace it, whatever [`Self::rekey_after`] says. What its algorithms bear bounds
    /// it in any case.
    pub rekey_volume: Volume,
    /// After this much the kernel stops using the SA; more than [`Self::rekey_volume`].
    pub hard_volume: Volume,
    /// An explicit place among all policies, 1 first; `None`: by how narrow the selectors are.
    pub priority: Option<u16>,
    /// A Child SA that has carried nothing for this long is closed. `None`: never. Not of one that is kept up.
    pub idle: Option<Duration>,
    /// What happens to its traffic while there is no SA. To drop it, where the first packet asks for one.
    pub without_sa: WithoutSa,
}

impl Child {
    /// Whether `other` is the same but for what we promise about it, so that a Child SA of one serves the other.
    #[must_use]
    pub fn differs_in_promises_only(&self, other: &Self) -> bool {
        let Self {
            name,
            local,
            remote,
            mode,
            proposals,
            keep: _,
            replay_window,
            hard_lifetime,
            rekey_after,
            rekey_volume,
            hard_volume,
            priority,
            idle: _,
            without_sa: _,
        } = self;
        (
            name,
            local,
            remote,
            mode,
            proposals,
            replay_window,
            hard_lifetime,
            rekey_after,
            rekey_volume,
            hard_volume,
            priority,
        ) == (
            &other.name,
            &other.local,
            &other.remote,
            &other.mode,
            &other.proposals,
            &other.replay_window,
            &other.hard_lifetime,
            &other.rekey_after,
            &other.rekey_volume,
            &other.hard_volume,
            &other.priority,
        )
    }

    /// What is protected where the two ends speak from these addresses, on our side and on the peer's: as configured in
    /// tunnel mode, and of the two addresses alone in transport mode.
    ///
    /// # Errors
    /// In transport mode, where a selector does not hold its end's address.
    pub fn protected(&self, local: IpAddr, remote: IpAddr) -> Result<Protected, NotAnEnd> {
        let known = self.protected_from_the_start(Some(local), Some(remote))?;
        Ok(known.expect("both addresses are known"))
    }

    /// What is protected, as far as it can be said before anybody has spoken: `None` in transport mode where an address is
    /// not configured.
    ///
    /// # Errors
    /// As [`Self::protected`].
    pub fn protected_from_the_start(
        &self,
        local: Option<IpAddr>,
        remote: Option<IpAddr>,
    ) -> Result<Option<Protected>, NotAnEnd> {
        let end = |side, selectors: &[Selector], address| match (self.mode, address) {
            (Mode::Transport, Some(address)) => of_end(side, selectors, address).map(Some),
            // Not even where ports are given for any address: that is one address, and not everybody's.
            (Mode::Transport, None) => Ok(None),
            (Mode::Tunnel, _) => Ok(Some(selectors.to_vec())),
        };
        let local = end(Side::Local, &self.local, local)?;
        let remote = end(Side::Remote, &self.remote, remote)?;
        let both = local.zip(remote);
        Ok(both.map(|(local, remote)| Protected { local, remote }))
    }
}

/// How much one SA carries, as the kernel counts it; `None`: as much as there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// In bytes.
    pub bytes: Option<u64>,
    /// In packets.
    pub packets: Option<u64>,
}

/// What a child protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// On our side.
    pub local: Vec<Selector>,
    /// On the peer's side.
    pub remote: Vec<Selector>,
}

/// What of the selectors is traffic of one address.
fn of_end(side: Side, selectors: &[Selector], address: IpAddr) -> Result<Vec<Selector>, NotAnEnd> {
    let end = Selector::from(address);
    if selectors.is_empty() {
        return Ok(vec![end]);
    }
    let outside = |selector: &Selector| NotAnEnd {
        side,
        selector: *selector,
        address,
    };
    let mut own = Vec::with_capacity(selectors.len());
    let family = |selector: &&Selector| selector.addresses.is_ipv4() == address.is_ipv4();
    for selector in selectors.iter().filter(family) {
        own.push(end.intersect(selector).ok_or_else(|| outside(selector))?);
    }
    if own.is_empty() {
        return Err(outside(&selectors[0]));
    }
    Ok(own)
}

/// In transport mode, a selector that is not of the address its end speaks from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnEnd {
    /// Which end.
    pub side: Side,
    /// What is configured for it.
    pub selector: Selector,
    /// The address that it speaks from.
    pub address: IpAddr,
}

/// What ESP packets carry, RFC 4301 section 4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Whole IP packets, between any networks.
    #[default]
    Tunnel,
    /// The payloads of packets between the two ends themselves: USE_TRANSPORT_MODE, RFC 7296 section 1.3.1.
    Transport,
}

/// What we promise about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is negotiated at start and comes back by itself, whatever went wrong.
    Up,
    /// It is negotiated when a packet needs it. Until then, and when it has ended, a trap waits for the next one.
    OnDemand,
    /// We wait for the peer to ask.
    Passive,
}

/// What happens to a child's traffic while it has no SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutSa {
    /// Nothing goes in clear, in neither direction.
    #[default]
    Drop,
    /// It goes in clear.
    Pass,
}

/// Traffic that is not protected: passed in clear, or dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Shunt {
    /// Unique in the configuration.
    pub name: Name,
    /// What happens to the traffic.
    pub action: ShuntAction,
    /// Our side of it. Never empty.
    pub local: Vec<Selector>,
    /// The far side. Never empty.
    pub remote: Vec<Selector>,
    /// As [`Child::priority`].
    pub priority: Option<u16>,
}

/// What happens to traffic of a [`Shunt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShuntAction {
    /// It goes in clear.
    Pass,
    /// It is dropped, in both directions.
    Drop,
}

/// What an unproven stranger may cost us, RFC 7296 section 2.6 and RFC 8019.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Half-open IKE SAs from which on a COOKIE is asked for before anything is computed.
    pub cookie_threshold: usize,
    /// Half-open IKE SAs that may stand at once; above, IKE_SA_INIT requests are dropped.
    pub half_open: usize,
    /// Half-open IKE SAs one address may hold before it is asked for a COOKIE; with one, it may hold four times as many.
    pub half_open_per_address: usize,
    /// How long a half-open IKE SA may wait for its IKE_AUTH.
    pub half_open_timeout: Duration,
    /// Child SAs that one IKE SA may hold.
    pub children_per_ike_sa: usize,
    /// Requests that one IKE SA may see in either direction: after half of them it is rekeyed, and at the end it is closed.
    pub requests_per_ike_sa: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cookie_threshold: 32,
            half_open: 1024,
            half_open_per_address: 8,
            half_open_timeout: Duration::from_secs(30),
            children_per_ike_sa: 64,
            requests_per_ike_sa: u32::MAX,
        }
    }
}

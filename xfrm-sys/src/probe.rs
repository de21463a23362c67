//! What this kernel can: asked by trying, since no list of its modules tells.
//!
//! Each question is one SA between loopback addresses, under an SPI and a reqid that nothing else uses, deleted at once and
//! with a lifetime of seconds should that fail. What a refusal says is kept.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::constants::{XFRM_MSG_MIGRATE_STATE, XFRMA_SA_DIR};
use crate::message::Message;
use crate::{
    AeadAlgorithm, Algorithm, EncryptionAlgorithm, IntegrityAlgorithm, KernelError, KeyMaterial,
    Keyed, Lifetimes, Limits, Mode, Protocol, SaCrypto, SaDirection, SaFlags, SaId, SaSpec,
    UdpEncapsulation, Xfrm, XfrmError,
};

/// The probes' SPI. Nobody negotiates it: it is the highest there is.
const SPI: u32 = u32::MAX;
/// The probes' reqid.
const REQID: u32 = u32::MAX;

/// A yes, or a no in the kernel's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The kernel can.
    Yes,
    /// The kernel cannot, and says why.
    No(KernelError),
}

impl Answer {
    /// Whether the kernel can.
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }

    /// Why it cannot.
    pub fn refusal(&self) -> Option<&KernelError> {
        match self {
            Self::Yes => None,
            Self::No(error) => Some(error),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::No(error) => write!(f, "no: {error}"),
        }
    }
}

/// What this kernel can, in this network namespace, with these privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// ESP over IPv4, in tunnel mode.
    pub esp_ipv4: Answer,
    /// ESP over IPv6, in tunnel mode.
    pub esp_ipv6: Answer,
    /// AH over IPv4, in transport mode.
    pub ah_ipv4: Answer,
    /// AH over IPv6, in transport mode.
    pub ah_ipv6: Answer,
    /// ESP in transport mode.
    pub transport: Answer,
    /// ESP in UDP.
    pub udp_encapsulation: Answer,
    /// Extended sequence numbers.
    pub esn: Answer,
    /// SAs that belong to an xfrm interface. Whether such an interface can be made is another question.
    pub if_id: Answer,
    /// Combined algorithms, with the longest key of each.
    pub aead: Vec<(AeadAlgorithm, Answer)>,
    /// Encryption algorithms, with the longest key of each.
    pub encryption: Vec<(EncryptionAlgorithm, Answer)>,
    /// Integrity algorithms.
    pub integrity: Vec<(IntegrityAlgorithm, Answer)>,
    /// SAs that know their direction (Linux 6.10).
    pub sa_direction: Answer,
    /// `XFRM_MSG_MIGRATE_STATE` (Linux 7.2).
    pub migrate_state: Answer,
}

impl Capabilities {
    /// Whether ESP works with this algorithm.
    pub fn has_aead(&self, algorithm: AeadAlgorithm) -> bool {
        has(&self.aead, algorithm)
    }

    /// Whether ESP works with this algorithm.
    pub fn has_encryption(&self, algorithm: EncryptionAlgorithm) -> bool {
        has(&self.encryption, algorithm)
    }

    /// Whether ESP works with this algorithm.
    pub fn has_integrity(&self, algorithm: IntegrityAlgorithm) -> bool {
        has(&self.integrity, algorithm)
    }
}

fn has<A: PartialEq>(answers: &[(A, Answer)], wanted: A) -> bool {
    answers
        .iter()
        .any(|(algorithm, answer)| *algorithm == wanted && answer.is_yes())
}

pub(crate) async fn probe(xfrm: &Xfrm) -> Result<Capabilities, XfrmError> {
    // First, since it says how the other SAs are to be written.
    let sa_direction = knows_direction(xfrm).await?;
    xfrm.tell_direction(sa_direction.is_yes());
    let esp = sample(esp_crypto());
    let ah = SaSpec {
        mode: Mode::Transport,
        ..sample(SaCrypto::Authentication(keyed(
            IntegrityAlgorithm::HmacSha256_128,
        )))
    };
    let mut capabilities = Capabilities {
        esp_ipv4: can(xfrm, esp.clone()).await?,
        esp_ipv6: can(xfrm, over_ipv6(esp.clone())).await?,
        ah_ipv4: can(xfrm, ah.clone()).await?,
        ah_ipv6: can(xfrm, over_ipv6(ah)).await?,
        transport: can(
            xfrm,
            SaSpec {
                mode: Mode::Transport,
                ..esp.clone()
            },
        )
        .await?,
        udp_encapsulation: {
            let encapsulation = Some(UdpEncapsulation {
                source_port: 4500,
                destination_port: 4500,
            });
            can(
                xfrm,
                SaSpec {
                    encapsulation,
                    ..esp.clone()
                },
            )
            .await?
        },
        esn: can(
            xfrm,
            SaSpec {
                esn: true,
                replay_window: 64,
                ..esp.clone()
            },
        )
        .await?,
        if_id: can(
            xfrm,
            SaSpec {
                if_id: std::num::NonZeroU32::new(u32::MAX),
                ..esp
            },
        )
        .await?,
        aead: Vec::new(),
        encryption: Vec::new(),
        integrity: Vec::new(),
        sa_direction,
        migrate_state: knows_migrate_state(xfrm).await?,
    };
    for &algorithm in AeadAlgorithm::ALL {
        let answer = can(xfrm, sample(SaCrypto::Aead(keyed(algorithm)))).await?;
        capabilities.aead.push((algorithm, answer));
    }
    for &algorithm in EncryptionAlgorithm::ALL {
        let integrity = keyed(IntegrityAlgorithm::HmacSha256_128);
        let crypto = SaCrypto::Separate {
            encryption: keyed(algorithm),
            integrity,
        };
        capabilities
            .encryption
            .push((algorithm, can(xfrm, sample(crypto)).await?));
    }
    for &algorithm in IntegrityAlgorithm::ALL {
        let encryption = keyed(EncryptionAlgorithm::Null);
        let crypto = SaCrypto::Separate {
            encryption,
            integrity: keyed(algorithm),
        };
        capabilities
            .integrity
            .push((algorithm, can(xfrm, sample(crypto)).await?));
    }
    Ok(capabilities)
}

/// Adds the SA and deletes it again. One that a killed probe left behind is deleted first.
async fn can(xfrm: &Xfrm, spec: SaSpec) -> Result<Answer, XfrmError> {
    let mut answer = answered(xfrm.add_sa(&spec).await)?;
    if answer
        .refusal()
        .is_some_and(|error| error.errno == libc::EEXIST)
    {
        answered(xfrm.delete_sa(&spec.id()).await)?;
        answer = answered(xfrm.add_sa(&spec).await)?;
    }
    if answer.is_yes() {
        answered(xfrm.delete_sa(&spec.id()).await)?;
    }
    Ok(answer)
}

/// Asks for an SA that is not there, with a direction that is none: a kernel that knows directions finds fault with that,
/// an older one only does not find the SA.
async fn knows_direction(xfrm: &Xfrm) -> Result<Answer, XfrmError> {
    let id = SaId {
        spi: SPI,
        destination: Ipv4Addr::LOCALHOST.into(),
        protocol: Protocol::Esp,
        mark: None,
    };
    let mut message = Message::get_sa(&id);
    message.attribute(XFRMA_SA_DIR, &[&[u8::MAX]]);
    Ok(match answered(xfrm.request(message).await)? {
        Answer::No(error) if error.errno != libc::ESRCH && error.errno != libc::EPERM => {
            Answer::Yes
        }
        answer => answer,
    })
}

/// Sends the message without content: a kernel that has never heard of it has nothing to say but `EINVAL`.
async fn knows_migrate_state(xfrm: &Xfrm) -> Result<Answer, XfrmError> {
    let message = Message::raw("MIGRATE_STATE", XFRM_MSG_MIGRATE_STATE, &[0; MIGRATE_STATE]);
    Ok(match answered(xfrm.request(message).await)? {
        Answer::No(error)
            if error.errno != libc::EPERM
                && (error.errno != libc::EINVAL || error.words.is_some()) =>
        {
            Answer::Yes
        }
        answer => answer,
    })
}

/// Bytes enough for `struct xfrm_user_migrate_state`.
const MIGRATE_STATE: usize = 160;

fn answered<T>(result: Result<T, XfrmError>) -> Result<Answer, XfrmError> {
    match result {
        Ok(_) => Ok(Answer::Yes),
        Err(XfrmError::Kernel(error)) => Ok(Answer::No(error)),
        Err(error) => Err(error),
    }
}

fn esp_crypto() -> SaCrypto {
    let encryption = keyed(EncryptionAlgorithm::Null);
    SaCrypto::Separate {
        encryption,
        integrity: keyed(IntegrityAlgorithm::HmacSha1_96),
    }
}

fn sample(crypto: SaCrypto) -> SaSpec {
    SaSpec {
        spi: SPI,
        source: Ipv4Addr::LOCALHOST.into(),
        destination: Ipv4Addr::LOCALHOST.into(),
        mode: Mode::Tunnel,
        direction: SaDirection::In,
        crypto,
        reqid: REQID,
        esn: false,
        replay_window: 32,
        selector: None,
        lifetimes: Lifetimes {
            soft: Limits::default(),
            hard: Limits {
                seconds: Some(5),
                ..Limits::default()
            },
        },
        encapsulation: None,
        if_id: None,
        mark: None,
        flags: SaFlags::default(),
        sequence: None,
    }
}

fn over_ipv6(spec: SaSpec) -> SaSpec {
    let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
    SaSpec {
        source: address,
        destination: address,
        ..spec
    }
}

/// A key that nothing depends on. Its bytes differ, since some algorithms refuse weak keys.
fn keyed<A: Algorithm>(algorithm: A) -> Keyed<A> {
    let length = algorithm.key_lengths().iter().copied().max().unwrap_or(0);
    let key = KeyMaterial::new((0..length).map(|place| place as u8 ^ 0x5a).collect());
    Keyed::new(algorithm, key).expect("the length is one of the algorithm's own")
}

//! An attacker on the wire, and one who got hold of the branch's keys: what they send, and what the kernel makes of it.
//!
//! Each attack says which of the kernel's counters must grow, and watches whether its packet reaches the host behind
//! headquarters all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::netns::Namespace;
use super::packets::{ESP, Injector, ipv4, udp};
use super::sniffer::Kind;
use super::topology::{ALICE, BOB, BRANCH, HQ, TO_BRANCH};
use super::traffic::{self, udp_arrives};
use super::world::World;

/// Where forged datagrams go at alice.
const PORT: u16 = 7777;
/// How long a packet that should not arrive is waited for.
const WAIT: Duration = Duration::from_secs(1);
/// An address that no Child SA allows behind the branch.
const OUTSIDE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 99, 0, 1);
const IPV4_HEADER_BYTES: usize = 20;

/// What came of an attack.
#[derive(Debug)]
pub struct Verdict {
    /// What was done.
    pub attack: &'static str,
    /// The counters of headquarters' kernel of which one must grow: why it drops such a packet.
    pub expected: &'static [&'static str],
    /// The counters that grew: name, before, after.
    pub grown: BTreeMap<String, (u64, u64)>,
    /// Whether alice received it, where it carries something for her.
    pub arrived: bool,
}

impl Verdict {
    /// Whether the packet was dropped, and for the right reason.
    #[must_use]
    pub fn repelled(&self) -> bool {
        !self.arrived
            && self
                .expected
                .iter()
                .any(|counter| self.grown.contains_key(*counter))
    }
}

/// Runs every attack against an established tunnel.
pub fn all(world: &World) -> Result<Vec<Verdict>> {
    let captured = capture(world)?;
    let injector = Injector::new(&world.net.internet)?;
    let mut flipped = captured.clone();
    // A bit of the sequence number's: the packet looks new, so it is the integrity check that must catch it.
    flipped[IPV4_HEADER_BYTES + 5] ^= 1;
    let forged = udp(
        (BOB, PORT),
        (ALICE, PORT),
        b"clear, from outside, with the branch's address",
    );
    let stray = udp(
        (OUTSIDE, PORT),
        (ALICE, PORT),
        b"encrypted with the right key, outside the selectors",
    );
    let encrypted = Outbound::of(&world.net.branch)?.encrypt(&stray)?;
    [
        (
            "a captured ESP packet is sent again",
            &["XfrmInStateSeqError"][..],
            captured,
        ),
        (
            "one bit of a captured ESP packet is flipped",
            &["XfrmInStateProtoError"][..],
            flipped,
        ),
        (
            "a clear packet with a branch source comes from outside",
            &["XfrmInTmplMismatch"][..],
            forged,
        ),
        (
            "an ESP packet made with the right keys carries a source outside the selectors",
            &["XfrmInNoPols", "XfrmInStateMismatch"][..],
            encrypted,
        ),
    ]
    .into_iter()
    .map(|(attack, expected, packet)| launch(world, &injector, attack, expected, &packet))
    .collect()
}

fn launch(
    world: &World,
    injector: &Injector,
    attack: &'static str,
    expected: &'static [&'static str],
    packet: &[u8],
) -> Result<Verdict> {
    let before = world.net.hq.xfrm_counters()?;
    let arrived = udp_arrives((&world.net.alice, ALICE), PORT, WAIT, || {
        injector.send(packet)
    })?;
    let after = world.net.hq.xfrm_counters()?;
    let grown = after.since(&before).into_keys();
    let grown = grown
        .map(|name| (name.clone(), (before.get(&name), after.get(&name))))
        .collect();
    Ok(Verdict {
        attack,
        expected,
        grown,
        arrived,
    })
}

/// An ESP packet from the branch to headquarters, taken off the wire.
fn capture(world: &World) -> Result<Vec<u8>> {
    let mark = world.wire.mark();
    let answered = traffic::ping(&world.net.bob, BOB, ALICE, 1, 56, traffic::PATIENCE)?;
    ensure!(answered == 1, "bob's ping to alice was not answered");
    let frames = world.wire.since(mark);
    let mut esp = frames.iter().filter(|frame| {
        &*frame.interface == TO_BRANCH
            && !frame.outgoing
            && frame.kind() == Kind::Esp
            && frame.addresses() == Some((BRANCH, HQ))
    });
    let packet = esp
        .next()
        .and_then(|frame| frame.ipv4())
        .context("no ESP packet passed")?;
    Ok(packet.to_vec())
}

/// The branch's outbound SA, keys and all, as root can read it there.
struct Outbound {
    spi: u32,
    /// The key, and after it the salt (RFC 4106 section 8.1).
    key: Vec<u8>,
    sequence: u64,
    extended: bool,
}

impl Outbound {
    fn of(branch: &Namespace) -> Result<Self> {
        let text = branch.ip("-s xfrm state list")?;
        let begin = format!("src {BRANCH} dst {HQ}");
        let sa = text
            .split("src ")
            .map(|one| format!("src {one}"))
            .find(|one| one.starts_with(&begin));
        let sa = sa.context("the branch has no SA towards headquarters")?;
        let word_after = |name: &str| {
            sa.split_whitespace()
                .skip_while(move |word| *word != name)
                .nth(1)
        };
        let number = |name| {
            let digits = word_after(name)?
                .trim_start_matches("0x")
                .trim_end_matches(',');
            u64::from_str_radix(digits.split('(').next()?, 16).ok()
        };
        let key = sa
            .split_whitespace()
            .skip_while(|word| *word != "rfc4106(gcm(aes))")
            .nth(1);
        Ok(Self {
            spi: u32::try_from(number("spi").context("an SA without SPI")?)?,
            key: hexadecimal(key.context("the branch's SA is not AES-GCM")?)?,
            sequence: number("oseq-hi").unwrap_or(0) << 32 | number("oseq").unwrap_or(0),
            extended: sa.contains(" esn"),
        })
    }

    /// A packet as the branch itself would send it (RFC 4303, RFC 4106), with a sequence number a little ahead, so that
    /// it is not taken for a replay and the branch's next packets still fit the window.
    fn encrypt(&self, inner: &[u8]) -> Result<Vec<u8>> {
        const AHEAD: u64 = 20;
        const NEXT_HEADER_IPV4: u8 = 4;
        let sequence = self.sequence + AHEAD;
        let (key, salt) = self.key.split_at(
            self.key
                .len()
                .checked_sub(4)
                .context("a key without salt")?,
        );
        let algorithm = if key.len() == 16 {
            &AES_128_GCM
        } else {
            &AES_256_GCM
        };
        let key = UnboundKey::new(algorithm, key)
            .map_err(|_| anyhow::anyhow!("a key of {} bytes", key.len()))?;
        // Not one that the branch's kernel, which counts from a random start, will ever use.
        let iv = (u64::MAX - sequence).to_be_bytes();
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(salt);
        nonce[4..].copy_from_slice(&iv);

        let low = (sequence as u32).to_be_bytes();
        let mut authenticated = self.spi.to_be_bytes().to_vec();
        if self.extended {
            authenticated.extend(((sequence >> 32) as u32).to_be_bytes());
        }
        authenticated.extend(low);
        let mut body = inner.to_vec();
        let padding = (4 - (body.len() + 2) % 4) % 4;
        body.extend((1..=padding).map(|byte| byte as u8));
        body.extend([padding as u8, NEXT_HEADER_IPV4]);
        LessSafeKey::new(key)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(authenticated),
                &mut body,
            )
            .map_err(|_| anyhow::anyhow!("AES-GCM refused"))?;

        let mut esp = self.spi.to_be_bytes().to_vec();
        esp.extend(low);
        esp.extend(iv);
        esp.extend(body);
        Ok(ipv4(BRANCH, HQ, ESP, &esp))
    }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>> {
    let digits = text.trim_start_matches("0x");
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("?"), 16);
    (0..digits.len())
        .step_by(2)
        .map(pair)
        .collect::<Result<_, _>>()
        .context("a key that is not hexadecimal")
}

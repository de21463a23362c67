//! ESP packets (RFC 4303) by AES-GCM (RFC 4106), made by hand with the key of an SA.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, bail, ensure};
use ike::config::Mode;
use ike::engine::io::SaInstall;
use ike::wire::numbers::Encryption;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::guest::packets::{self, UDP};

/// Next Header of an IPv4 packet in a tunnel.
const IPV4: u8 = 4;
const IPV4_HEADER_BYTES: usize = 20;
const SALT_BYTES: usize = 4;

/// What a peer sends by `sa`, its packet number `sequence`, with the IPv4 packet `inner` in it.
pub(super) fn seal(sa: &SaInstall, sequence: u32, inner: &[u8]) -> Result<Vec<u8>> {
    ensure!(
        sa.suite.encryption == Encryption::AES_GCM_16 && !sa.suite.esn,
        "packets by {} are not made here",
        sa.suite
    );
    let (carried, next_header) = match sa.mode {
        Mode::Tunnel => (inner, IPV4),
        Mode::Transport => (
            inner.get(IPV4_HEADER_BYTES..).context("a whole packet")?,
            UDP,
        ),
    };
    let secret = sa.encryption_key.as_bytes();
    let (key, salt) = secret
        .split_at_checked(secret.len().saturating_sub(SALT_BYTES))
        .context("a key with its salt")?;
    let key =
        UnboundKey::new(&AES_128_GCM, key).map_err(|_| anyhow::anyhow!("a key of 128 bits"))?;

    let mut header = sa.spi.to_be_bytes().to_vec();
    header.extend(sequence.to_be_bytes());
    let iv = u64::from(sequence).to_be_bytes();
    let mut nonce = [0; 12];
    nonce[..SALT_BYTES].copy_from_slice(salt);
    nonce[SALT_BYTES..].copy_from_slice(&iv);

    let mut text = carried.to_vec();
    let padding = (4 - (text.len() + 2) % 4) % 4;
    text.extend((1..=padding).map(|byte| byte as u8));
    text.extend([padding as u8, next_header]);
    LessSafeKey::new(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(&header),
            &mut text,
        )
        .map_err(|_| anyhow::anyhow!("sealing"))?;
    let payload = [header, iv.to_vec(), text].concat();
    Ok(packets::ipv4(
        ipv4(sa.source)?,
        ipv4(sa.destination)?,
        packets::ESP,
        &payload,
    ))
}

/// An address that must be IPv4.
pub(super) fn ipv4(address: IpAddr) -> Result<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => bail!("packets from and to {address} are not made here"),
    }
}

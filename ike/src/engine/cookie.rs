//! Cookies: a newcomer proves that it can hear us before it costs us anything (RFC 7296 section 2.6).
//!
//! `cookie = number | prf(secret, Ni | SPIi | address of the peer)`: stateless, bound to who asks and what was asked. The
//! secret changes with time; the one before it is still good, so that no retry falls between two.

use std::net::IpAddr;
use std::time::Duration;

use crate::crypto::{Provider, Random, Secret, constant_time_eq};
use crate::wire::IkeSpi;
use crate::wire::numbers::Prf;

/// How long a secret makes cookies; it is honoured for as long again.
const SECRET_TIME: Duration = Duration::from_secs(120);

/// The secrets, and when the newest was drawn.
#[derive(Debug, Default)]
pub(super) struct CookieJar {
    current: Option<(u8, Secret, Duration)>,
    previous: Option<(u8, Secret)>,
}

impl CookieJar {
    /// The cookie for a newcomer.
    pub(super) fn make(
        &mut self,
        provider: &dyn Provider,
        random: &mut dyn Random,
        now: Duration,
        peer: (IkeSpi, IpAddr, &[u8]),
    ) -> Option<Vec<u8>> {
        self.rotate(random, now);
        let (number, secret, _) = self.current.as_ref()?;
        bake(provider, *number, secret, peer)
    }

    /// Whether a cookie is one of ours, for this newcomer, and not too old.
    pub(super) fn good(
        &mut self,
        provider: &dyn Provider,
        random: &mut dyn Random,
        now: Duration,
        peer: (IkeSpi, IpAddr, &[u8]),
        cookie: &[u8],
    ) -> bool {
        self.rotate(random, now);
        let current = self
            .current
            .as_ref()
            .map(|(number, secret, _)| (*number, secret));
        let previous = self
            .previous
            .as_ref()
            .map(|(number, secret)| (*number, secret));
        [current, previous]
            .into_iter()
            .flatten()
            .filter_map(|(number, secret)| bake(provider, number, secret, peer))
            .any(|expected| constant_time_eq(&expected, cookie))
    }

    fn rotate(&mut self, random: &mut dyn Random, now: Duration) {
        let age = self
            .current
            .as_ref()
            .map(|(_, _, since)| now.saturating_sub(*since));
        if age.is_some_and(|age| age < SECRET_TIME) {
            return;
        }
        let mut secret = Secret::zeroed(32);
        random.fill(secret.as_mut_bytes());
        let old = self.current.take();
        let number = old
            .as_ref()
            .map_or(0, |(number, ..)| number.wrapping_add(1));
        // A secret that was not used for a long time is not honoured either.
        self.previous = old
            .filter(|_| age.is_some_and(|age| age < SECRET_TIME * 2))
            .map(|(number, secret, _)| (number, secret));
        self.current = Some((number, secret, now));
    }
}

fn bake(
    provider: &dyn Provider,
    number: u8,
    secret: &Secret,
    (spi, address, nonce): (IkeSpi, IpAddr, &[u8]),
) -> Option<Vec<u8>> {
    let prf = provider.prf(Prf::HMAC_SHA2_256)?;
    let address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let mac = prf.compute(secret.as_bytes(), &[nonce, &spi.0, &address.octets()]);
    Some([&[number], mac.as_bytes()].concat())
}

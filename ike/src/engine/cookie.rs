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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::standard;

    struct Counter(u8);

    impl Random for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(self.0);
        }
    }

    const SPI: IkeSpi = IkeSpi([7; 8]);
    const NONCE: &[u8] = b"a nonce of at least 16 bytes";

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_cookie_is_good_for_who_asked_and_until_the_secret_after_the_next() {
        let (mut jar, mut random, provider) = (CookieJar::default(), Counter(0), standard());
        let peer = (SPI, address(1), NONCE);
        let at = |seconds: u64| Duration::from_secs(1000 + seconds);
        let cookie = jar
            .make(provider, &mut random, at(0), peer)
            .expect("built in");
        assert!((1..=64).contains(&cookie.len()));
        let mut good =
            |seconds: u64, peer| jar.good(provider, &mut random, at(seconds), peer, &cookie);
        assert!(good(0, peer));
        assert!(!good(1, (SPI, address(2), NONCE)));
        assert!(!good(1, (IkeSpi([8; 8]), address(1), NONCE)));
        assert!(!good(1, (SPI, address(1), b"another nonce of 16 bytes")));
        assert!(good(130, peer), "the secret before this one");
        assert!(!good(260, peer));
    }
}

//! Bytes that wipe themselves when dropped, print nothing and compare in constant time.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Key material or a shared secret, of any length.
///
/// The bytes are overwritten with zeros on drop. `Debug` prints only the length. Equality takes the same time wherever
/// the first difference is; lengths are not secret.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// `length` zero bytes, to be filled through [`Secret::as_mut_bytes`].
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        Self(vec![0; length])
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be written in place.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes, as for the integrity key of an AEAD.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Secret {
    /// Takes the bytes over without a copy.
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Secret {
    /// Copies the bytes; wiping the original is its owner's business.
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for Secret {}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Compares bytes in a time that depends on their lengths alone.
#[must_use]
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_and_not_one_byte() {
        let secret = Secret::from(vec![0xab; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(32 bytes)");
    }

    #[test]
    fn equality_compares_length_and_content() {
        let secret = Secret::from(vec![1, 2, 3]);
        assert_eq!(secret, Secret::from(&[1u8, 2, 3][..]));
        assert_ne!(secret, Secret::from(vec![1, 2, 4]));
        assert_ne!(secret, Secret::from(vec![1, 2]));
        assert!(Secret::default().is_empty());
    }
}

//! What a key exchange carries: the KE payload (RFC 7296 section 3.4) and the nonce (section 3.9).

use crate::wire::codec::{Reader, put_u16, with_octets};
use crate::wire::error::{Allowed, Field, WireError};
use crate::wire::numbers::KeyExchangeMethod;

with_octets! {
    /// Key Exchange payload.
    KeyExchange {
        /// The method, a Diffie-Hellman group before RFC 9370.
        method: KeyExchangeMethod,
        ..
        /// The public value. Its length is for the method to judge.
        data
    }
}

impl<'a> KeyExchange<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let method = KeyExchangeMethod(reader.u16()?);
        reader.u16()?;
        Ok(Self {
            method,
            data: reader.take_rest().into(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, self.method.0);
        put_u16(out, 0);
        out.extend_from_slice(&self.data);
    }
}

with_octets! {
    /// Nonce payload.
    Nonce {
        ..
        /// 16 to 256 octets; the parser refuses others.
        data
    }
}

impl<'a> Nonce<'a> {
    /// Length in octets of the shortest nonce.
    pub const SHORTEST: usize = 16;
    /// Length in octets of the longest nonce.
    pub const LONGEST: usize = 256;

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let allowed = Allowed::range(Self::SHORTEST, Self::LONGEST);
        reader.check(
            Field::NonceLength,
            reader.offset(),
            reader.remaining(),
            allowed,
        )?;
        Ok(Self {
            data: reader.take_rest().into(),
        })
    }
}

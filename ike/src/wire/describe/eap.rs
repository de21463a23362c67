//! The EAP payload: one EAP message (RFC 7296 section 3.16, RFC 3748 section 4).

use super::names;
use super::reader::{Read, Reader, named};

const IDENTITY: u8 = 1;
const NOTIFICATION: u8 = 2;
const NAK: u8 = 3;
const MD5_CHALLENGE: u8 = 4;
const ONE_TIME_PASSWORD: u8 = 5;
const GENERIC_TOKEN_CARD: u8 = 6;
const MSCHAPV2: u8 = 26;
const EXPANDED: u8 = 254;

const RESPONSE: u8 = 2;

pub(super) fn message(reader: &mut Reader<'_>) -> Read {
    let octets = reader.remaining();
    let code = reader.code8("Code", names::eap_code)?;
    let identifier = reader.u8("Identifier")?;
    reader.gist(format!(
        "{} {identifier}",
        named(names::eap_code(code), code)
    ));
    let length = reader.u16("Length")?;
    if usize::from(length) != octets {
        reader.refuse(reader.last(), format!("there are {octets} octets"));
    }
    if reader.remaining() == 0 {
        return Ok(());
    }
    let length = reader.remaining();
    let value = reader.data("EAP Data", length, |reader| data(reader, code));
    reader.gist_after(": ", value);
    Ok(())
}

fn data(reader: &mut Reader<'_>, code: u8) -> Read {
    if !matches!(code, 1 | 2) {
        reader.hex_rest("Data");
        return Ok(());
    }
    let kind = reader.code8("Type", names::eap_type)?;
    reader.gist(named(names::eap_type(kind), kind));
    match kind {
        _ if reader.remaining() == 0 => {}
        IDENTITY | NOTIFICATION => {
            let text = reader.text_rest("Type-Data");
            reader.gist(text);
        }
        NAK => {
            while reader.remaining() > 0 {
                let wanted = reader.code8("Desired Authentication Type", names::eap_type)?;
                reader.gist(format!("wants {}", named(names::eap_type(wanted), wanted)));
            }
        }
        MD5_CHALLENGE | ONE_TIME_PASSWORD | GENERIC_TOKEN_CARD if code == RESPONSE => {
            let length = reader.remaining();
            password(reader, "Type-Data", length)?;
        }
        MSCHAPV2 => mschapv2(reader)?,
        EXPANDED => {
            reader.hex("Vendor-Id", 3)?;
            reader.u32("Vendor-Type")?;
            reader.hex_rest("Vendor data");
        }
        _ => {
            reader.hex_rest("Type-Data");
        }
    }
    Ok(())
}

/// Octets that are a password, or that a password can be guessed from: people show descriptions to others.
fn password(reader: &mut Reader<'_>, name: &'static str, length: usize) -> Read {
    let from = reader.at();
    reader.octets(length)?;
    reader.push(name, format!("{length} octets, not shown"), from);
    Ok(())
}

/// The framing that Windows gave to RFC 2759.
fn mschapv2(reader: &mut Reader<'_>) -> Read {
    let opcode = reader.code8("OpCode", names::mschapv2)?;
    reader.gist(names::mschapv2(opcode).unwrap_or_default());
    if reader.remaining() == 0 {
        return Ok(());
    }
    reader.u8("MS-CHAPv2-ID")?;
    reader.u16("MS-Length")?;
    match opcode {
        1 | 2 => {
            let size = usize::from(reader.u8("Value-Size")?);
            if opcode == 1 {
                reader.hex("Challenge", size)?;
            } else {
                password(reader, "Response", size)?;
            }
            let name = reader.text_rest("Name");
            reader.gist(name);
        }
        3 | 4 => {
            let text = reader.text_rest("Message");
            reader.gist(text);
        }
        _ => {
            reader.hex_rest("Data");
        }
    }
    Ok(())
}

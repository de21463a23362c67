//! What one side tells the other: the Notify and Delete payloads (RFC 7296 sections 3.10 and 3.11).

use super::notify_data;
use super::reader::{Read, Reader, hex};
use crate::wire::numbers::{NotifyType, ProtocolId};

pub(super) fn notify(reader: &mut Reader<'_>) -> Read {
    let protocol = ProtocolId(reader.code8("Protocol ID", |n| ProtocolId(n).name())?);
    let size = reader.u8("SPI Size")?;
    let size_mark = reader.last();
    let kind = NotifyType(reader.code16("Notify Message Type", |n| NotifyType(n).name())?);
    reader.gist(kind.to_string());
    if size > 0 {
        let spi = reader.hex("SPI", size.into())?;
        reader.gist_after(" ", format!("{protocol} SPI {}", hex(spi)));
    }
    if size == 0 && matches!(kind, NotifyType::REKEY_SA | NotifyType::CHILD_SA_NOT_FOUND) {
        reader.note(size_mark, format!("{kind} names an SA by its SPI"));
    }
    let length = reader.remaining();
    if length > 0 || notify_data::wanted(kind) {
        let value = reader.data("Notification Data", length, |reader| {
            notify_data::read(reader, kind)
        });
        reader.gist_after(": ", value);
    }
    Ok(())
}

pub(super) fn delete(reader: &mut Reader<'_>) -> Read {
    let protocol = ProtocolId(reader.code8("Protocol ID", |n| ProtocolId(n).name())?);
    let protocol_mark = reader.last();
    reader.gist(protocol.to_string());
    let size = usize::from(reader.u8("SPI Size")?);
    let size_mark = reader.last();
    let count = usize::from(reader.u16("Num of SPIs")?);
    let count_mark = reader.last();
    let right = match protocol {
        ProtocolId::IKE => 0,
        ProtocolId::AH | ProtocolId::ESP => 4,
        _ => {
            reader.refuse(protocol_mark, "an SA to delete is of IKE, AH or ESP");
            size
        }
    };
    if size != right {
        reader.refuse(
            size_mark,
            format!("an SPI of {protocol} has {right} octets here"),
        );
    }
    let present = reader.remaining().checked_div(size).unwrap_or(0);
    if count != present {
        reader.refuse(count_mark, format!("there is room for {present}"));
    }
    let mut separator = " SPI ";
    for _ in 0..present {
        let spi = reader.hex("SPI", size)?;
        reader.gist_after(std::mem::replace(&mut separator, ", "), hex(spi));
    }
    Ok(())
}

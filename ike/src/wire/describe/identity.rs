//! Who somebody is: identification, certificates and requests for them (RFC 7296 sections 3.5 to 3.7).

use super::reader::{Read, Reader, hex, hex_or_text, octets};
use crate::config::identity::Identity;
use crate::crypto::signature::PublicKey;
use crate::pki::{Certificate, CertificateError, RevocationList};
use crate::wire::numbers::{CertEncoding, IdType};

/// Length of a SHA-1 hash, by which authorities and fetched certificates are named.
const HASH: usize = 20;

/// IDi and IDr; also the IDg of RFC 9838, whose octets the strict reader does not look at.
pub(super) fn identification(reader: &mut Reader<'_>, strict: bool) -> Read {
    if !strict {
        let length = reader.remaining();
        let value = reader.data("Identification", length, |reader| {
            identification(reader, true)
        });
        reader.gist(value);
        return Ok(());
    }
    let kind = IdType(reader.code8("ID Type", |n| IdType(n).name())?);
    reader.gist(kind.to_string());
    reader.reserved(3)?;
    let value = identity(reader, kind);
    reader.gist_after(" ", value);
    Ok(())
}

/// Identification Data.
fn identity(reader: &mut Reader<'_>, kind: IdType) -> String {
    const NAME: &str = "Identification Data";
    let from = reader.at();
    let octets = reader.rest();
    let read = match kind {
        IdType::NULL if octets.is_empty() => return String::new(),
        IdType::FQDN | IdType::RFC822_ADDR => match std::str::from_utf8(octets) {
            Ok(text) if !text.is_empty() => Ok(text.to_owned()),
            Ok(_) => Err("it is empty".into()),
            Err(_) => Err("no text (UTF-8)".into()),
        },
        IdType::IPV4_ADDR | IdType::IPV6_ADDR | IdType::DER_ASN1_DN => {
            Identity::from_wire(kind, octets)
                .map(|identity| identity.to_string())
                .map_err(|error| error.to_string())
        }
        _ => Ok(hex_or_text(octets)),
    };
    let value = read.clone().unwrap_or_else(|_| hex(octets));
    let mark = reader.push(NAME, value.clone(), from);
    if let Err(reason) = read {
        reader.note(mark, reason);
    }
    value
}

/// The payload CERT.
pub(super) fn certificate(reader: &mut Reader<'_>) -> Read {
    let encoding = CertEncoding(reader.code8("Cert Encoding", |n| CertEncoding(n).name())?);
    reader.gist(encoding.to_string());
    let length = reader.remaining();
    let value = reader.data("Certificate Data", length, |reader| match encoding {
        CertEncoding::X509_SIGNATURE => {
            x509(reader);
            Ok(())
        }
        CertEncoding::CRL | CertEncoding::ARL => {
            let from = reader.at();
            let list = RevocationList::parse(reader.rest());
            let value = list
                .as_ref()
                .map(|list| format!("{} revoked", list.entries()));
            read_or_not(reader, "X.509 CRL", value, from);
            Ok(())
        }
        CertEncoding::RAW_PUBLIC_KEY => {
            let from = reader.at();
            let value = PublicKey::from_spki(reader.rest()).map(|key| key.kind().to_string());
            read_or_not(reader, "SubjectPublicKeyInfo", value, from);
            Ok(())
        }
        CertEncoding::HASH_URL_X509 | CertEncoding::HASH_URL_BUNDLE => {
            reader.hex("SHA-1", HASH)?;
            let url = reader.text_rest("URL");
            reader.gist(url);
            Ok(())
        }
        _ => {
            reader.gist(octets(reader.remaining()));
            reader.hex_rest("Data");
            Ok(())
        }
    });
    reader.gist(value);
    Ok(())
}

/// A field over all octets from `from`: what they are, or that they cannot be read, and why.
fn read_or_not(
    reader: &mut Reader<'_>,
    name: &'static str,
    value: Result<String, impl std::fmt::Display>,
    from: usize,
) {
    match value {
        Ok(value) => {
            reader.gist(&value);
            reader.push(name, value, from);
        }
        Err(error) => {
            reader.gist("cannot be read");
            let mark = reader.push(name, String::new(), from);
            reader.note(mark, format!("cannot be read: {error}"));
        }
    }
}

/// RFC 5280 section 4.1.
fn x509(reader: &mut Reader<'_>) {
    let from = reader.at();
    let octets = reader.rest();
    let certificate = match Certificate::parse(octets) {
        Ok(certificate) => certificate,
        Err(error) => {
            if let CertificateError::Key { subject, .. } = &error {
                reader.gist(subject.to_string());
                reader.push("Subject", subject.to_string(), from);
            }
            read_or_not(reader, "X.509 Certificate", Err(error), from);
            return;
        }
    };
    let subject = certificate.subject().to_string();
    reader.gist(if subject.is_empty() {
        "no subject"
    } else {
        &subject
    });
    let (not_before, not_after) = certificate.validity();
    let mut show = |name, value| reader.push(name, value, from);
    show("Subject", subject);
    show("Issuer", certificate.issuer().to_string());
    show("Serial Number", certificate.serial());
    show("Validity", format!("{not_before} to {not_after}"));
    show(
        "Subject Public Key",
        certificate.public_key().kind().to_string(),
    );
    show(
        "Authority",
        if certificate.is_authority() {
            "yes"
        } else {
            "no"
        }
        .into(),
    );
    for name in certificate.alternative_names() {
        show("subjectAltName", name);
    }
    for url in certificate.crl_urls() {
        show("CRL", url.clone());
    }
    for url in certificate.ocsp_urls() {
        show("OCSP Responder", url.clone());
    }
    show("X.509 Certificate", format!("{} octets", octets.len()));
}

/// The payload CERTREQ.
pub(super) fn certificate_request(reader: &mut Reader<'_>) -> Read {
    let encoding = CertEncoding(reader.code8("Cert Encoding", |n| CertEncoding(n).name())?);
    reader.gist(encoding.to_string());
    let length = reader.remaining();
    if length == 0 {
        reader.gist("any authority");
        return Ok(());
    }
    let value = reader.data("Certification Authority", length, |reader| {
        reader.gist(match length / HASH {
            1 => "1 authority".into(),
            count => format!("{count} authorities"),
        });
        while reader.remaining() > 0 {
            reader.hex("SHA-1 of the authority's key", HASH)?;
        }
        Ok(())
    });
    reader.gist(value);
    Ok(())
}

//! Pre-shared keys and passphrases: from the policy file itself or from a file beside it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ike::crypto::Secret;
use zeroize::Zeroizing;

use crate::report::{Code, Severity};
use crate::walk::{Bad, Walk, join};
use crate::words;
use crate::yaml::{Node, Value};

/// Largest file with a secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// Below this, in bytes, a secret could be guessed from a recorded handshake (RFC 7296 section 2.15).
const STRONG: usize = 16;

/// What a secret is for, which decides how it is written and judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `0x` and `0s` are understood, and what could be guessed is warned of.
    PreSharedKey,
    /// Of a private key's file: the bytes as they are.
    Passphrase,
}

/// What stands under `psk` or `passphrase`: the secret, or `{ file: ... }`.
pub(crate) fn read(walk: &mut Walk<'_>, node: &Node, path: &str, usage: Use) -> Option<Secret> {
    let (keys, example) = match usage {
        Use::PreSharedKey => (&words::PSK, "file: NAME.psk"),
        Use::Passphrase => (&words::PASSPHRASE, "file: NAME.pass"),
    };
    match &node.value {
        Value::Scalar(text) => {
            if let Some(mode) = walk.source.exposed.filter(|_| walk.files.check_mode) {
                let file = walk.source.path.display().to_string();
                let bad = Bad::new(format!(
                    "the policy file holds a secret, and others than its owner may use it (mode {mode:04o})"
                ));
                let bad = bad.suggest(format!(
                    "chmod 0600 {file}, or keep the secret in a file: {}: {{ {example} }}",
                    keys.what
                ));
                walk.tell(Code::ExposedSecret, Severity::Error, node, path, bad);
            }
            judge(walk, node, path, text.as_bytes(), usage)
        }
        Value::Map(_) => {
            let fields = walk.fields(node, None, path, keys)?;
            let file = walk.required(&fields, "file", example)?;
            let path = join(path, "file");
            let named = walk.file_name(file, &path)?;
            let bytes = walk.read_file(&named, MAX_SECRET, true)?;
            let line = bytes
                .strip_suffix(b"\n")
                .map_or(&bytes[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
            judge(walk, file, &path, line, usage)
        }
        _ => {
            let bad = Bad::new(format!("expected a secret in quotes, or {{ {example} }}"));
            walk.tell(Code::WrongKind, Severity::Error, node, path, bad);
            None
        }
    }
}

/// Takes a secret as written: `0x` and pairs of hexadecimal digits, `0s` and base64, else the bytes themselves.
fn decode(bytes: &[u8]) -> Result<Secret, &'static str> {
    if let Some(digits) = bytes.strip_prefix(b"0x") {
        return hexadecimal(digits)
            .ok_or("a secret that starts with 0x goes on with pairs of hexadecimal digits");
    }
    if let Some(text) = bytes.strip_prefix(b"0s") {
        return STANDARD
            .decode(text)
            .map(Secret::from)
            .map_err(|_| "a secret that starts with 0s goes on in base64");
    }
    Ok(Secret::from(bytes))
}

fn hexadecimal(digits: &[u8]) -> Option<Secret> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks_exact(2) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? << 4 | low?).ok()?);
    }
    Some(Secret::from(bytes.as_slice()))
}

fn judge(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &str,
    written: &[u8],
    usage: Use,
) -> Option<Secret> {
    let is_psk = usage == Use::PreSharedKey;
    let secret = if is_psk {
        decode(written)
    } else {
        Ok(Secret::from(written))
    };
    let problem = match &secret {
        Err(message) => Some((Severity::Error, Code::BadSecret, (*message).to_owned())),
        Ok(secret) if secret.is_empty() => Some((
            Severity::Error,
            Code::BadSecret,
            "the secret is empty".to_owned(),
        )),
        Ok(secret) if is_psk && secret.len() < STRONG => Some((
            Severity::Warning,
            Code::WeakSecret,
            format!(
                "the secret has {} bytes: who records a handshake can guess it",
                secret.len()
            ),
        )),
        Ok(secret) if is_psk && distinct(secret.as_bytes()) < 5 => Some((
            Severity::Warning,
            Code::WeakSecret,
            "the secret repeats a few bytes: who records a handshake can guess it".to_owned(),
        )),
        Ok(secret) if is_psk && has_blank_ends(secret.as_bytes()) => Some((
            Severity::Warning,
            Code::BlankInSecret,
            "the secret begins or ends with a blank or an end of line, which belongs to it: does the peer's, too?"
                .to_owned(),
        )),
        Ok(_) => None,
    };
    if let Some((severity, code, message)) = problem {
        let bad = Bad::new(message);
        let bad = if code == Code::BlankInSecret {
            bad.suggest("take it away at both ends, or write the secret as 0s and base64")
        } else if is_psk {
            bad.suggest("make one with: openssl rand -base64 32")
        } else {
            bad.suggest("take it out where the key's file is not encrypted")
        };
        walk.tell(code, severity, node, path, bad);
    }
    secret.ok().filter(|secret| !secret.is_empty())
}

fn has_blank_ends(bytes: &[u8]) -> bool {
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().flatten().any(u8::is_ascii_whitespace)
}

fn distinct(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    bytes
        .iter()
        .for_each(|byte| seen[usize::from(*byte)] = true);
    seen.iter().filter(|seen| **seen).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_bytes_hexadecimal_or_base64() {
        let bytes = |text: &str| decode(text.as_bytes()).map(|secret| secret.as_bytes().to_vec());
        assert_eq!(bytes("swordfish").unwrap(), b"swordfish");
        assert_eq!(bytes("0x00fF").unwrap(), [0, 255]);
        assert_eq!(bytes("0sAP8=").unwrap(), [0, 255]);
        assert_eq!(bytes("1x00").unwrap(), b"1x00");
        assert!(bytes("0x0").is_err() && bytes("0xzz").is_err() && bytes("0s*").is_err());
    }
}

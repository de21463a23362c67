//! Pre-shared keys: from the policy file itself or from a file beside it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ike::crypto::Secret;
use zeroize::Zeroizing;

use crate::report::{Code, Severity, printable};
use crate::source;
use crate::walk::{Bad, Walk, join};
use crate::words;
use crate::yaml::{Node, Value};

/// Largest file with a secret, in bytes.
const MAX_SECRET: u64 = 4096;

/// Below this, in bytes, a secret could be guessed from a recorded handshake (RFC 7296 section 2.15).
const STRONG: usize = 16;

/// What stands under `psk`: the secret, or `{ file: ... }`.
pub(crate) fn read(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &str,
    check_mode: bool,
) -> Option<Secret> {
    let secret = match &node.value {
        Value::Scalar(text) => {
            if let Some(mode) = walk.source.exposed.filter(|_| check_mode) {
                let file = walk.source.path.display().to_string();
                let bad = Bad::new(format!(
                    "the policy file holds a secret, and others than its owner may use it (mode {mode:04o})"
                ));
                let bad = bad.suggest(format!(
                    "chmod 0600 {file}, or keep the secret in a file: psk: {{ file: NAME.psk }}"
                ));
                walk.tell(Code::ExposedSecret, Severity::Error, node, path, bad);
            }
            decode(text.as_bytes())
        }
        Value::Map(_) => {
            let fields = walk.fields(node, None, path, &words::PSK)?;
            let file = walk.required(&fields, "file", "file: NAME.psk")?;
            return read_file(walk, file, &join(path, "file"), check_mode);
        }
        _ => {
            let bad = Bad::new("expected a secret in quotes, or { file: NAME.psk }");
            walk.tell(Code::WrongKind, Severity::Error, node, path, bad);
            return None;
        }
    };
    judge(walk, node, path, secret)
}

fn read_file(walk: &mut Walk<'_>, node: &Node, path: &str, check_mode: bool) -> Option<Secret> {
    let name = walk.scalar(node, path, "the path of a file")?;
    let file = walk
        .source
        .path
        .parent()
        .unwrap_or_else(|| Path::new(""))
        .join(name);
    let shown = printable(&file.display().to_string());
    let mut unreadable = |message: String| {
        let bad =
            Bad::new(message).suggest("the path is relative to the directory of the policy file");
        walk.tell(Code::UnreadableSecret, Severity::Error, node, path, bad);
        None
    };
    let (bytes, mode) = match source::read_bounded(&file, MAX_SECRET) {
        Ok(Some(read)) => read,
        Ok(None) => return unreadable(format!("{shown} is larger than {MAX_SECRET} bytes")),
        Err(error) => {
            return unreadable(format!(
                "{shown} cannot be read: {}",
                source::reason(&error)
            ));
        }
    };
    if check_mode && mode & 0o077 != 0 {
        let bad = Bad::new(format!(
            "others than its owner may use {shown} (mode {mode:04o})"
        ));
        walk.tell(
            Code::ExposedSecret,
            Severity::Error,
            node,
            path,
            bad.suggest(format!("chmod 0600 {shown}")),
        );
    }
    let line = bytes
        .strip_suffix(b"\n")
        .map_or(&bytes[..], |line| line.strip_suffix(b"\r").unwrap_or(line));
    judge(walk, node, path, decode(line))
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
    secret: Result<Secret, &'static str>,
) -> Option<Secret> {
    let problem = match &secret {
        Err(message) => Some((Severity::Error, Code::BadSecret, (*message).to_owned())),
        Ok(secret) if secret.is_empty() => Some((
            Severity::Error,
            Code::BadSecret,
            "the secret is empty".to_owned(),
        )),
        Ok(secret) if secret.len() < STRONG => Some((
            Severity::Warning,
            Code::WeakSecret,
            format!(
                "the secret has {} bytes: who records a handshake can guess it",
                secret.len()
            ),
        )),
        Ok(secret) if distinct(secret.as_bytes()) < 5 => Some((
            Severity::Warning,
            Code::WeakSecret,
            "the secret repeats a few bytes: who records a handshake can guess it".to_owned(),
        )),
        Ok(_) => None,
    };
    if let Some((severity, code, message)) = problem {
        let bad = Bad::new(message).suggest("make one with: openssl rand -base64 32");
        walk.tell(code, severity, node, path, bad);
    }
    secret.ok().filter(|secret| !secret.is_empty())
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

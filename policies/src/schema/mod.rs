//! The language for editors and for the book: a JSON Schema (draft 2020-12) and a reference, both made of the table in
//! `words`, so that neither can say anything else than the reader does.
//!
//! What the schema refuses, the reader refuses; the reader alone sees what several keys say together, reads the files that
//! are named, and knows bounds that no pattern can hold. In one thing the schema is the stricter: numbers stand without
//! quotes.
//!
//! An editor with yaml-language-server completes and explains, where a policy begins with
//!
//! ```yaml
//! # yaml-language-server: $schema=/usr/share/ikd/policy.schema.json
//! ```

mod patterns;
mod reference;

use ike::config::selector::narrow::MAX_SELECTORS;
use serde_json::{Map, Value, json};

pub use self::reference::reference_markdown;
pub use crate::words::{Default, FILE, Key, Kind, Mapping, Need, Protocol, Way, Word};
use crate::words::{MAX_FILES, MAX_PROPOSALS};

/// Where an installed system has the schema.
pub const INSTALLED: &str = "/usr/share/ikd/policy.schema.json";

/// The schema as it is committed and installed: `policies/policy.schema.json`.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", json())
}

/// The JSON Schema of a policy file.
#[must_use]
pub fn json() -> Value {
    let mut definitions = Map::new();
    for mapping in Mapping::all().iter().skip(1) {
        definitions.insert(mapping.name.to_owned(), object(mapping));
    }
    definitions.insert("file-name".to_owned(), scalar());
    definitions.insert("secret".to_owned(), scalar());
    definitions.insert(
        "selector".to_owned(),
        json!({
            "type": "string",
            "pattern": patterns::selector(),
            "patternErrorMessage": "expected a network, an address or a range of them, such as 10.1.0.0/16, 10.1.0.5-10.1.0.9 or \"2001:db8::/32[tcp/443]\"",
        }),
    );
    definitions.insert(
        "own-selector".to_owned(),
        json!({
            "type": ["string", "integer"],
            "minimum": 1,
            "maximum": 255,
            "pattern": patterns::own_selector(),
            "patternErrorMessage": "in transport mode: expected a protocol with ports, such as tcp/443",
        }),
    );
    for protocol in [Protocol::Ike, Protocol::Esp] {
        definitions.insert(proposal_name(protocol).to_owned(), proposal(protocol));
    }
    let mut schema = object(&FILE);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A policy file of ikd");
    schema["$defs"] = Value::Object(definitions);
    schema
}

fn object(mapping: &Mapping) -> Value {
    let properties: Map<String, Value> = mapping
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required = |need| -> Vec<&str> {
        let keys = mapping.keys.iter().filter(|key| key.need == need);
        keys.map(|key| key.name).collect()
    };
    let mut object = json!({
        "title": mapping.what,
        "description": mapping.about,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let always = required(Need::Required);
    if !always.is_empty() {
        object["required"] = json!(always);
    }
    if !mapping.ways.is_empty() {
        let ways: Vec<Value> = mapping.ways.iter().map(|one| way(mapping, one)).collect();
        object["oneOf"] = json!(ways);
    }
    let in_tunnel_mode = required(Need::InTunnelMode);
    if !in_tunnel_mode.is_empty() {
        let selectors = |definition: &str| -> Map<String, Value> {
            let list = one_or_more(definition, MAX_SELECTORS);
            let keys = in_tunnel_mode.iter();
            keys.map(|key| ((*key).to_owned(), list.clone())).collect()
        };
        object["if"] =
            json!({ "properties": { "mode": { "const": "transport" } }, "required": ["mode"] });
        object["then"] = json!({ "properties": selectors("own-selector") });
        object["else"] = json!({ "properties": selectors("selector"), "required": in_tunnel_mode });
    }
    object
}

/// Keys that go together, and the absence of all others.
fn way(mapping: &Mapping, Way { what, needs, may }: &Way) -> Value {
    let others = mapping
        .names()
        .into_iter()
        .filter(|name| !needs.contains(name) && !may.contains(name));
    let others: Vec<Value> = others.map(|name| json!({ "required": [name] })).collect();
    let mut way = json!({ "title": what, "required": needs });
    if !others.is_empty() {
        way["not"] = json!({ "anyOf": others });
    }
    way
}

fn property(key: &Key) -> Value {
    let mut property = kind(key);
    let mut description = key.description.to_owned();
    match key.default {
        Default::None => {}
        Default::Value(value) => property["default"] = in_json(&key.kind, value),
        Default::Said(said) => description += &format!(" Without it: {said}."),
    }
    property["description"] = json!(description);
    property
}

/// A value of the table as JSON has it.
fn in_json(kind: &Kind, value: &str) -> Value {
    match kind {
        Kind::Number { .. } | Kind::Version => value
            .parse::<u64>()
            .map_or_else(|_| json!(value), |number| json!(number)),
        _ => json!(value),
    }
}

fn kind(key: &Key) -> Value {
    let mut kinds = key
        .kind
        .alternatives()
        .iter()
        .map(|kind| of_kind(key, kind));
    match (kinds.next(), kinds.len()) {
        (Some(only), 0) => only,
        (first, _) => json!({ "anyOf": first.into_iter().chain(kinds).collect::<Vec<_>>() }),
    }
}

fn of_kind(key: &Key, kind: &Kind) -> Value {
    match kind {
        Kind::Version => json!({ "type": "integer", "const": crate::language::VERSION }),
        Kind::Number { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Duration { never, .. } => {
            let duration = json!({
                "type": "string",
                "pattern": patterns::DURATION,
                "patternErrorMessage": "expected a duration with its unit, such as 30s, 90m or 1h 30m",
                "examples": [key.example],
            });
            if *never {
                json!({ "anyOf": [duration, { "const": "never" }] })
            } else {
                duration
            }
        }
        Kind::Word(words) => {
            let meanings: Vec<&str> = words.iter().map(|Word(_, meaning)| *meaning).collect();
            let words: Vec<&str> = words.iter().map(|Word(word, _)| *word).collect();
            json!({ "enum": words, "enumDescriptions": meanings })
        }
        Kind::Address { named: true } => json!({
            "type": "string",
            "pattern": patterns::address_or_host(),
            "patternErrorMessage": "expected an IP address, the name of a host, or any",
            "examples": ["any", "192.0.2.1", "2001:db8::1", "vpn.example.com"],
        }),
        Kind::Address { named: false } => json!({
            "type": "string",
            "pattern": patterns::address(),
            "patternErrorMessage": "expected an IP address, or any",
            "examples": ["any", "192.0.2.1", "2001:db8::1"],
        }),
        Kind::Identity { pattern: true } => json!({
            "type": "string",
            "minLength": 1,
            "examples": ["branch.example.com", "*.branches.example.com", "198.51.100.7", "*@example.com", "C=DE, O=Example, CN=*", "keyid:branch", "any"],
        }),
        Kind::Identity { pattern: false } => json!({
            "type": "string",
            "minLength": 1,
            "not": { "enum": ["any", "%any"] },
            "examples": ["hq.example.com", "192.0.2.1", "admin@example.com", "C=DE, O=Example, CN=hq", "keyid:hq"],
        }),
        Kind::Selectors if key.need == Need::InTunnelMode => json!({}),
        Kind::Selectors => one_or_more("selector", MAX_SELECTORS),
        Kind::Proposals(protocol) => one_or_more(proposal_name(*protocol), MAX_PROPOSALS),
        Kind::File => reference("file-name"),
        Kind::Files => one_or_more("file-name", MAX_FILES),
        Kind::Secret => reference("secret"),
        Kind::Mapping(mapping) => reference(mapping.name),
        Kind::Named(mapping) => json!({
            "type": "object",
            "propertyNames": {
                "pattern": patterns::NAME,
                "patternErrorMessage": "not a name: 1 to 64 letters, digits and . _ - @ :",
            },
            "additionalProperties": reference(mapping.name),
        }),
        Kind::Either(kinds) => {
            json!({ "anyOf": kinds.iter().map(|kind| of_kind(key, kind)).collect::<Vec<_>>() })
        }
    }
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

fn one_or_more(definition: &str, most: usize) -> Value {
    let one = reference(definition);
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": most }] })
}

/// A text, which YAML takes for something else where it looks like it.
fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"], "minLength": 1 })
}

const fn proposal_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Ike => "ike-proposal",
        Protocol::Esp => "esp-proposal",
    }
}

fn proposal(protocol: Protocol) -> Value {
    let examples: &[&str] = match protocol {
        Protocol::Ike => &[
            "aes256gcm16-prfsha384-x25519",
            "aes256-sha256-modp2048",
            "chacha20poly1305-prfsha256-x25519",
        ],
        Protocol::Esp => &["aes256gcm16", "aes256gcm16-x25519", "aes256-sha256"],
    };
    json!({
        "anyOf": [
            { "enum": patterns::SETS.map(|(word, _)| word), "enumDescriptions": patterns::SETS.map(|(_, what)| what) },
            {
                "type": "string",
                "pattern": patterns::proposal(protocol),
                "patternErrorMessage": "not a proposal: words such as aes256gcm16-prfsha384-x25519, joined by -",
                "examples": examples,
            },
        ],
    })
}

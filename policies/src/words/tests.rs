//! The table and the reader say the same.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// Policies that take the reader through all mappings. What the files hold does not matter, nor that they are not there.
const POLICIES: &[&str] = &[
    "{ version: 1, connections: { a: { local: {}, remote: {}, auth: { psk: { file: x } }, liveness: {}, children: { a: {} } } } }",
    "{ version: 1, policies: { a: { pass: {} } }, limits: {} }",
    "{ connections: { a: { auth: { certificate: x, key: { file: x, passphrase: { file: x } }, ca: x, crl: x } } } }",
    "{ connections: { a: { auth: { key: x, public_key: x } } } }",
    "{ connections: { a: { auth: { local: { psk: x }, remote: { ca: x } } } } }",
    "{ connections: { a: { auth: { local: { key: x }, remote: { certificate: x } } } } }",
];

#[test]
fn the_reader_asks_for_the_keys_of_the_table_and_no_others() {
    for text in POLICIES {
        let _ = crate::load_texts([(Path::new("/nowhere/test.yaml"), *text)]);
    }
    let asked: BTreeSet<(&str, String)> = ASKED.with_borrow_mut(std::mem::take);
    let table: BTreeSet<(&str, String)> = Mapping::all()
        .iter()
        .flat_map(|mapping| {
            mapping
                .keys
                .iter()
                .map(|key| (mapping.name, key.name.to_owned()))
        })
        .collect();
    let difference: Vec<_> = asked.symmetric_difference(&table).collect();
    assert!(difference.is_empty(), "{difference:?}");
}

#[test]
fn names_are_unique_and_every_key_is_explained() {
    let mappings = Mapping::all();
    let names: BTreeSet<&str> = mappings.iter().map(|mapping| mapping.name).collect();
    assert_eq!(names.len(), mappings.len());
    for mapping in mappings {
        let keys: BTreeSet<&str> = mapping.names().into_iter().collect();
        assert_eq!(keys.len(), mapping.keys.len(), "{}", mapping.name);
        for key in mapping.keys {
            let sentences = key.description.matches(". ").count() + 1;
            assert!(
                key.description.ends_with('.') && sentences <= 4,
                "{}: {}",
                mapping.name,
                key.name
            );
            assert!(!key.example.is_empty());
        }
        for word in mapping.not_yet.iter().chain(mapping.elsewhere) {
            assert!(
                mapping.key(word.0).is_none(),
                "{}: {} is a key",
                mapping.name,
                word.0
            );
        }
        for way in mapping.ways {
            let known = way
                .needs
                .iter()
                .chain(way.may)
                .all(|name| mapping.key(name).is_some());
            assert!(known, "{}: {}", mapping.name, way.what);
        }
    }
}

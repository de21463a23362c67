//! `ikd.varlink` and the Rust types say the same.
//!
//! From the description a value is made for every method and error, with each field filled and each word of each
//! enumeration in turn, and once with every nullable field null. It is read into the Rust type and written again. A field or
//! word that only the description has gets lost on the way, one that only Rust has is added: either shows.

#![allow(clippy::unwrap_used)] // a test may stop where it stands

use std::collections::BTreeMap;

use ikapi::{Call, Error, Request, service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

#[test]
fn the_control_interface_is_the_same_in_both() {
    let interface = Interface::parse(ikapi::INTERFACE_DESCRIPTION);
    assert_eq!(interface.name, ikapi::INTERFACE);
    let methods: Vec<_> = interface.methods.keys().map(String::as_str).collect();
    assert_eq!(
        methods,
        [
            "Down",
            "GetLog",
            "List",
            "Metrics",
            "Monitor",
            "RekeyChild",
            "RekeyIke",
            "Reload",
            "SetLog",
            "Shutdown",
            "Status",
            "Up",
            "Version"
        ]
    );
    let errors: Vec<_> = interface.errors.keys().map(String::as_str).collect();
    assert_eq!(
        errors,
        ["Busy", "Failed", "NotFound", "PermissionDenied", "Timeout"]
    );
    interface.compare(|method, reply| match method {
        "Status" => again::<ikapi::Status>(reply),
        "List" => again::<ikapi::List>(reply),
        "Metrics" => again::<ikapi::Metrics>(reply),
        "Up" => again::<ikapi::UpReply>(reply),
        "Reload" => again::<ikapi::Reloaded>(reply),
        "Monitor" => again::<ikapi::Monitored>(reply),
        "GetLog" | "SetLog" => again::<ikapi::LogLevels>(reply),
        "Version" => again::<ikapi::Version>(reply),
        "Down" | "RekeyChild" | "RekeyIke" | "Shutdown" => again::<ikapi::Empty>(reply),
        _ => panic!("no type for the reply to {method}"),
    });
}

#[test]
fn the_service_interface_is_the_same_in_both() {
    let interface = Interface::parse(service::INTERFACE_DESCRIPTION);
    assert_eq!(interface.name, service::INTERFACE);
    interface.compare(|method, reply| match method {
        "GetInfo" => again::<service::Info>(reply),
        "GetInterfaceDescription" => again::<service::Description>(reply),
        _ => panic!("no type for the reply to {method}"),
    });
}

/// Does not compile when a request or an error is added: name it here and in the lists above.
#[test]
fn every_request_and_error_is_in_a_description() {
    fn request(request: &Request) -> &'static str {
        match request {
            Request::Status => "Status",
            Request::List(_) => "List",
            Request::Metrics => "Metrics",
            Request::Up(_) => "Up",
            Request::Down(_) => "Down",
            Request::RekeyChild(_) => "RekeyChild",
            Request::RekeyIke(_) => "RekeyIke",
            Request::Reload => "Reload",
            Request::Shutdown => "Shutdown",
            Request::Monitor(_) => "Monitor",
            Request::GetLog => "GetLog",
            Request::SetLog(_) => "SetLog",
            Request::Version => "Version",
            Request::GetInfo => "GetInfo",
            Request::GetInterfaceDescription { .. } => "GetInterfaceDescription",
        }
    }
    fn error(error: &Error) -> &'static str {
        match error {
            Error::NotFound { .. } => "NotFound",
            Error::PermissionDenied { .. } => "PermissionDenied",
            Error::Failed { .. } => "Failed",
            Error::Timeout { .. } => "Timeout",
            Error::Busy { .. } => "Busy",
            Error::InvalidParameter { .. } => "InvalidParameter",
            Error::MethodNotFound { .. } => "MethodNotFound",
            Error::InterfaceNotFound { .. } => "InterfaceNotFound",
            Error::ExpectedMore => "ExpectedMore",
            Error::Unknown { .. } => "not of ours",
        }
    }
    assert!(
        Request::Status
            .to_parts()
            .0
            .ends_with(request(&Request::Status))
    );
    assert!(
        Error::ExpectedMore
            .to_parts()
            .0
            .ends_with(error(&Error::ExpectedMore))
    );
}

#[test]
fn introspection_is_answered() {
    let info = service::info("1.2.3");
    assert_eq!(info.version, "1.2.3");
    for interface in &info.interfaces {
        let described = service::description(interface).unwrap();
        assert_eq!(&Interface::parse(&described.description).name, interface);
    }
    let unknown = service::description("com.example.other");
    assert_eq!(
        unknown,
        Err(Error::InterfaceNotFound {
            interface: "com.example.other".into()
        })
    );
}

#[test]
fn what_a_newer_daemon_adds_does_not_hurt() {
    let child: ikapi::Child =
        serde_json::from_value(json!({ "name": "lan", "keep": "alive", "colour": 1 })).unwrap();
    assert_eq!(
        child,
        ikapi::Child {
            name: "lan".into(),
            keep: ikapi::Keep::Unknown,
            ..Default::default()
        }
    );
    let error = Error::from_parts("org.ikd.Control.Tired", json!({ "since": 3 }));
    assert_eq!(
        error.to_parts(),
        ("org.ikd.Control.Tired".to_owned(), json!({ "since": 3 }))
    );
    let malformed = Error::from_parts("org.ikd.Control.Failed", json!({ "failure": 7 }));
    assert!(matches!(malformed, Error::Unknown { .. }));
}

/// Reads and writes again.
fn again<T: DeserializeOwned + Serialize>(value: Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(value).unwrap()).unwrap()
}

enum Type {
    Plain(&'static str),
    Named(String),
    Nullable(Box<Self>),
    Array(Box<Self>),
    Dictionary(Box<Self>),
    Words(Vec<String>),
}

type Fields = Vec<(String, Type)>;

#[derive(Default)]
struct Interface {
    name: String,
    types: BTreeMap<String, Fields>,
    methods: BTreeMap<String, (Fields, Fields)>,
    errors: BTreeMap<String, Fields>,
}

/// How to fill a value: nullable fields or not, and which word of an enumeration.
#[derive(Clone, Copy)]
struct Fill {
    nulls: bool,
    word: usize,
}

impl Interface {
    fn compare(&self, reply_again: impl Fn(&str, Value) -> Value) {
        let rounds = (0..8).flat_map(|word| [false, true].map(|nulls| Fill { nulls, word }));
        for fill in rounds {
            for (name, (input, output)) in &self.methods {
                let full_name = format!("{}.{name}", self.name);
                let parameters = self.object(input, fill);
                let call = json!({ "method": full_name, "parameters": parameters }).to_string();
                let request = Call::parse(call.as_bytes()).unwrap().request;
                assert_eq!(
                    request.to_parts(),
                    (full_name, parameters),
                    "parameters of {name}"
                );
                let reply = self.object(output, fill);
                assert_eq!(reply_again(name, reply.clone()), reply, "reply to {name}");
            }
            for (name, fields) in &self.errors {
                if ["MethodNotImplemented", "PermissionDenied"].contains(&name.as_str())
                    && self.name == service::INTERFACE
                {
                    continue; // ikd never sends them
                }
                let parts = (format!("{}.{name}", self.name), self.object(fields, fill));
                let error = Error::from_parts(&parts.0, parts.1.clone());
                assert!(!matches!(error, Error::Unknown { .. }), "error {name}");
                assert_eq!(error.to_parts(), parts, "error {name}");
            }
        }
    }

    fn object(&self, fields: &Fields, fill: Fill) -> Value {
        let fields = fields
            .iter()
            .map(|(name, of)| (name.clone(), self.value(name, of, fill)));
        Value::Object(fields.collect::<Map<_, _>>())
    }

    fn value(&self, field: &str, of: &Type, fill: Fill) -> Value {
        match of {
            Type::Plain("bool") => json!(true),
            Type::Plain("int") => json!(field.len()),
            Type::Plain(_) => json!(format!("a {field}")),
            Type::Named(name) => self.object(&self.types[name], fill),
            Type::Nullable(_) if fill.nulls => Value::Null,
            Type::Nullable(of) => self.value(field, of, fill),
            Type::Array(of) => json!([self.value(field, of, fill), self.value(field, of, fill)]),
            Type::Dictionary(of) => json!({ "key": self.value(field, of, fill) }),
            Type::Words(words) => json!(words[fill.word % words.len()]),
        }
    }

    fn parse(text: &str) -> Self {
        let mut parser = Parser {
            tokens: tokens(text),
        };
        let mut interface = Self::default();
        parser.expect("interface");
        interface.name = parser.next();
        while let Some(keyword) = parser.tokens.pop() {
            let name = parser.next();
            let fields = parser.fields();
            let twice = match keyword.as_str() {
                "type" => interface.types.insert(name, fields).is_some(),
                "error" => interface.errors.insert(name, fields).is_some(),
                "method" => {
                    parser.expect("->");
                    let output = parser.fields();
                    interface.methods.insert(name, (fields, output)).is_some()
                }
                other => panic!("{other}"),
            };
            assert!(!twice);
        }
        interface
    }
}

/// Words, names with dots, `->`, and single signs; the first one last.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line.split('#').next().unwrap().trim_start();
        while !rest.is_empty() {
            let word = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c))
                .unwrap_or(rest.len());
            let length = if rest.starts_with("->") {
                2
            } else {
                word.max(1)
            };
            found.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
    }
    found.reverse();
    found
}

struct Parser {
    tokens: Vec<String>,
}

impl Parser {
    fn next(&mut self) -> String {
        self.tokens.pop().expect("the description ends early")
    }

    fn expect(&mut self, token: &str) {
        assert_eq!(self.next(), token);
    }

    /// `(name: type, ...)`
    fn fields(&mut self) -> Fields {
        self.expect("(");
        let mut fields = Vec::new();
        loop {
            match self.next().as_str() {
                ")" => return fields,
                "," => {}
                name => {
                    self.expect(":");
                    fields.push((name.to_owned(), self.type_of_field()));
                }
            }
        }
    }

    fn type_of_field(&mut self) -> Type {
        match self.next().as_str() {
            "bool" => Type::Plain("bool"),
            "int" => Type::Plain("int"),
            "string" => Type::Plain("string"),
            "?" => Type::Nullable(Box::new(self.type_of_field())),
            "[" => match self.next().as_str() {
                "]" => Type::Array(Box::new(self.type_of_field())),
                "string" => {
                    self.expect("]");
                    Type::Dictionary(Box::new(self.type_of_field()))
                }
                other => panic!("[{other}"),
            },
            "(" => {
                let mut words = vec![self.next()];
                while self.next() == "," {
                    words.push(self.next());
                }
                Type::Words(words)
            }
            name => Type::Named(name.to_owned()),
        }
    }
}

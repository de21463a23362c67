//! Names in which some values are left open: `C=DE, O=Example, CN=*`.
//!
//! Compared part by part, in order: a Name with one part more or less does not fit, so that whoever names an authority's
//! naming scheme gets that scheme and nothing that merely resembles it.

use std::fmt;

use super::{
    Attribute, Name, NameError, OBJECT_IDENTIFIER, element, encode_attribute, parse, split,
};
use super::{any_element, kind_from_text, write_kind, write_sets, write_text};

/// A Name in which at least one value is `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePattern(Vec<Vec<Part>>);

/// One attribute, its value given or open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    /// The object identifier's DER contents.
    kind: Vec<u8>,
    /// Tag and bytes of the value; `None`: any that says something.
    value: Option<(u8, Vec<u8>)>,
}

impl NamePattern {
    /// Reads a pattern; `None` where no value is a star, so that it is a plain name.
    ///
    /// # Errors
    /// Where a part is none, or a star is only a piece of a value.
    pub(crate) fn from_text(text: &str) -> Result<Option<Self>, NameError> {
        let sets = split(text, ',').into_iter().map(|set| {
            let parts = split(set, '+').into_iter().map(Part::from_text);
            parts.collect::<Result<Vec<_>, _>>()
        });
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        // X.501 has each type once in a set; without that, two stars could take one value.
        let repeated = |set: &Vec<Part>| {
            (1..set.len()).any(|i| set[..i].iter().any(|part| part.kind == set[i].kind))
        };
        if sets.iter().any(repeated) {
            return Err(NameError::Form);
        }
        let open = sets.iter().flatten().any(|part| part.value.is_none());
        Ok(open.then_some(Self(sets)))
    }

    /// How many values are open.
    pub(crate) fn stars(&self) -> usize {
        self.0
            .iter()
            .flatten()
            .filter(|part| part.value.is_none())
            .count()
    }

    /// Whether a Name, in DER, fits.
    pub(crate) fn matches(&self, der: &[u8]) -> bool {
        let Ok(Name(sets)) = parse(der) else {
            return false;
        };
        self.pairs(
            &sets,
            |part, attribute| part.matches(attribute),
            |part, attribute| part.kind == attribute.kind,
        )
    }

    /// Whether there is a Name that fits both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.pairs(&other.0, Part::meets, |a, b| a.kind == b.kind)
    }

    /// Whether the sets pair off in order, and within a set every attribute with the one of its type.
    fn pairs<T>(
        &self,
        sets: &[Vec<T>],
        fit: impl Fn(&Part, &T) -> bool,
        same_kind: impl Fn(&Part, &T) -> bool,
    ) -> bool {
        self.0.len() == sets.len()
            && self.0.iter().zip(sets).all(|(parts, attributes)| {
                parts.len() == attributes.len()
                    && parts.iter().all(|part| {
                        attributes
                            .iter()
                            .any(|attribute| same_kind(part, attribute) && fit(part, attribute))
                    })
            })
    }
}

impl Part {
    fn from_text(text: &str) -> Result<Self, NameError> {
        let (kind, value) = text.split_once('=').ok_or(NameError::Form)?;
        if value.trim() == "*" {
            let kind = kind_from_text(kind.trim()).ok_or(NameError::Attribute)?;
            return Ok(Self { kind, value: None });
        }
        if split(value, '*').len() > 1 {
            return Err(NameError::Star);
        }
        let der = encode_attribute(text)?;
        let (contents, _) = element(&der, super::SEQUENCE)?;
        let (kind, value) = element(contents, OBJECT_IDENTIFIER)?;
        let (tag, value, _) = any_element(value)?;
        Ok(Self {
            kind: kind.to_vec(),
            value: Some((tag, value.to_vec())),
        })
    }

    /// The attribute that it stands for, where its value is given.
    fn attribute(&self) -> Option<Attribute<'_>> {
        let (tag, value) = self.value.as_ref()?;
        Some(Attribute {
            kind: &self.kind,
            tag: *tag,
            value,
        })
    }

    fn matches(&self, found: &Attribute<'_>) -> bool {
        match self.attribute() {
            Some(expected) => expected.same(found),
            // A value that says nothing, or could steer a terminal, is nobody's name.
            None => found
                .text()
                .is_some_and(|text| !text.trim().is_empty() && !text.chars().any(char::is_control)),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match (self.attribute(), other.attribute()) {
            (Some(a), Some(b)) => a.same(&b),
            (Some(one), None) => other.matches(&one),
            (None, Some(one)) => self.matches(&one),
            (None, None) => true,
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_sets(f, &self.0, |f, part| {
            write_kind(f, &part.kind)?;
            f.write_str("=")?;
            match part.attribute() {
                Some(attribute) => write_text(f, &attribute),
                None => f.write_str("*"),
            }
        })
    }
}

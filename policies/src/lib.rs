//! The policy language of ikd: YAML to validated types, with errors that point.

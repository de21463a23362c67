//! `org.varlink.service`: what every Varlink service answers about itself.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The standard interface's name.
pub const INTERFACE: &str = "org.varlink.service";

/// The standard interface's description, as the Varlink specification gives its content.
pub const INTERFACE_DESCRIPTION: &str = "\
# What every Varlink service answers about itself.
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
";

/// What `GetInfo` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub product: String,
    /// The daemon's version.
    pub version: String,
    /// Where to read more.
    pub url: String,
    /// Names of all interfaces.
    pub interfaces: Vec<String>,
}

/// What `GetInterfaceDescription` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Description {
    /// In Varlink's language.
    pub description: String,
}

/// The answer to `GetInfo` of a daemon of this version.
#[must_use]
pub fn info(version: &str) -> Info {
    Info {
        vendor: "ikd".to_owned(),
        product: "ikd".to_owned(),
        version: version.to_owned(),
        url: String::new(),
        interfaces: vec![INTERFACE.to_owned(), crate::INTERFACE.to_owned()],
    }
}

/// The answer to `GetInterfaceDescription`.
///
/// # Errors
/// [`Error::InterfaceNotFound`].
pub fn description(interface: &str) -> Result<Description, Error> {
    let description = match interface {
        INTERFACE => INTERFACE_DESCRIPTION,
        crate::INTERFACE => crate::INTERFACE_DESCRIPTION,
        _ => {
            return Err(Error::InterfaceNotFound {
                interface: interface.to_owned(),
            });
        }
    };
    Ok(Description {
        description: description.to_owned(),
    })
}

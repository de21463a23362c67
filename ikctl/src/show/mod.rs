//! Replies for people. Everything here has gone through [`crate::text::clean_value`].

mod failure;
mod list;
mod status;

pub(crate) use failure::failure;
pub(crate) use list::list;
pub(crate) use status::{reloaded, status};

//! Field ownership (`metadata.managedFields`), as server-side apply needs it.

pub(crate) mod managed;
mod merge;
mod set;
pub(crate) mod types;

pub(crate) use merge::{compare, merge, remove_orphans};
pub(crate) use set::FieldSet;

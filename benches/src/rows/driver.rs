//! What the node driver does.

pub(crate) mod limit;
pub(crate) mod memory;
pub(crate) mod publish;
pub(crate) mod rotation;

//! Where tokens come from, one file each.

pub(crate) mod arc;
pub(crate) mod binding;
pub(crate) mod entra;
pub(crate) mod imds;
pub(crate) mod nmi;

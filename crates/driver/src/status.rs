//! `SecretProviderClassPodStatus`: telling what each pod's volumes hold.
//!
//! One object per pod and class, written only when something in it changes (invariant I4), never read
//! for anything but comparing: users of the namespace can edit it.

mod object;
mod writer;

pub(crate) use object::StatusKey;
pub(crate) use writer::{Parts, StatusWriter};

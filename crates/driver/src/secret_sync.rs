//! Keeping Kubernetes Secrets in sync with mounted files (`secretObjects` of a class).
//!
//! - What a Secret should be is a pure function of class and files (`desired`).
//! - One writer identity for data, labels and annotations, whatever node writes; annotations say which
//!   class, which versions and since when, so a node that has not rotated yet never undoes one that has.
//! - Owner references are applied one by one, each under a field manager of its own, so that nodes and
//!   pods do not overwrite each other's.
//! - Nothing is written when nothing changed, no Secret is listed or watched, and no Secret is touched
//!   that is not marked as made by this driver, or that holds another class's content.

mod data;
mod desired;
mod owners;
mod problem;
mod sync;
mod verdict;
mod write;

pub(crate) use owners::PodOwners;
pub(crate) use sync::{Parts, SecretSync};

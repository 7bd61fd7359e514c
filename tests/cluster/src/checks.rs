//! The checks. Each takes a target with a namespace of its own and panics when the contract is broken.

pub mod access;
pub mod apply;
pub mod client;
pub mod custom;
pub mod deletion;
pub mod lists;
pub mod metadata;
pub mod objects;
pub mod ownership;
pub mod patches;
pub mod pods;
pub mod secrets;
pub mod tokens;
pub mod watches;

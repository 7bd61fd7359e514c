//! Who a mount is, towards Azure: clouds, credentials, Entra tokens and their cache.

pub mod transport;

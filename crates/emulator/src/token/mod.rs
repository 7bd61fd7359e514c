//! JSON Web Tokens: those this emulator issues, and the service-account tokens it is shown.

mod jwks;
mod jwt;
mod signer;

pub use jwks::{Jwk, Jwks};
pub use jwt::{Malformed, Parsed};
pub use signer::{Claims, Refused, Signer};

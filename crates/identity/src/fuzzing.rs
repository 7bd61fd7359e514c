//! Answers of an issuer.

use keymount_clock::WallClock;

use crate::access::TokenResponse;

/// Reads the answer of a token endpoint. Gives the text of the error.
#[must_use]
pub fn token_answer(body: &[u8], clock: &WallClock) -> Option<String> {
    TokenResponse::parse(body, clock).err().map(|error| error.to_string())
}

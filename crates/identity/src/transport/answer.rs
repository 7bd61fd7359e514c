//! What a server answered.

use http::{HeaderMap, StatusCode};
use keymount_sensitive::SecretBytes;

/// Status, headers and the whole body of an answer. The body may be a secret and has no `Debug`.
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, complete.
    pub body: SecretBytes,
}

impl Answer {
    /// A header's value, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

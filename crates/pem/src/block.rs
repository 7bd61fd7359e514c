//! PEM blocks, read as leniently and written as exactly as Go's `encoding/pem` does it.
//!
//! Own code, because the formats' crates follow RFC 7468 strictly, and what people keep in vaults does
//! not: text between blocks, headers, spaces at line ends, missing line breaks.

mod read;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keymount_sensitive::SecretBytes;
use zeroize::Zeroizing;

pub use read::Blocks;

/// Characters of base64 per line.
const LINE: usize = 64;

/// A PEM block. Its bytes may be a private key, so it has no `Debug` and no `Clone`.
#[derive(Default)]
pub struct Block {
    /// What it is, as in `-----BEGIN <label>-----`.
    pub label: String,
    /// Headers such as `Proc-Type`; the last one of a name.
    pub headers: BTreeMap<String, String>,
    /// The decoded content.
    pub bytes: SecretBytes,
}

impl Block {
    /// A block without headers.
    #[must_use]
    pub fn new(label: &str, bytes: SecretBytes) -> Self {
        Self { label: label.to_owned(), headers: BTreeMap::new(), bytes }
    }

    /// Appends the block to `out`: headers sorted with `Proc-Type` first, lines of 64 characters, a line
    /// break at the end. A header whose name has a colon cannot be written: then nothing is, as in Go.
    pub fn encode(&self, out: &mut SecretBytes) {
        encode(&self.label, &self.headers, self.bytes.expose(), out);
    }
}

/// Appends a block without headers.
pub(crate) fn encode_plain(label: &str, bytes: &[u8], out: &mut SecretBytes) {
    encode(label, &BTreeMap::new(), bytes, out);
}

fn encode(label: &str, headers: &BTreeMap<String, String>, bytes: &[u8], out: &mut SecretBytes) {
    if headers.keys().any(|name| name.contains(':')) {
        return;
    }
    let base64 = Zeroizing::new(STANDARD.encode(bytes));
    let size: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
    reserve(out, size + base64.len() + base64.len() / LINE + 2 * label.len() + 64);
    let out = out.expose_mut();
    let mut line = |parts: &[&str]| {
        parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        out.push(b'\n');
    };
    line(&["-----BEGIN ", label, "-----"]);
    if !headers.is_empty() {
        let is_first = |name: &str| name == "Proc-Type";
        let (first, others): (Vec<_>, Vec<_>) = headers.iter().partition(|(name, _)| is_first(name));
        for (name, value) in first.into_iter().chain(others) {
            line(&[name, ": ", value]);
        }
        line(&[]);
    }
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (row, after) = rest.split_at(rest.len().min(LINE));
        line(&[row]);
        rest = after;
    }
    line(&["-----END ", label, "-----"]);
}

/// Makes room, without leaving a copy of the old content behind.
pub(crate) fn reserve(out: &mut SecretBytes, more: usize) {
    if out.expose().capacity() - out.expose().len() < more {
        let mut larger = SecretBytes::new(Vec::with_capacity(2 * out.expose().len() + more));
        larger.expose_mut().extend_from_slice(out.expose());
        *out = larger;
    }
}

#[cfg(test)]
mod tests;

//! From a password to keys: the derivation of PKCS#12 (RFC 7292, appendix B), and its price.

use keymount_sensitive::SecretBytes;

use sha1::digest::block_api::BlockSizeUser;
use sha1::digest::{Digest, Output};
use zeroize::Zeroizing;

use super::PfxError;

/// A password in the two forms the schemes want.
pub(super) struct Password {
    /// UTF-16, big-endian, with a terminating zero: for PKCS#12's own schemes.
    pub(super) utf16: SecretBytes,
    /// UTF-8: for PKCS#5's.
    pub(super) utf8: SecretBytes,
}

impl Password {
    pub(super) fn new(text: &str) -> Self {
        let mut utf16 = SecretBytes::new(Vec::with_capacity(2 * text.len() + 2));
        utf16.expose_mut().extend(text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes));
        Self { utf16, utf8: text.as_bytes().to_vec().into() }
    }

    /// The other reading of the empty password: no bytes at all, not even the terminating zero.
    pub(super) fn without_bytes() -> Self {
        Self { utf16: SecretBytes::default(), utf8: SecretBytes::default() }
    }
}

/// How many rounds of hashing a file may still ask for.
#[derive(Debug)]
pub(super) struct Work {
    left: u32,
    limit: u32,
}

impl Work {
    pub(super) const fn new(limit: u32) -> Self {
        Self { left: limit, limit }
    }

    /// Takes the price of a derivation, before it is done.
    pub(super) fn charge(&mut self, rounds: u32) -> Result<(), PfxError> {
        self.left = self.left.checked_sub(rounds).ok_or(PfxError::TooManyIterations(self.limit))?;
        Ok(())
    }
}

/// What a derived key is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    InitialVector = 2,
    Mac = 3,
}

/// Derives `length` bytes.
pub(super) fn derive<D: Digest + BlockSizeUser>(
    password: &Password,
    salt: &[u8],
    purpose: Purpose,
    iterations: u32,
    length: usize,
    work: &mut Work,
) -> Result<SecretBytes, PfxError> {
    let (block, output) = (D::block_size(), <D as Digest>::output_size());
    let hashes = u32::try_from(length.div_ceil(output)).unwrap_or(u32::MAX);
    work.charge(iterations.saturating_mul(hashes))?;
    let parts = [salt, password.utf16.expose()].map(|part| (part, part.len().div_ceil(block) * block));
    let mut input = Zeroizing::new(Vec::with_capacity(parts.iter().map(|(_, length)| length).sum()));
    for (part, length) in parts {
        input.extend(part.iter().copied().cycle().take(length));
    }
    let mut derived = SecretBytes::new(Vec::with_capacity(length + output));
    while derived.expose().len() < length {
        let first = D::new().chain_update(vec![purpose as u8; block]).chain_update(&*input).finalize();
        let hash: Output<D> = (1..iterations.max(1)).fold(first, |hash, _| D::digest(hash));
        let increment: Zeroizing<Vec<u8>> =
            Zeroizing::new(hash.iter().copied().cycle().take(block).collect());
        input.chunks_exact_mut(block).for_each(|chunk| add_with_one(chunk, &increment));
        derived.expose_mut().extend_from_slice(&hash);
    }
    derived.expose_mut().truncate(length);
    Ok(derived)
}

/// `number + other + 1` in place, big-endian, the carry dropped.
fn add_with_one(number: &mut [u8], other: &[u8]) {
    let mut carry = 1_u16;
    for (digit, other) in number.iter_mut().zip(other).rev() {
        carry += u16::from(*digit) + u16::from(*other);
        *digit = carry.to_be_bytes()[1];
        carry >>= 8;
    }
}

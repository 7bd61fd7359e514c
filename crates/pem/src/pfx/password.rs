//! From a password to keys: the derivation of PKCS#12 (RFC 7292, appendix B), and its price.

use keymount_sensitive::SecretBytes;

use sha1::Sha1;
use sha1::block_api::compress;
use sha1::digest::block_api::BlockSizeUser;
use sha1::digest::{Digest, Output};
use sha2::{Sha224, Sha256, Sha384, Sha512};
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

/// A digest that can be taken of itself again and again, which is all that a derivation does with its time.
pub(super) trait Rehash: Digest + BlockSizeUser {
    /// The digest of the digest of …, so many times.
    fn rehash(hash: Output<Self>, times: u32) -> Output<Self>;
}

macro_rules! rehash {
    ($($digest:ty),+) => {
        $(impl Rehash for $digest {
            fn rehash(hash: Output<Self>, times: u32) -> Output<Self> {
                (0..times).fold(hash, |hash, _| Self::digest(hash))
            }
        })+
    };
}

rehash!(Sha224, Sha256, Sha384, Sha512);

impl Rehash for Sha1 {
    /// What Key Vault's files ask for, thousands of times. A digest of 20 bytes takes one block, which is always padded
    /// in the same way: without a hasher around it a round takes half the time.
    fn rehash(hash: Output<Self>, times: u32) -> Output<Self> {
        const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..20].copy_from_slice(&hash);
        block[20] = 0x80;
        block[56..].copy_from_slice(&160_u64.to_be_bytes());
        for _ in 0..times {
            let mut state = START;
            compress(&mut state, std::slice::from_ref(&*block));
            for (bytes, word) in block.chunks_exact_mut(4).zip(state) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
        }
        Output::<Self>::try_from(&block[..20]).unwrap_or_default()
    }
}

/// Derives `length` bytes.
pub(super) fn derive<D: Rehash>(
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
        let hash = D::rehash(first, iterations.max(1) - 1);
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

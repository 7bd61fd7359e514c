//! The MAC of a PFX file and its encryption schemes.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier};
use des::{TdesEde2, TdesEde3};
use hmac::{Hmac, KeyInit, Mac};
use keymount_sensitive::SecretBytes;
use pkcs5::pbes2::{Kdf, Parameters};
use rc2::Rc2;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use spki::AlgorithmIdentifierRef;

use super::PfxError;
use super::asn1::{self, MacData, PbeParameters};
use super::password::{Password, Purpose, Work, derive};

/// Checks the MAC; false if the password is another one.
pub(super) fn verify_mac(
    data: &MacData<'_>,
    content: &[u8],
    password: &Password,
    work: &mut Work,
) -> Result<bool, PfxError> {
    macro_rules! verify {
        ($digest:ty, $size:literal) => {{
            let salt = data.salt.as_bytes();
            let key = derive::<$digest>(password, salt, Purpose::Mac, data.iterations, $size, work)?;
            let mac = Hmac::<$digest>::new_from_slice(key.expose()).map_err(|_| PfxError::WrongPassword)?;
            Ok(mac.chain_update(content).verify_slice(data.mac.digest.as_bytes()).is_ok())
        }};
    }
    match data.mac.algorithm.oid {
        asn1::SHA1 => verify!(Sha1, 20),
        asn1::SHA224 => verify!(Sha224, 28),
        asn1::SHA256 => verify!(Sha256, 32),
        asn1::SHA384 => verify!(Sha384, 48),
        asn1::SHA512 => verify!(Sha512, 64),
        other => Err(PfxError::UnknownDigest(other)),
    }
}

/// Decrypts a list of bags or a key.
pub(super) fn decrypt(
    algorithm: &AlgorithmIdentifierRef<'_>,
    encrypted: &[u8],
    password: &Password,
    work: &mut Work,
) -> Result<SecretBytes, PfxError> {
    let parameters = algorithm.parameters.ok_or(PfxError::Malformed)?;
    if algorithm.oid == asn1::PBES2 {
        return pbes2(parameters, encrypted, password, work);
    }
    let (key_size, cipher): (usize, Cipher) = match algorithm.oid {
        asn1::PBE_3DES => (24, triple_des::<TdesEde3>),
        asn1::PBE_3DES_2KEY => (16, triple_des::<TdesEde2>),
        asn1::PBE_RC2_128 => (16, rc2),
        asn1::PBE_RC2_40 => (5, rc2),
        other => return Err(unsupported(other)),
    };
    let parameters: PbeParameters<'_> = parameters.decode_as().map_err(|_| PfxError::Malformed)?;
    let (salt, iterations) = (parameters.salt.as_bytes(), parameters.iterations);
    let key = derive::<Sha1>(password, salt, Purpose::Key, iterations, key_size, work)?;
    let iv = derive::<Sha1>(password, salt, Purpose::InitialVector, iterations, 8, work)?;
    in_place(encrypted, |buffer| cipher(key.expose(), iv.expose(), buffer))
}

fn pbes2(
    parameters: AnyRef<'_>,
    encrypted: &[u8],
    password: &Password,
    work: &mut Work,
) -> Result<SecretBytes, PfxError> {
    let parameters = Parameters::try_from(parameters).map_err(|_| unsupported(asn1::PBES2))?;
    match &parameters.kdf {
        // The longest key takes two hashes of the shortest digest.
        Kdf::Pbkdf2(pbkdf2) => work.charge(pbkdf2.iteration_count.saturating_mul(2))?,
        // Its memory would be the file's to choose.
        other => return Err(unsupported(other.oid())),
    }
    in_place(encrypted, |buffer| {
        Some(parameters.decrypt_in_place(password.utf8.expose(), buffer).ok()?.len())
    })
}

/// Decrypts a buffer with a key and an initial vector; the length without padding, if that is right.
type Cipher = fn(&[u8], &[u8], &mut [u8]) -> Option<usize>;

fn triple_des<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<usize>
where
    Decryptor<C>: KeyIvInit,
{
    unpad(Decryptor::<C>::new_from_slices(key, iv).ok()?, buffer)
}

fn rc2(key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<usize> {
    let cipher = Rc2::new_with_eff_key_len(key, 8 * key.len());
    unpad(Decryptor::inner_iv_slice_init(cipher, iv).ok()?, buffer)
}

fn unpad(cipher: impl BlockModeDecrypt, buffer: &mut [u8]) -> Option<usize> {
    Some(cipher.decrypt_padded::<Pkcs7>(buffer).ok()?.len())
}

/// Decrypts into a buffer that is erased. A wrong password shows as wrong padding.
fn in_place(
    encrypted: &[u8],
    decrypt: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Result<SecretBytes, PfxError> {
    let mut buffer = SecretBytes::new(encrypted.to_vec());
    let length = decrypt(buffer.expose_mut()).ok_or(PfxError::WrongPassword)?;
    buffer.expose_mut().truncate(length);
    Ok(buffer)
}

const fn unsupported(oid: ObjectIdentifier) -> PfxError {
    PfxError::UnsupportedAlgorithm(oid)
}

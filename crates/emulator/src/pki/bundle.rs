//! A key with its certificates, as PFX or PEM: the value of a certificate-backed secret, and what an
//! import takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::{Decode, Encode};
use keymount_sensitive::SecretString;
use p12_keystore::{
    EncryptionAlgorithm, KeyStore, KeyStoreEntry, LocalKeyId, MacAlgorithm, Pkcs12Archive, PrivateKeyChain,
};
use pem_rfc7468::LineEnding;
use pkcs8::PrivateKeyInfoRef;
use x509_cert::Certificate;

use super::{PkiError, PrivateKey};

/// How the secret behind a certificate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// `application/x-pkcs12`: base64 of a PFX with an empty password.
    #[default]
    Pkcs12,
    /// `application/x-pem-file`: the PKCS#8 key, then the certificates.
    Pem,
}

impl Format {
    /// The content type Key Vault gives it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Pkcs12 => "application/x-pkcs12",
            Self::Pem => "application/x-pem-file",
        }
    }

    /// The format of a content type.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        [Self::Pkcs12, Self::Pem].into_iter().find(|format| format.content_type() == content_type)
    }
}

/// Rounds of the password derivation. The password is empty: more would only cost time.
const ROUNDS: u32 = 2000;

/// A private key and its certificates, leaf first.
pub struct Bundle {
    /// The key.
    pub key: PrivateKey,
    /// Certificates as they came: the leaf, then the others.
    pub certificates: Vec<Certificate>,
}

impl Bundle {
    /// Reads what an import sends: PEM, or base64 of a PFX.
    ///
    /// # Errors
    /// [`PkiError::Content`] if it is neither or the password is wrong, [`PkiError::Key`] for an
    /// unsupported key.
    pub fn read(value: &str, password: &str) -> Result<(Self, Format), PkiError> {
        if value.contains("-----BEGIN ") {
            return Ok((Self::from_pem(value)?, Format::Pem));
        }
        let text: String = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(text).map_err(|_| PkiError::Content("neither PEM nor base64"))?;
        Ok((Self::from_pfx(&der, password)?, Format::Pkcs12))
    }

    fn from_pfx(der: &[u8], password: &str) -> Result<Self, PkiError> {
        let archive = Pkcs12Archive::from_pkcs12(der, password)
            .map_err(|_| PkiError::Content("not a PFX, or the password is wrong"))?;
        let key = archive.keys.first().ok_or(PkiError::Content("the PFX holds no private key"))?;
        let certificates = archive.certs.iter().map(|bag| bag.cert.as_der());
        Self::assemble(key.key.as_der(), certificates)
    }

    fn from_pem(text: &str) -> Result<Self, PkiError> {
        let mut key = None;
        let mut certificates = Vec::new();
        for (label, der) in blocks(text)? {
            match label.as_str() {
                "CERTIFICATE" => certificates.push(der),
                "PRIVATE KEY" => key = Some(der),
                _ => {}
            }
        }
        let key = key.ok_or(PkiError::Content("the PEM holds no PKCS#8 private key"))?;
        Self::assemble(&key, certificates.iter().map(Vec::as_slice))
    }

    fn assemble<'a>(key: &[u8], certificates: impl Iterator<Item = &'a [u8]>) -> Result<Self, PkiError> {
        let key = PrivateKey::from_pkcs8(&plain(key)?)?;
        let mut certificates: Vec<Certificate> = certificates
            .map(Certificate::from_der)
            .collect::<Result<_, _>>()
            .map_err(|_| PkiError::Content("a certificate is damaged"))?;
        let public = key.public()?;
        let leaf = certificates
            .iter()
            .position(|certificate| *certificate.tbs_certificate().subject_public_key_info() == public)
            .ok_or(PkiError::Content("no certificate belongs to the private key"))?;
        certificates[..=leaf].rotate_right(1);
        Ok(Self { key, certificates })
    }

    /// Writes the value of the secret.
    ///
    /// # Errors
    /// [`PkiError::Internal`], which is not expected.
    pub fn write(&self, format: Format) -> Result<SecretString, PkiError> {
        match format {
            Format::Pkcs12 => self.to_pfx().map(|pfx| SecretString::new(STANDARD.encode(pfx))),
            Format::Pem => self.to_pem(),
        }
    }

    /// A PFX as the service writes it: 3DES and SHA-1, empty password.
    fn to_pfx(&self) -> Result<Vec<u8>, PkiError> {
        let internal = |_| PkiError::Internal;
        let key = p12_keystore::PrivateKey::from_der(&self.key.to_pkcs8()?).map_err(internal)?;
        let certificates = self
            .certificates
            .iter()
            .map(|certificate| {
                let der = certificate.to_der().map_err(|_| PkiError::Internal)?;
                p12_keystore::Certificate::from_der(&der).map_err(internal)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut store = KeyStore::new();
        let chain = PrivateKeyChain::new(LocalKeyId(vec![1, 0, 0, 0]), key, certificates);
        store.add_entry("", KeyStoreEntry::PrivateKeyChain(chain));
        store
            .writer("")
            .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
            .encryption_iterations(ROUNDS)
            .mac_algorithm(MacAlgorithm::HmacSha1)
            .mac_iterations(ROUNDS)
            .write()
            .map_err(internal)
    }

    fn to_pem(&self) -> Result<SecretString, PkiError> {
        let encode = |label: &str, der: &[u8]| {
            pem_rfc7468::encode_string(label, LineEnding::LF, der).map_err(|_| PkiError::Internal)
        };
        let mut text = SecretString::new(encode("PRIVATE KEY", &self.key.to_pkcs8()?)?);
        for certificate in &self.certificates {
            let der = certificate.to_der().map_err(|_| PkiError::Internal)?;
            text.expose_mut().push_str(&encode("CERTIFICATE", &der)?);
        }
        Ok(text)
    }
}

/// PKCS#8 without the attributes that Windows tools add to the key bag.
fn plain(key: &[u8]) -> Result<Vec<u8>, PkiError> {
    let info = PrivateKeyInfoRef::try_from(key).map_err(|_| PkiError::Key)?;
    PrivateKeyInfoRef::new(info.algorithm, info.private_key).to_der().map_err(|_| PkiError::Key)
}

/// The PEM blocks of a text, with their labels.
fn blocks(text: &str) -> Result<Vec<(String, Vec<u8>)>, PkiError> {
    const END: &str = "-----END ";
    let damaged = || PkiError::Content("a PEM block is damaged");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("-----BEGIN ") {
        let block = rest.get(begin..).unwrap_or_default();
        let end = block.find(END).ok_or_else(damaged)?;
        let after = block.get(end..).and_then(|tail| tail.get(END.len()..)).unwrap_or_default();
        let end = end + END.len() + after.find("-----").ok_or_else(damaged)? + "-----".len();
        let (one, tail) = block.split_at(end);
        let (label, der) = pem_rfc7468::decode_vec(one.as_bytes()).map_err(|_| damaged())?;
        found.push((label.to_owned(), der));
        rest = tail;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::pki::{Algorithm, Authority, Template, issue};

    fn chain(algorithm: Algorithm) -> Bundle {
        let (from, until) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(2_000_000_000).expect("a time"));
        let root = Authority::new(&Template::authority("CN=root", from, until), None).expect("a root");
        let middle =
            Authority::new(&Template::authority("CN=middle", from, until), Some(&root)).expect("one below");
        let key = PrivateKey::generate(algorithm).expect("a key");
        let leaf = issue(&Template::new("CN=leaf", from, until), &key, Some(&middle)).expect("a leaf");
        Bundle { key, certificates: vec![leaf, middle.certificate, root.certificate] }
    }

    #[test]
    fn both_formats_there_and_back() {
        for algorithm in [Algorithm::Rsa(2048), Algorithm::P256, Algorithm::P521] {
            let bundle = chain(algorithm);
            for format in [Format::Pkcs12, Format::Pem] {
                let value = bundle.write(format).expect("a value");
                let (again, read) = Bundle::read(value.expose(), "").expect("the bundle");
                assert_eq!(read, format);
                assert_eq!(again.certificates, bundle.certificates);
                assert_eq!(again.key.public(), bundle.key.public());
            }
        }
    }

    #[test]
    fn leaf_comes_first_whatever_the_order() {
        let mut bundle = chain(Algorithm::P256);
        let expected = bundle.certificates.clone();
        bundle.certificates = vec![expected[1].clone(), expected[0].clone(), expected[2].clone()];
        let value = bundle.write(Format::Pem).expect("a value");
        let (again, _) = Bundle::read(&format!("junk\r\n{}", value.expose()), "").expect("the bundle");
        assert_eq!(again.certificates, expected);
    }

    #[test]
    fn junk_is_refused() {
        for value in ["", "!!", "AAAA", "-----BEGIN CERTIFICATE-----", "-----BEGIN X-----\n-----END X-----"] {
            assert!(matches!(Bundle::read(value, "").err(), Some(PkiError::Content(_))), "{value}");
        }
        let mut foreign = chain(Algorithm::P256);
        foreign.certificates.remove(0);
        let value = foreign.write(Format::Pem).expect("a value");
        assert!(matches!(Bundle::read(value.expose(), "").err(), Some(PkiError::Content(_))));
    }
}

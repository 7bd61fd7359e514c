//! What a vault's answer becomes on disk.

use keymount_keyvault::{CertificateBundle, KeyBundle, SecretBundle};
use keymount_objects::{JsonFileError, ObjectEncoding, ObjectFormat, version_of_id};
use keymount_pem::{
    EncodingError, Jwk, JwkError, PfxError, PfxOptions, TlsError, certificate_pem, decode_base64, decode_hex,
    pfx_to_pem, public_key_pem, split,
};
use keymount_sensitive::SecretBytes;

const PEM: &str = "application/x-pem-file";
const PFX: &str = "application/x-pkcs12";

/// Switches that hold for all objects.
#[derive(Clone, Copy, Debug)]
pub struct ContentOptions {
    /// Whether certificates out of a PFX are put in order, leaf first (`--construct-pem-chain`).
    pub construct_pem_chain: bool,
    /// Whether a certificate with its key also gets a `.crt` and a `.key` file
    /// (`--write-cert-and-key-in-separate-files`).
    pub separate_files: bool,
}

/// One object's content.
pub(crate) struct Content {
    /// The version that was fetched.
    pub(crate) version: String,
    /// Files in the order of the reply: what to add to the path, and the bytes.
    pub(crate) files: Vec<(&'static str, SecretBytes)>,
    /// False when the certificates of a chain could not be put in order because issuers are missing.
    pub(crate) chain_complete: bool,
}

/// An answer of the vault that gives no file. Texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A field that has to be there is not.
    #[error("{0} is nil")]
    Missing(&'static str),
    /// A certificate's secret of a type that is not known.
    #[error("failed to get certificate. unknown content type '{0}'")]
    UnknownContentType(String),
    /// A certificate's secret without a type that is neither PEM nor PFX. (Upstream ends there.)
    #[error("failed to get certificate. unknown content type ''")]
    NoContentType,
    /// A certificate's PFX.
    #[error(transparent)]
    Pfx(#[from] PfxError),
    /// A key.
    #[error(transparent)]
    Key(#[from] JwkError),
    /// A certificate that is not base64.
    #[error(
        "unmarshalling type *azcertificates.CertificateBundle: unmarshalling type \
         *azcertificates.CertificateBundle: {0}"
    )]
    Certificate(EncodingError),
    /// A value that is not encoded as `objectEncoding` says.
    #[error(transparent)]
    Encoding(EncodingError),
    /// A value out of the secret (`jsonPath`).
    #[error(transparent)]
    Json(#[from] JsonFileError),
    /// A part of the bundle (`pemFiles`).
    #[error("pemFiles.{part}: {error}")]
    Pem {
        /// The part.
        part: &'static str,
        /// What is wrong with it.
        error: TlsError,
    },
    /// The secret that `pfxPasswordObject` names has no value.
    #[error("pfxPasswordObject: the secret has no value")]
    NoPassword,
}

impl ContentError {
    /// Whether upstream names the object in front of this text.
    pub(crate) const fn names_object(&self) -> bool {
        !matches!(self, Self::Missing(_) | Self::Encoding(_))
    }

    /// What to do about it.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) => "something that is not a vault answered: check keyvaultName and proxies",
            Self::UnknownContentType(_) | Self::NoContentType => {
                "a certificate's secret has the content type application/x-pem-file or application/x-pkcs12: \
                 import the certificate again"
            }
            Self::Pfx(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Certificate(_) => "something that is not a vault answered: check keyvaultName and proxies",
            Self::Encoding(error) => error.hint(),
            Self::Json(error) => error.hint(),
            Self::Pem { .. } => {
                "pemFiles takes apart a certificate's secret, PEM text, or a PFX with pfxPasswordObject: check that \
                 the value has this part"
            }
            Self::NoPassword => "pfxPasswordObject names the secret with the password of the PFX",
        }
    }
}

/// A secret: its value, or the certificate with its key if it belongs to one. With a `password` the value
/// is a PFX in any case. Converting a PFX takes CPU time; call this where a thread may block if [`is_slow`]
/// says so.
pub(crate) fn secret(
    secret: &SecretBundle,
    format: ObjectFormat,
    encoding: ObjectEncoding,
    options: ContentOptions,
    password: Option<&str>,
) -> Result<Content, ContentError> {
    let value = secret.value.as_ref().ok_or(ContentError::Missing("secret value"))?.expose();
    let version = version(secret.id.as_deref(), "secret id")?;
    let plain = || SecretBytes::new(value.as_bytes().to_vec());
    let mut chain_complete = true;
    let mut files = Vec::new();
    let belongs_to_certificate = secret.kid.as_deref().is_some_and(|kid| !kid.is_empty());
    if !belongs_to_certificate && password.is_none() {
        files.push(("", plain()));
    } else {
        let content_type = if password.is_some() { PFX } else { content_type(secret, value)? };
        let content = match (content_type, format) {
            (PFX, ObjectFormat::Pem) => {
                let options = PfxOptions {
                    password: password.unwrap_or_default(),
                    order_chain: options.construct_pem_chain,
                    ..PfxOptions::default()
                };
                let converted = pfx_to_pem(value, &options)?;
                chain_complete = converted.chain_complete;
                converted.pem
            }
            _ => plain(),
        };
        if options.separate_files {
            let (certificates, keys) = split(content.expose());
            files.extend([(".crt", certificates), (".key", keys)]);
        }
        files.push(("", content));
    }
    let decode = |(suffix, content): (&'static str, SecretBytes)| {
        let content = match encoding {
            ObjectEncoding::Utf8 => content,
            ObjectEncoding::Base64 => decode_base64(content.expose()).map_err(ContentError::Encoding)?,
            ObjectEncoding::Hex => decode_hex(content.expose()).map_err(ContentError::Encoding)?,
        };
        Ok((suffix, content))
    };
    let files = files.into_iter().map(decode).collect::<Result<_, ContentError>>()?;
    Ok(Content { version, files, chain_complete })
}

/// Whether converting this secret takes noticeable CPU time.
pub(crate) fn is_slow(secret: &SecretBundle, format: ObjectFormat, has_password: bool) -> bool {
    has_password
        || format == ObjectFormat::Pem
            && secret.kid.is_some()
            && secret.content_type.as_deref().is_none_or(|content_type| content_type == PFX)
}

/// The type of a certificate's secret. Where the vault names none, the value tells.
fn content_type(secret: &SecretBundle, value: &str) -> Result<&'static str, ContentError> {
    match secret.content_type.as_deref() {
        Some(PEM) => Ok(PEM),
        Some(PFX) => Ok(PFX),
        Some(other) => Err(ContentError::UnknownContentType(other.to_owned())),
        None if value.contains("-----BEGIN ") => Ok(PEM),
        // `MI` is how the base64 of every DER sequence of more than 127 bytes begins.
        None if value.trim_start().starts_with("MI") => Ok(PFX),
        None => Err(ContentError::NoContentType),
    }
}

/// The public part of a key.
pub(crate) fn key(bundle: &KeyBundle) -> Result<Content, ContentError> {
    let key = bundle.key.as_ref().ok_or(ContentError::Missing("key value"))?;
    let version = version(key.kid.as_deref(), "key id")?;
    let text = |field: &'_ Option<String>| field.clone().unwrap_or_default();
    let [kty, crv, n, e, x, y] = [&key.kty, &key.crv, &key.n, &key.e, &key.x, &key.y].map(text);
    let pem = public_key_pem(&Jwk { kty: &kty, crv: &crv, n: &n, e: &e, x: &x, y: &y })?;
    Ok(Content { version, files: vec![("", pem)], chain_complete: true })
}

/// A certificate: the leaf only.
pub(crate) fn certificate(bundle: &CertificateBundle) -> Result<Content, ContentError> {
    let cer = bundle.cer.as_deref().ok_or(ContentError::Missing("certificate value"))?;
    let version = version(bundle.id.as_deref(), "certificate id")?;
    let pem = certificate_pem(cer).map_err(ContentError::Certificate)?;
    Ok(Content { version, files: vec![("", pem)], chain_complete: true })
}

fn version(id: Option<&str>, what: &'static str) -> Result<String, ContentError> {
    Ok(version_of_id(id.ok_or(ContentError::Missing(what))?).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: ContentOptions = ContentOptions { construct_pem_chain: true, separate_files: true };
    const PEM_TEXT: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n\
                            -----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";

    fn bundle(value: &str, kid: Option<&str>, content_type: Option<&str>) -> SecretBundle {
        SecretBundle {
            value: Some(value.to_owned().into()),
            id: Some("https://kv.vault.azure.net/secrets/s/v1".to_owned()),
            content_type: content_type.map(str::to_owned),
            kid: kid.map(str::to_owned),
        }
    }

    fn files(content: Result<Content, ContentError>) -> Result<Vec<(&'static str, String)>, String> {
        let text = |(suffix, content): (&'static str, SecretBytes)| {
            (suffix, String::from_utf8_lossy(content.expose()).into_owned())
        };
        content
            .map(|content| content.files.into_iter().map(text).collect())
            .map_err(|error| error.to_string())
    }

    fn of(bundle: &SecretBundle, format: ObjectFormat) -> Result<Vec<(&'static str, String)>, String> {
        files(secret(bundle, format, ObjectEncoding::Utf8, BOTH, None))
    }

    #[test]
    fn a_plain_secret_is_left_alone_whatever_its_type_and_format() {
        for content_type in [None, Some("text/plain"), Some(PFX)] {
            for kid in [None, Some("")] {
                let bundle = bundle("value", kid, content_type);
                assert_eq!(of(&bundle, ObjectFormat::Pfx), Ok(vec![("", "value".to_owned())]));
            }
        }
    }

    #[test]
    fn a_certificate_in_pem_comes_whole_and_in_parts() {
        let parts = of(&bundle(PEM_TEXT, Some("k"), Some(PEM)), ObjectFormat::Pem).expect("files");
        assert_eq!(parts.iter().map(|(suffix, _)| *suffix).collect::<Vec<_>>(), [".crt", ".key", ""]);
        assert!(parts[0].1.starts_with("-----BEGIN CERTIFICATE") && !parts[0].1.contains("PRIVATE"));
        assert!(parts[1].1.starts_with("-----BEGIN PRIVATE KEY") && !parts[1].1.contains("CERTIFICATE"));
        assert_eq!(parts[2].1, PEM_TEXT);
        let sniffed = of(&bundle(PEM_TEXT, Some("k"), None), ObjectFormat::Pem).expect("files");
        assert_eq!(sniffed, parts);
    }

    #[test]
    fn a_pfx_asked_for_as_such_stays_base64_and_its_parts_are_empty() {
        let parts = of(&bundle("TUlJ", Some("k"), Some(PFX)), ObjectFormat::Pfx).expect("files");
        assert_eq!(parts, [(".crt", String::new()), (".key", String::new()), ("", "TUlJ".to_owned())]);
    }

    #[test]
    fn certificates_that_give_no_file() {
        let error = |value, content_type| of(&bundle(value, Some("k"), content_type), ObjectFormat::Pem);
        let unknown = "failed to get certificate. unknown content type 'text/plain'";
        assert_eq!(error("v", Some("text/plain")), Err(unknown.to_owned()));
        assert_eq!(error("v", None), Err("failed to get certificate. unknown content type ''".to_owned()));
        assert_eq!(error("*", Some(PFX)), Err("illegal base64 data at input byte 0".to_owned()));
    }

    #[test]
    fn encodings_apply_to_every_file() {
        let decode = |value: &str, encoding| {
            files(secret(&bundle(value, None, None), ObjectFormat::Pem, encoding, BOTH, None))
        };
        let hello = Ok(vec![("", "hello".to_owned())]);
        assert_eq!(decode("aGVsbG8=", ObjectEncoding::Base64), hello);
        assert_eq!(decode("68656C6c6f", ObjectEncoding::Hex), hello);
        assert_eq!(
            decode("aGVsbG8_", ObjectEncoding::Base64),
            Err("illegal base64 data at input byte 7".to_owned())
        );
        let pem = secret(
            &bundle(PEM_TEXT, Some("k"), Some(PEM)),
            ObjectFormat::Pem,
            ObjectEncoding::Base64,
            BOTH,
            None,
        );
        let error = pem.err().expect("an error");
        assert_eq!(error.to_string(), "illegal base64 data at input byte 0");
        assert!(!error.names_object());
    }

    #[test]
    fn missing_fields() {
        let text = |content: Result<Content, ContentError>| content.err().expect("an error").to_string();
        let plain =
            |bundle: &SecretBundle| text(secret(bundle, ObjectFormat::Pem, ObjectEncoding::Utf8, BOTH, None));
        assert_eq!(plain(&SecretBundle::default()), "secret value is nil");
        assert_eq!(plain(&SecretBundle { id: None, ..bundle("v", None, None) }), "secret id is nil");
        assert_eq!(text(key(&KeyBundle::default())), "key value is nil");
        assert_eq!(text(key(&KeyBundle { key: Some(Default::default()) })), "key id is nil");
        assert_eq!(text(certificate(&CertificateBundle::default())), "certificate value is nil");
        let cer = Some("AA==".to_owned());
        assert_eq!(text(certificate(&CertificateBundle { cer, id: None })), "certificate id is nil");
    }

    #[test]
    fn versions_come_from_the_id() {
        let of = |id: &str| {
            let bundle = CertificateBundle { cer: Some("AA==".to_owned()), id: Some(id.to_owned()) };
            certificate(&bundle).expect("content").version
        };
        assert_eq!(of("https://kv.vault.azure.net/certificates/c/0123"), "0123");
        assert_eq!(of("https://kv.vault.azure.net/certificates/c"), "");
    }
}

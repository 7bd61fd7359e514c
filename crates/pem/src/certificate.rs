//! What the order of a chain needs to know of a certificate.

use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use keymount_sensitive::SecretBytes;
use thiserror::Error;

use crate::block::encode_plain;
use crate::encoding::{EncodingError, decode_base64};

const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");

/// PEM label of a certificate.
pub(crate) const LABEL: &str = "CERTIFICATE";

/// The certificate of a Key Vault certificate bundle (`cer`: base64 DER) as PEM. The DER is not looked
/// at, as in upstream.
///
/// # Errors
/// When the text is not base64.
pub fn certificate_pem(cer: &str) -> Result<SecretBytes, EncodingError> {
    let der = decode_base64(cer.as_bytes())?;
    let mut pem = SecretBytes::default();
    encode_plain(LABEL, der.expose(), &mut pem);
    Ok(pem)
}

/// Not the DER of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("x509: malformed certificate")]
pub struct MalformedCertificate;

/// The key identifiers of a certificate (RFC 5280, 4.2.1.1 and 4.2.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyIds<'a> {
    /// Of the issuer's key.
    pub(crate) authority: Option<&'a [u8]>,
    /// Of its own key.
    pub(crate) subject: Option<&'a [u8]>,
}

impl<'a> KeyIds<'a> {
    /// Looks them up. Other fields are passed over, so an oddity in them is no reason to refuse.
    pub(crate) fn of(certificate: &'a [u8]) -> Result<Self, MalformedCertificate> {
        read(certificate).map_err(|_| MalformedCertificate)
    }

    /// Whether `self` names `issuer` as the one that signed it; never when neither has an identifier.
    pub(crate) fn names(&self, issuer: &Self) -> bool {
        let (authority, subject) = (self.authority, issuer.subject);
        (authority.is_some() || subject.is_some()) && authority.unwrap_or(&[]) == subject.unwrap_or(&[])
    }
}

fn read(certificate: &[u8]) -> der::Result<KeyIds<'_>> {
    let mut outer = SliceReader::new(AnyRef::from_der(certificate)?.sequence_bytes()?)?;
    let mut body = SliceReader::new(outer.decode::<AnyRef<'_>>()?.sequence_bytes()?)?;
    let mut ids = KeyIds::default();
    while !body.is_finished() {
        let field: AnyRef<'_> = body.decode()?;
        let extensions = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
        if field.tag() == extensions {
            let list = AnyRef::from_der(field.value())?.sequence_bytes()?;
            let mut list = SliceReader::new(list)?;
            while !list.is_finished() {
                read_extension(list.decode()?, &mut ids)?;
            }
        }
    }
    Ok(ids)
}

fn read_extension<'a>(extension: AnyRef<'a>, ids: &mut KeyIds<'a>) -> der::Result<()> {
    let mut fields = SliceReader::new(extension.sequence_bytes()?)?;
    let oid: ObjectIdentifier = fields.decode()?;
    if oid != SUBJECT_KEY_ID && oid != AUTHORITY_KEY_ID {
        return Ok(());
    }
    let _critical: Option<bool> = fields.decode()?;
    let value = fields.decode::<&'a OctetStringRef>()?.as_bytes();
    if oid == SUBJECT_KEY_ID {
        ids.subject = Some(<&'a OctetStringRef>::from_der(value)?.as_bytes());
        return Ok(());
    }
    let mut authority = SliceReader::new(AnyRef::from_der(value)?.sequence_bytes()?)?;
    ids.authority = ContextSpecific::<&'a OctetStringRef>::decode_implicit(&mut authority, TagNumber(0))?
        .map(|id| id.value.as_bytes());
    Ok(())
}

/// The content of a sequence.
pub(crate) trait SequenceBytes<'a> {
    fn sequence_bytes(self) -> der::Result<&'a [u8]>;
}

impl<'a> SequenceBytes<'a> for AnyRef<'a> {
    fn sequence_bytes(self) -> der::Result<&'a [u8]> {
        self.tag().assert_eq(Tag::Sequence)?;
        Ok(self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Blocks;
    use crate::golden;

    #[test]
    fn reads_key_identifiers_as_go_does() {
        golden::compare("key-ids.jsonl", |case| {
            let input = case.input();
            let block = Blocks::new(&input).next().ok_or("no certificate")?;
            let ids = KeyIds::of(block.bytes.expose()).map_err(|error| error.to_string())?;
            let bytes = |id: Option<&[u8]>| id.map_or(serde_json::Value::Null, golden::bytes);
            Ok([bytes(ids.authority), bytes(ids.subject)].into_iter().collect())
        });
    }

    #[test]
    fn a_certificate_of_the_vault_becomes_pem() {
        let pem = certificate_pem("dGVzdA==").expect("base64");
        assert_eq!(pem.expose(), b"-----BEGIN CERTIFICATE-----\ndGVzdA==\n-----END CERTIFICATE-----\n");
        assert_eq!(certificate_pem("a-b_").err(), Some(EncodingError::Base64(1)));
    }
}

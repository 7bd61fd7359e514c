//! When the certificate of a file expires.

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, UtcTime};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

use crate::block::Blocks;
use crate::certificate::{LABEL, SequenceBytes as _};

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

/// `notAfter` of a certificate without a well-defined end: 9999-12-31T23:59:59Z (RFC 5280, 4.1.2.5).
const NEVER: u64 = 253_402_300_799;

/// When the certificate that a PEM text is about expires: the earliest `notAfter` of its certificates (RFC 5280,
/// 4.1.2.5), in seconds since 1970. None if there is none, or none that expires.
///
/// Beside others the certificates of authorities (`cA`, RFC 5280, 4.2.1.9) do not count: a chain is renewed when its
/// leaf is. Of authorities alone the first counts, if it is the only one or has its private key with it; otherwise the
/// text is a list of trusted roots, some of which are always about to expire. What is no certificate is passed over.
#[must_use]
pub fn first_expiry(text: &[u8]) -> Option<u64> {
    let (mut leaf, mut authority, mut authorities, mut has_key) = (None::<u64>, None, 0_usize, false);
    for block in Blocks::new(text) {
        has_key |= block.label.ends_with("PRIVATE KEY");
        let validity = (block.label == LABEL).then(|| Validity::of(block.bytes.expose()));
        let Some(Ok(Validity { end, is_authority })) = validity else { continue };
        if is_authority {
            authority = authority.or(Some(end));
            authorities += 1;
        } else {
            leaf = Some(leaf.map_or(end, |known| known.min(end)));
        }
    }
    let lone = authority.filter(|_| authorities == 1 || has_key);
    leaf.or(lone).filter(|end| *end != NEVER)
}

/// What matters of a certificate.
struct Validity {
    /// `notAfter`, in seconds since 1970.
    end: u64,
    is_authority: bool,
}

impl Validity {
    /// Looks it up; other fields are passed over, so an oddity in them is no reason to refuse.
    fn of(certificate: &[u8]) -> der::Result<Self> {
        let mut outer = SliceReader::new(AnyRef::from_der(certificate)?.sequence_bytes()?)?;
        let mut body = SliceReader::new(outer.decode::<AnyRef<'_>>()?.sequence_bytes()?)?;
        let first: AnyRef<'_> = body.decode()?;
        // Serial number, signature, issuer; before them the version, if it is not the first.
        let before = if first.tag() == context(0) { 3 } else { 2 };
        for _ in 0..before {
            body.decode::<AnyRef<'_>>()?;
        }
        let mut validity = SliceReader::new(body.decode::<AnyRef<'_>>()?.sequence_bytes()?)?;
        let _not_before: AnyRef<'_> = validity.decode()?;
        let end = seconds(validity.decode()?)?;
        let mut is_authority = false;
        while !body.is_finished() {
            let field: AnyRef<'_> = body.decode()?;
            if field.tag() == context(3) {
                let list = AnyRef::from_der(field.value())?.sequence_bytes()?;
                let mut list = SliceReader::new(list)?;
                while !list.is_finished() {
                    is_authority |= says_authority(list.decode()?)?;
                }
            }
        }
        Ok(Self { end, is_authority })
    }
}

const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn seconds(time: AnyRef<'_>) -> der::Result<u64> {
    let since = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    Ok(since.as_secs())
}

/// Whether an extension says that the certificate is one of an authority.
fn says_authority(extension: AnyRef<'_>) -> der::Result<bool> {
    let mut fields = SliceReader::new(extension.sequence_bytes()?)?;
    if fields.decode::<ObjectIdentifier>()? != BASIC_CONSTRAINTS {
        return Ok(false);
    }
    let _critical: Option<bool> = fields.decode()?;
    let value = fields.decode::<&OctetStringRef>()?.as_bytes();
    let mut constraints = SliceReader::new(AnyRef::from_der(value)?.sequence_bytes()?)?;
    if constraints.is_finished() {
        return Ok(false);
    }
    Ok(constraints.decode::<Option<bool>>()?.unwrap_or_default())
}

#[cfg(test)]
mod tests;

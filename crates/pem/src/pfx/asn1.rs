//! The structures of PKCS#12 (RFC 7292) and, as far as it needs them, of CMS and PKCS#5. All borrow from
//! the input, so nothing secret is copied.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Sequence, ValueOrd};
use spki::AlgorithmIdentifierRef;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $oid:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($oid);)*
    };
}

oids! {
    DATA = "1.2.840.113549.1.7.1";
    ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
    KEY_BAG = "1.2.840.113549.1.12.10.1.1";
    SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2";
    CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3";
    X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";
    PBES2 = "1.2.840.113549.1.5.13";
    PBE_3DES = "1.2.840.113549.1.12.1.3";
    PBE_3DES_2KEY = "1.2.840.113549.1.12.1.4";
    PBE_RC2_128 = "1.2.840.113549.1.12.1.5";
    PBE_RC2_40 = "1.2.840.113549.1.12.1.6";
    SHA1 = "1.3.14.3.2.26";
    SHA224 = "2.16.840.1.101.3.4.2.4";
    SHA256 = "2.16.840.1.101.3.4.2.1";
    SHA384 = "2.16.840.1.101.3.4.2.2";
    SHA512 = "2.16.840.1.101.3.4.2.3";
}

/// The whole file.
#[derive(Sequence)]
pub(super) struct Pfx<'a> {
    pub(super) version: u8,
    pub(super) auth_safe: ContentInfo<'a>,
    #[asn1(optional = "true")]
    pub(super) mac_data: Option<MacData<'a>>,
}

/// Something of a kind.
#[derive(Sequence, Clone, Copy)]
pub(super) struct ContentInfo<'a> {
    pub(super) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) content: AnyRef<'a>,
}

/// The MAC over the content.
#[derive(Sequence)]
pub(super) struct MacData<'a> {
    pub(super) mac: DigestInfo<'a>,
    pub(super) salt: &'a OctetStringRef,
    #[asn1(default = "one")]
    pub(super) iterations: u32,
}

fn one() -> u32 {
    1
}

#[derive(Sequence)]
pub(super) struct DigestInfo<'a> {
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) digest: &'a OctetStringRef,
}

/// An encrypted list of bags.
#[derive(Sequence)]
pub(super) struct EncryptedData<'a> {
    pub(super) version: u8,
    pub(super) content: EncryptedContent<'a>,
    #[asn1(optional = "true")]
    pub(super) attributes: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
pub(super) struct EncryptedContent<'a> {
    pub(super) content_type: ObjectIdentifier,
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) bytes: Option<&'a OctetStringRef>,
}

/// A key, a certificate, or something else.
#[derive(Sequence)]
pub(super) struct SafeBag<'a> {
    pub(super) id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) value: AnyRef<'a>,
    #[asn1(optional = "true")]
    pub(super) attributes: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
pub(super) struct CertificateBag<'a> {
    pub(super) id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) value: AnyRef<'a>,
}

/// An encrypted PKCS#8 key.
#[derive(Sequence)]
pub(super) struct EncryptedKey<'a> {
    pub(super) algorithm: AlgorithmIdentifierRef<'a>,
    pub(super) bytes: &'a OctetStringRef,
}

/// Parameters of the encryption schemes of PKCS#12 itself.
#[derive(Sequence, ValueOrd)]
pub(super) struct PbeParameters<'a> {
    pub(super) salt: &'a OctetStringRef,
    pub(super) iterations: u32,
}

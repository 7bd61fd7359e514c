use keymount_sensitive::SecretBytes;
use proptest::prelude::*;

use super::*;
use crate::block::encode_plain;
use crate::golden::fixture;

/// 2126-10-31T02:55:15Z, the end of the fixtures.
const FIXTURE: u64 = 4_949_088_915;

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u8::try_from(content.len()).expect("short");
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [head, content].concat()
}

/// A certificate as far as it is looked at. The time is UTCTime or GeneralizedTime by its length.
fn certificate(end: &str, authority: Option<bool>) -> Vec<u8> {
    let time = |text: &str| der(if text.len() == 13 { 0x17 } else { 0x18 }, &[text.as_bytes()]);
    let validity = der(0x30, &[&time("200101000000Z"), &time(end)]);
    let empty = der(0x30, &[]);
    let extensions = authority.map_or_else(Vec::new, |authority| {
        let constraints = match authority {
            true => der(0x30, &[&[0x01, 0x01, 0xff]]),
            false => der(0x30, &[]),
        };
        let extension = der(0x30, &[&[0x06, 0x03, 0x55, 0x1d, 0x13], &der(0x04, &[&constraints])]);
        der(0xa3, &[&der(0x30, &[&extension])])
    });
    let version = der(0xa0, &[&[0x02, 0x01, 0x02]]);
    let body =
        der(0x30, &[&version, &[0x02, 0x01, 0x01], &empty, &empty, &validity, &empty, &empty, &extensions]);
    der(0x30, &[&body, &empty, &[0x03, 0x01, 0x00]])
}

fn pem(blocks: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut text = SecretBytes::default();
    blocks.iter().for_each(|(label, bytes)| encode_plain(label, bytes, &mut text));
    text.into_inner()
}

#[test]
fn the_certificate_that_a_file_is_about() {
    let leaf = |end: &str| ("CERTIFICATE", certificate(end, Some(false)));
    let authority = |end: &str| ("CERTIFICATE", certificate(end, Some(true)));
    let old = |end: &str| ("CERTIFICATE", certificate(end, None));
    let key = ("PRIVATE KEY", b"key".to_vec());
    // 2027-01-15T08:00:00Z and 2030-06-01T00:00:00Z.
    let (soon, late) = (Some(1_800_000_000), Some(1_906_502_400));
    for (what, blocks, expected) in [
        ("one", vec![leaf("270115080000Z")], soon),
        ("one, as GeneralizedTime", vec![leaf("20270115080000Z")], soon),
        ("without extensions", vec![old("270115080000Z")], soon),
        ("with its key before it", vec![key.clone(), leaf("270115080000Z")], soon),
        ("a chain whose root ends first", vec![leaf("300601000000Z"), authority("270115080000Z")], late),
        ("in the other order", vec![authority("270115080000Z"), leaf("300601000000Z")], late),
        ("two of which one ends first", vec![leaf("300601000000Z"), leaf("270115080000Z")], soon),
        ("an authority alone", vec![authority("270115080000Z")], soon),
        (
            "an authority with its key and its issuer",
            vec![authority("300601000000Z"), key.clone(), authority("270115080000Z")],
            late,
        ),
        ("a list of roots", vec![authority("270115080000Z"), authority("300601000000Z")], None),
        ("without end", vec![leaf("99991231235959Z")], None),
        ("a key alone", vec![key.clone()], None),
        ("what is no certificate", vec![("CERTIFICATE", b"hello".to_vec())], None),
        ("and beside one", vec![("CERTIFICATE", b"hello".to_vec()), leaf("270115080000Z")], soon),
        ("nothing", vec![], None),
    ] {
        assert_eq!(first_expiry(&pem(&blocks)), expected, "{what}");
    }
}

#[test]
fn certificates_of_openssl() {
    for names in [&["leaf"][..], &["leaf", "intermediate", "root"], &["root"], &["leaf-rsa"], &["leaf-p384"]]
    {
        let text: Vec<u8> =
            names.iter().flat_map(|name| fixture(&format!("certificates/{name}.pem"))).collect();
        assert_eq!(first_expiry(&text), Some(FIXTURE), "{names:?}");
    }
    assert_eq!(first_expiry(&fixture("certificates/v1.pem")), Some(FIXTURE + 1));
    let roots = [fixture("certificates/intermediate.pem"), fixture("certificates/root.pem")].concat();
    assert_eq!(first_expiry(&roots), None);
}

proptest! {
    /// Whatever is changed in a certificate, it is read or passed over.
    #[test]
    fn foreign_bytes_are_no_trouble(at in 0usize..120, byte: u8, cut in 0usize..120) {
        let mut bytes = certificate("270115080000Z", Some(true));
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut % bytes.len());
        let _ = first_expiry(&pem(&[("CERTIFICATE", bytes)]));
    }
}

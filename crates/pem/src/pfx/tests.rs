use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::block::Blocks;
use crate::golden::{self, fixture};

const IN_FILE_ORDER: PfxOptions<'static> =
    PfxOptions { password: "", order_chain: false, max_bytes: 1 << 20, max_iterations: 4_000_000 };

fn convert(file: &[u8], options: &PfxOptions<'_>) -> Result<PfxPem, PfxError> {
    pfx_to_pem(&STANDARD.encode(file), options)
}

fn text(pem: &SecretBytes) -> String {
    String::from_utf8(pem.expose().clone()).expect("PEM is text")
}

#[test]
fn converts_as_go_does_and_more() {
    golden::compare("pfx.jsonl", |case| {
        let converted = convert(&case.input(), &IN_FILE_ORDER);
        converted.map(|converted| text(&converted.pem).into()).map_err(|error| error.to_string())
    });
}

/// The same key and certificate, however they are packed, give the same bytes.
#[test]
fn all_packings_agree() {
    let key = fixture("keys/p256.pem");
    let certificate = fixture("certificates/leaf.pem");
    let both = [key.as_slice(), &certificate].concat();
    for (expected, files) in [
        (
            &both,
            &[
                "3des",
                "3des-2key",
                "aes128-sha1",
                "aes192-sha224",
                "aes256-sha512",
                "des3-pbes2",
                "legacy-windows",
                "legacy-iterations-1",
                "legacy-empty-password-without-bytes",
                "no-mac",
                "no-mac-legacy",
                "plain",
                "plain-no-mac",
                "rc2-128",
            ][..],
        ),
        (&key, &["legacy-key-only", "modern-key-only"]),
        (&certificate, &["legacy-cert-only", "modern-cert-only"]),
    ] {
        for file in files {
            let converted = convert(&fixture(&format!("pfx/{file}.pfx")), &PfxOptions::default());
            let converted = converted.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(converted.pem.expose() == expected && converted.chain_complete, "{file}");
        }
    }
}

#[test]
fn the_chain_is_put_in_order() {
    let [leaf, intermediate, root] =
        ["leaf", "intermediate", "root"].map(|name| fixture(&format!("certificates/{name}.pem")));
    let key = fixture("keys/p256.pem");
    for file in ["pfx/legacy-p256-chain.pfx", "pfx/modern-p256-chain.pfx"] {
        let converted = convert(&fixture(file), &PfxOptions::default()).map_err(|error| error.to_string());
        let converted = converted.expect("a chain");
        assert_eq!(text(&converted.pem).as_bytes(), [key.as_slice(), &leaf, &intermediate, &root].concat());
        assert!(converted.chain_complete);
    }
    let incomplete = convert(&fixture("pfx/legacy-incomplete-chain.pfx"), &PfxOptions::default());
    let incomplete = incomplete.map_err(|error| error.to_string()).expect("two certificates");
    let in_file_order = convert(&fixture("pfx/legacy-incomplete-chain.pfx"), &IN_FILE_ORDER);
    assert!(!incomplete.chain_complete);
    assert_eq!(Ok(text(&incomplete.pem)), in_file_order.map(|converted| text(&converted.pem)));
}

#[test]
fn passwords_are_unicode() {
    let with = |password| PfxOptions { password, ..PfxOptions::default() };
    for file in ["pfx/legacy-password.pfx", "pfx/modern-password.pfx"] {
        let file = fixture(file);
        assert!(convert(&file, &with("s\u{e9}cret")).is_ok());
        for wrong in ["", "secret", "s\u{e9}cret "] {
            assert_eq!(convert(&file, &with(wrong)).err(), Some(PfxError::WrongPassword));
        }
    }
}

#[test]
fn a_file_can_only_cost_so_much() {
    let options = PfxOptions { max_iterations: 3_000_000, ..PfxOptions::default() };
    let costly = convert(&fixture("pfx/iterations-3000001.pfx"), &options);
    assert_eq!(costly.err(), Some(PfxError::TooManyIterations(3_000_000)));
    // MAC, certificates and key share the allowance: each of them would fit.
    let shared = PfxOptions { max_iterations: 5000, ..PfxOptions::default() };
    let file = fixture("pfx/modern-p521.pfx");
    assert_eq!(convert(&file, &shared).err(), Some(PfxError::TooManyIterations(5000)));
    let small = PfxOptions { max_bytes: file.len() - 1, ..PfxOptions::default() };
    assert_eq!(convert(&file, &small).err(), Some(PfxError::TooLarge(file.len() - 1)));
    let long = pfx_to_pem(&"A".repeat(4000), &PfxOptions { max_bytes: 1000, ..PfxOptions::default() });
    assert_eq!(long.err(), Some(PfxError::TooLarge(1000)));
    assert_eq!(pfx_to_pem("QQ-_", &options).err(), Some(EncodingError::Base64(2).into()));
}

#[test]
fn every_error_says_what_to_do() {
    let oid = asn1::DATA;
    for error in [
        EncodingError::Base64(0).into(),
        PfxError::TooLarge(1),
        PfxError::UnknownDigest(oid),
        PfxError::WrongPassword,
        PfxError::UnsupportedBag(oid),
        KeyError::Malformed.into(),
        ChainError::NoLeaf.into(),
    ] {
        assert!(error.hint().len() > 20 && !error.reason().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_file_never_panics(at in 0_usize..1000, value: u8, cut in 0_usize..1000) {
        let mut file = fixture("pfx/legacy-iterations-1.pfx");
        if let Some(byte) = file.get_mut(at) {
            *byte = value;
        }
        let options = PfxOptions { max_iterations: 10_000, ..PfxOptions::default() };
        for file in [file.as_slice(), &file[..cut.min(file.len())]] {
            if let Ok(converted) = convert(file, &options) {
                prop_assert!(Blocks::new(converted.pem.expose()).count() <= 2);
            }
        }
    }
}

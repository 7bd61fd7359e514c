use proptest::prelude::*;

use super::*;
use crate::golden::{self, fixture};

fn text(pem: SecretBytes) -> String {
    String::from_utf8(pem.into_inner()).expect("PEM is text")
}

fn certificate(name: &str) -> Vec<u8> {
    fixture(&format!("certificates/{name}.pem"))
}

#[test]
fn takes_parts_as_go_does_or_says_why_not() {
    golden::compare("tls.jsonl", |case| {
        let part = match case.op.as_str() {
            "tls-crt" => tls_certificate(&case.input()),
            _ => tls_private_key(&case.input()),
        };
        part.map(|pem| text(pem).into()).map_err(|error| error.to_string())
    });
}

#[test]
fn a_missing_or_unusable_part_is_an_error_with_reason_and_hint() {
    let leaf = certificate("leaf");
    let with_key = |name: &str| [leaf.clone(), fixture(&format!("keys/{name}.pem"))].concat();
    let broken = b"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    for (content, reason) in [
        (leaf.clone(), "NoPrivateKey"),
        (with_key("p256-public"), "NoPrivateKey"),
        (with_key("p256-parameters"), "NoPrivateKey"),
        (fixture("pfx/modern-cert-only.pfx"), "NoPrivateKey"),
        (with_key("p256-encrypted"), "EncryptedPrivateKey"),
        (with_key("rsa-pkcs1-encrypted"), "EncryptedPrivateKey"),
        (with_key("x25519"), "UnusablePrivateKey"),
        (with_key("secp256k1"), "UnusablePrivateKey"),
        ([leaf.as_slice(), broken].concat(), "UnusablePrivateKey"),
        (Vec::new(), "UnusablePfx"),
        (b"password123".to_vec(), "UnusablePfx"),
        (fixture("pfx/modern-password.pfx"), "UnusablePfx"),
    ] {
        let error = tls_private_key(&content).err().expect("no key");
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.hint().len() > 20);
    }
    for (content, reason) in [
        (fixture("keys/p256.pem"), "NoCertificate"),
        (fixture("pfx/modern-key-only.pfx"), "NoCertificate"),
        (b"-----BEGIN CERTIFICATE-----\n".to_vec(), "UnusablePfx"),
    ] {
        for part in [tls_certificate(&content), ca_certificates(&content)] {
            assert_eq!(part.err().map(|error| error.reason()), Some(reason));
        }
    }
    let broken = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert_eq!(ca_certificates(broken).err(), Some(TlsError::Certificate(MalformedCertificate)));
}

/// A PFX that was stored as a plain secret: upstream wrote an empty tls.crt and a junk tls.key.
#[test]
fn issue_273_pfx_as_text() {
    use base64::Engine as _;
    let file = fixture("pfx/modern-p256-chain.pfx");
    let text = base64::engine::general_purpose::STANDARD.encode(&file);
    for content in [file, text.clone().into_bytes(), format!("\n{text}\n").into_bytes()] {
        let key = tls_private_key(&content).map(self::text);
        assert_eq!(key.map(String::into_bytes), Ok(fixture("keys/p256-sec1.pem")));
        assert!(
            tls_certificate(&content).is_ok_and(|pem| pem.expose().starts_with(b"-----BEGIN CERTIFICATE"))
        );
    }
}

#[test]
fn ca_certificates_are_all_but_an_issued_leaf() {
    let [leaf, intermediate, root, bare, key] = [
        certificate("leaf"),
        certificate("intermediate"),
        certificate("root"),
        certificate("v1"),
        fixture("keys/p256.pem"),
    ];
    let bundle = |parts: &[&Vec<u8>]| parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
    for (content, cas) in [
        (bundle(&[&key, &leaf, &intermediate, &root]), bundle(&[&intermediate, &root])),
        (bundle(&[&root, &leaf, &intermediate]), bundle(&[&root, &intermediate])),
        (bundle(&[&leaf, &intermediate]), intermediate.clone()),
        (bundle(&[&root]), root.clone()),
        (bundle(&[&root, &bare]), bundle(&[&root, &bare])),
        (bundle(&[&leaf]), leaf.clone()),
        (bundle(&[&leaf, &root]), bundle(&[&leaf, &root])),
    ] {
        assert_eq!(ca_certificates(&content).map(text), Ok(String::from_utf8(cas).expect("PEM is text")));
    }
    let chain = ca_certificates(&fixture("pfx/legacy-p256-chain.pfx")).map(text);
    assert_eq!(chain, Ok(String::from_utf8(bundle(&[&intermediate, &root])).expect("PEM is text")));
}

proptest! {
    #[test]
    fn never_panics(text in "(-----(BEGIN|END) (CERTIFICATE|PRIVATE KEY|EC PARAMETERS)-----|\n|MAA=|MIIB|A: b){0,20}", bytes: Vec<u8>) {
        for content in [text.as_bytes(), &bytes] {
            let parts = [tls_certificate(content), tls_private_key(content), ca_certificates(content)];
            prop_assert!(parts.iter().flatten().all(|part| !part.expose().is_empty()));
        }
    }
}

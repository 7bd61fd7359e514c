//! Certificates and keys as vaults keep them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keymount_pem::{
    Blocks, Jwk, PfxOptions, ca_certificates, certificate_pem, decode_base64, decode_hex, first_expiry,
    order_chain, pfx_to_pem, public_key_pem, split, tls_certificate, tls_private_key,
};
use keymount_sensitive::SecretBytes;

/// Labels and contents of the blocks of a text.
fn blocks(pem: &[u8]) -> Vec<(String, Vec<u8>)> {
    Blocks::new(pem).map(|block| (block.label.clone(), block.bytes.expose().clone())).collect()
}

fn only(blocks: &[(String, Vec<u8>)], label: &str) -> Vec<Vec<u8>> {
    blocks.iter().filter(|(found, _)| found == label).map(|(_, bytes)| bytes.clone()).collect()
}

/// A PFX file, as a vault has it: in base64.
pub(crate) fn pfx(data: &[u8]) {
    let options = PfxOptions { max_iterations: 5_000, max_bytes: 1 << 16, ..PfxOptions::default() };
    let Ok(converted) = pfx_to_pem(&STANDARD.encode(data), &options) else { return };
    let found = blocks(converted.pem.expose());
    assert!(!found.is_empty(), "success without content");
    // What came out can be read again, by the parts of the stack that read it.
    let _ = (tls_certificate(converted.pem.expose()), tls_private_key(converted.pem.expose()));
    let (certificates, keys) = split(converted.pem.expose());
    assert_eq!(blocks(certificates.expose()).len() + blocks(keys.expose()).len(), found.len());
}

/// A PEM text.
pub(crate) fn pem(data: &[u8]) {
    let found = blocks(data);
    let mut written = SecretBytes::default();
    for block in Blocks::new(data) {
        block.encode(&mut written);
    }
    let again = blocks(written.expose());
    assert!(again.iter().all(|block| found.contains(block)), "written and read again is what was read");
    if let Ok(chain) = order_chain(data) {
        let (mut before, mut after) =
            (only(&found, "CERTIFICATE"), only(&blocks(chain.pem.expose()), "CERTIFICATE"));
        before.sort();
        after.sort();
        assert!(after.iter().all(|certificate| before.contains(certificate)), "no certificate is made up");
    }
    let _ = split(data);
    assert!(
        first_expiry(data).is_none() || !only(&found, "CERTIFICATE").is_empty(),
        "no end without a certificate"
    );
    for part in [tls_certificate(data), tls_private_key(data), ca_certificates(data)].into_iter().flatten() {
        assert!(!blocks(part.expose()).is_empty(), "never an empty part");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = certificate_pem(text);
    }
    if let Ok(bytes) = decode_base64(data) {
        assert!(bytes.expose().len() <= data.len());
    }
    if let Ok(bytes) = decode_hex(data) {
        assert!(bytes.expose().len() <= data.len());
    }
}

/// A JSON web key: its members, one a line.
pub(crate) fn jwk(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let jwk = Jwk { kty: next(), crv: next(), n: next(), e: next(), x: next(), y: next() };
    if let Ok(pem) = public_key_pem(&jwk) {
        let found = blocks(pem.expose());
        assert!(found.len() == 1 && found[0].0 == "PUBLIC KEY", "{found:?}");
    }
}

//! A bundle as two files.

use keymount_sensitive::SecretBytes;

use crate::block::Blocks;
use crate::certificate::LABEL;

/// The certificates of a PEM text, and everything else in it, each written again in order. Either may
/// be empty, as both are for a text that is not PEM (a PFX, for instance).
#[must_use]
pub fn split(pem: &[u8]) -> (SecretBytes, SecretBytes) {
    let mut certificates = SecretBytes::default();
    let mut others = SecretBytes::default();
    for block in Blocks::new(pem) {
        block.encode(if block.label == LABEL { &mut certificates } else { &mut others });
    }
    (certificates, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn splits_as_go_does() {
        golden::compare("split.jsonl", |case| {
            let (certificates, others) = split(&case.input());
            let text = |bytes: SecretBytes| String::from_utf8(bytes.into_inner()).expect("PEM");
            Ok([text(certificates), text(others)].into_iter().collect())
        });
    }
}

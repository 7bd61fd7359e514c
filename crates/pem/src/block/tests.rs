use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::golden;

fn encoded(block: &Block) -> String {
    let mut out = SecretBytes::default();
    block.encode(&mut out);
    String::from_utf8_lossy(out.expose()).into_owned()
}

#[test]
fn reads_and_writes_as_go_does() {
    golden::compare("pem.jsonl", |case| {
        let input = case.input();
        let mut blocks = Blocks::new(&input);
        let found: Vec<Value> = blocks
            .by_ref()
            .map(|block| {
                json!({
                    "type": block.label,
                    "headers": block.headers,
                    "bytes": golden::bytes(block.bytes.expose()),
                    "encoded": encoded(&block),
                })
            })
            .collect();
        Ok(json!({ "blocks": found, "rest": golden::bytes(blocks.rest()) }))
    });
}

proptest! {
    #[test]
    fn a_written_block_is_read_again(
        label in "[A-Z0-9 ]{0,12}[A-Z]",
        headers in proptest::collection::btree_map("[A-Za-z][A-Za-z-]{0,9}", "[A-Za-z0-9,]{0,9}", 0..4),
        bytes in any::<Vec<u8>>(),
        before in "[a-z \n]{0,9}",
        after in "[a-z \n]{0,9}",
    ) {
        let text = encoded(&Block { label: label.clone(), headers: headers.clone(), bytes: bytes.clone().into() });
        let text = format!("{before}\n{text}{after}");
        let mut blocks = Blocks::new(text.as_bytes());
        let block = blocks.next().expect("the block");
        prop_assert_eq!((block.label, block.headers), (label, headers));
        prop_assert_eq!(block.bytes.expose(), &bytes);
        prop_assert_eq!(blocks.rest(), after.as_bytes());
        prop_assert!(blocks.next().is_none());
    }

    #[test]
    fn never_panics_and_ends(text in "(-----BEGIN |-----END |-----|\n|A:B|A|QQ==| |\r){0,30}") {
        prop_assert!(Blocks::new(text.as_bytes()).count() <= 15);
    }
}

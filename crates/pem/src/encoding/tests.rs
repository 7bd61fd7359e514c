use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::golden;

#[test]
fn decodes_as_go_does() {
    golden::compare("encoding.jsonl", |case| {
        let decoded = match case.op.as_str() {
            "hex" => decode_hex(&case.input()),
            _ => decode_base64(&case.input()),
        };
        decoded.map(|bytes| golden::bytes(bytes.expose())).map_err(|error| error.to_string())
    });
}

proptest! {
    #[test]
    fn decodes_what_was_encoded(bytes in any::<Vec<u8>>(), breaks in 1_usize..80) {
        let text = STANDARD.encode(&bytes);
        let lines: Vec<_> = text.as_bytes().chunks(breaks).collect();
        let lines = lines.join(&b"\r\n"[..]);
        let decoded = decode_base64(&lines).expect("base64");
        prop_assert_eq!(decoded.expose(), &bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let decoded = decode_hex(hex.to_uppercase().as_bytes()).expect("hex");
        prop_assert_eq!(decoded.expose(), &bytes);
    }

    #[test]
    fn never_panics(text in any::<Vec<u8>>(), base64 in "[A-D=\n]{0,12}") {
        let _ = (decode_base64(&text), decode_hex(&text), decode_base64(base64.as_bytes()));
    }
}

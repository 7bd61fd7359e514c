//! Go's way to show a string: error texts of the Go provider that quote one must look the same.

use std::fmt::Write as _;

/// `strconv.Quote`, the `%q` of Go's formatting.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character, '"');
    }
    quoted.push('"');
    quoted
}

/// `strconv.QuoteRune` as `encoding/json` uses it: single quotes, and a byte is taken for a character.
pub(crate) fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => r#"'"'"#.into(),
        _ => {
            let mut quoted = String::from("'");
            push_escaped(&mut quoted, char::from(byte), '"');
            quoted.push('\'');
            quoted
        }
    }
}

fn push_escaped(out: &mut String, character: char, quote: char) {
    match character {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        _ if character == quote => out.extend(['\\', character]),
        ' ' => out.push(' '),
        _ => {
            let code = u32::from(character);
            // Writing to a string cannot fail.
            let _ = match code {
                0..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
                _ if is_printable(character) => write!(out, "{character}"),
                0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
        }
    }
}

/// Go prints letters, marks, numbers, punctuation and symbols.
fn is_printable(character: char) -> bool {
    character.is_ascii_graphic()
        || !character.is_whitespace() && character != '\u{ad}' && character.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        for (text, quoted) in [
            ("tru", r#""tru""#),
            ("a\"b\\", r#""a\"b\\""#),
            ("\u{7}\u{8}\u{c}\n\r\t\u{b}", r#""\a\b\f\n\r\t\v""#),
            ("\0\u{1f}\u{7f}", r#""\x00\x1f\x7f""#),
            ("é 日 😀 it's", "\"é 日 😀 it's\""),
            ("\u{a0}\u{ad}\u{200b}\u{feff}\u{e0001}", r#""\u00a0\u00ad\u200b\ufeff\U000e0001""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
        assert_eq!(quote_byte(b'\''), r"'\''");
        assert_eq!(quote_byte(b'"'), r#"'"'"#);
        assert_eq!(quote_byte(0xc3), "'Ã'");
        assert_eq!(quote_byte(0), r"'\x00'");
        assert_eq!(quote_byte(0x85), r"'\u0085'");
    }
}

//! Reading of JSON that is known to be valid.

use super::Kind;
use super::syntax::is_space;

/// Reads a text that [`validate`](super::syntax::validate) has accepted.
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim_start_matches(is_space) }
    }

    /// What the value at hand is.
    pub(super) fn kind(&self) -> Kind {
        match self.rest.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Steps into the object at hand.
    pub(super) fn open(&mut self) {
        self.advance(1);
    }

    /// The next key of the object, with its value at hand; none at the object's end.
    pub(super) fn key(&mut self) -> Option<String> {
        if self.rest.starts_with(',') {
            self.advance(1);
        }
        if !self.rest.starts_with('"') {
            return None;
        }
        let key = self.string();
        self.advance(1);
        Some(key)
    }

    /// Reads the string at hand, into a buffer that never grows (growing leaves copies behind).
    pub(super) fn string(&mut self) -> String {
        let length = self.string_length();
        let (raw, _) = self.rest.split_at(length);
        let value = unescape(raw.get(1..length.saturating_sub(1)).unwrap_or_default());
        self.advance(length);
        value
    }

    /// Steps over the value at hand.
    pub(super) fn skip(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.rest.as_bytes().first() {
                None => return,
                Some(b'"') => {
                    let length = self.string_length();
                    self.advance(length);
                }
                Some(byte) => {
                    match byte {
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    self.advance(1);
                }
            }
            if depth == 0 && self.rest.starts_with([',', '}', ']']) {
                return;
            }
        }
    }

    /// Bytes of the string at hand, with its quotes.
    fn string_length(&self) -> usize {
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        end.map_or(self.rest.len(), |end| end + 2)
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default().trim_start_matches(is_space);
    }
}

/// Resolves escapes; half a surrogate pair becomes U+FFFD, as in Go.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let (code, after) = escaped.split_at(escaped.len().min(1));
        rest = after;
        match code {
            "b" => out.push('\u{8}'),
            "f" => out.push('\u{c}'),
            "n" => out.push('\n'),
            "r" => out.push('\r'),
            "t" => out.push('\t'),
            "u" => {
                let (character, after) = unicode(rest);
                out.push(character);
                rest = after;
            }
            same => out.push_str(same),
        }
    }
    out.push_str(rest);
    out
}

/// The character of four hex digits, or of two such escapes that form a surrogate pair.
fn unicode(text: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let Some(first) = unit(text) else { return (char::REPLACEMENT_CHARACTER, text) };
    let after = &text[4..];
    let second = after.strip_prefix("\\u").and_then(unit);
    let units = [Some(first), second].into_iter().flatten();
    match char::decode_utf16(units).next() {
        Some(Ok(character)) if character.len_utf16() == 2 => (character, &after[6..]),
        Some(Ok(character)) => (character, after),
        _ => (char::REPLACEMENT_CHARACTER, after),
    }
}

//! The syntax of JSON, with the error texts of Go.

use super::JsonError;
use crate::go_text::quote_byte;

/// Go's bound on nesting.
const MAX_DEPTH: usize = 10_000;

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    /// A comma or the end of the innermost container.
    More,
}

/// Checks the whole text.
pub(super) fn validate(text: &str) -> Result<(), JsonError> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    // True for an object, false for an array.
    let mut open: Vec<bool> = Vec::new();
    let mut next = Next::Value;
    loop {
        cursor.skip_space();
        if next == Next::More && open.is_empty() {
            return match cursor.peek() {
                None => Ok(()),
                Some(byte) => Err(unexpected(byte, "after top-level value")),
            };
        }
        if cursor.peek().is_none() {
            return Err(end());
        }
        let byte = cursor.bump()?;
        next = match (next, byte) {
            (Next::Value | Next::ValueOrEnd, b'{' | b'[') => {
                if open.len() == MAX_DEPTH {
                    return Err(unexpected(byte, "exceeded max depth"));
                }
                open.push(byte == b'{');
                if byte == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd }
            }
            (Next::ValueOrEnd, b']') | (Next::KeyOrEnd, b'}') => {
                open.pop();
                Next::More
            }
            (Next::Value | Next::ValueOrEnd, _) => {
                cursor.scalar(byte)?;
                Next::More
            }
            (Next::Key | Next::KeyOrEnd, b'"') => {
                cursor.string()?;
                Next::Colon
            }
            (Next::Key | Next::KeyOrEnd, _) => {
                return Err(unexpected(byte, "looking for beginning of object key string"));
            }
            (Next::Colon, b':') => Next::Value,
            (Next::Colon, _) => return Err(unexpected(byte, "after object key")),
            (Next::More, _) => match (open.last(), byte) {
                (Some(true), b',') => Next::Key,
                (Some(false), b',') => Next::Value,
                (Some(true), b'}') | (Some(false), b']') => {
                    open.pop();
                    Next::More
                }
                (Some(true), _) => return Err(unexpected(byte, "after object key:value pair")),
                _ => return Err(unexpected(byte, "after array element")),
            },
        };
    }
}

pub(super) const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn end() -> JsonError {
    JsonError("unexpected end of JSON input".into())
}

fn unexpected(byte: u8, context: &str) -> JsonError {
    JsonError(format!("invalid character {} {context}", quote_byte(byte)))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte of a token. Go reads one space behind the end of the input.
    fn bump(&mut self) -> Result<u8, JsonError> {
        let byte = match self.peek() {
            None if self.at == self.bytes.len() => b' ',
            other => other.ok_or_else(end)?,
        };
        self.at += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| is_space(char::from(byte))) {
            self.at += 1;
        }
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(first),
            _ => Err(unexpected(first, "looking for beginning of value")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        for expected in word.bytes().skip(1) {
            let byte = self.bump()?;
            if byte != expected {
                let context = format!("in literal {word} (expecting {})", quote_byte(expected));
                return Err(unexpected(byte, &context));
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Result<(), JsonError> {
        let digit = if first == b'-' { self.digit("in numeric literal")? } else { first };
        if digit != b'0' {
            self.skip_digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
            self.skip_digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.skip_digits();
        }
        Ok(())
    }

    fn digit(&mut self, context: &str) -> Result<u8, JsonError> {
        match self.bump()? {
            byte if byte.is_ascii_digit() => Ok(byte),
            byte => Err(unexpected(byte, context)),
        }
    }

    /// The rest of a string whose opening quote is read.
    fn string(&mut self) -> Result<(), JsonError> {
        loop {
            match self.bump()? {
                b'"' => return Ok(()),
                b'\\' => match self.bump()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.bump()?;
                            if !byte.is_ascii_hexdigit() {
                                return Err(unexpected(byte, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    byte => return Err(unexpected(byte, "in string escape code")),
                },
                byte if byte < 0x20 => return Err(unexpected(byte, "in string literal")),
                _ => {}
            }
        }
    }
}

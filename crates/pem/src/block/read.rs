//! Finding the blocks in a text.

use std::collections::BTreeMap;

use keymount_sensitive::SecretBytes;

use super::Block;
use crate::encoding::decode_base64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// The blocks of a text, in order. What is not a block is passed over, and so is a block that is
/// broken.
pub struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    /// Starts at the beginning of `text`.
    #[must_use]
    pub const fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// What follows the last block that was returned.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        // A block is the text between an END line and the last BEGIN line before it. If that is none,
        // the search goes on behind this END.
        let mut text = self.rest;
        loop {
            let end = find(text, END)?;
            let candidate = &text[..end];
            let after_end = &text[end + END.len()..];
            // An empty block's END line may use the line break of its BEGIN line.
            let begin = rfind(candidate, BEGIN).filter(|at| *at == 0 || candidate[at - 1] == b'\n');
            let found = begin.map_or(Found::Broken, |at| {
                read(&text[at + BEGIN.len()..], end - at - BEGIN.len(), after_end)
            });
            match found {
                Found::Block(block, rest) => {
                    self.rest = rest;
                    return Some(block);
                }
                Found::Broken => text = after_end,
                Found::NoMore => return None,
            }
        }
    }
}

enum Found<'a> {
    /// A block, and what follows it.
    Block(Block, &'a [u8]),
    /// No block here.
    Broken,
    /// Headers without an end; Go does not look further.
    NoMore,
}

/// Reads a block from behind its `-----BEGIN `. `end` is the offset of the line break before its END,
/// `after_end` what follows `-----END `.
fn read<'a>(text: &'a [u8], end: usize, after_end: &'a [u8]) -> Found<'a> {
    let (label_line, mut body) = line(text);
    let Some(label) = label_line.strip_suffix(DASHES) else { return Found::Broken };
    let mut headers = BTreeMap::new();
    loop {
        if body.is_empty() {
            return Found::NoMore;
        }
        let (header, next) = line(body);
        let Some(colon) = header.iter().position(|byte| *byte == b':') else { break };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        headers.insert(text(&header[..colon]), text(&header[colon + 1..]));
        body = next;
    }
    let consumed = text.len() - body.len();
    if !headers.is_empty() && consumed > end {
        return if consumed > end + END.len() { Found::NoMore } else { Found::Broken };
    }
    let tail = after_end.strip_prefix(label).and_then(|tail| tail.strip_prefix(DASHES)).map(line);
    let Some((b"", rest)) = tail else { return Found::Broken };
    let content = text.get(consumed..end).unwrap_or_default();
    let digits = content.iter().copied().filter(|byte| !matches!(byte, b' ' | b'\t'));
    let mut packed = SecretBytes::new(Vec::with_capacity(content.len()));
    packed.expose_mut().extend(digits);
    match decode_base64(packed.expose()) {
        Ok(bytes) => {
            Found::Block(Block { label: String::from_utf8_lossy(label).into_owned(), headers, bytes }, rest)
        }
        Err(_) => Found::Broken,
    }
}

/// The first line without its end and the blanks before that, and what follows.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => (text[..at].strip_suffix(b"\r").unwrap_or(&text[..at]), &text[at + 1..]),
        None => (text, &text[text.len()..]),
    };
    let blanks = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    (&line[..line.len() - blanks], rest)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn rfind(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).rposition(|window| window == wanted)
}

//! The frames of one connection, as a client sends them (RFC 9113 §4).

use std::io;

use bytes::{Buf as _, BufMut as _, BytesMut};

use super::fields;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length (3), type (1), flags (1), stream (4).
const HEAD: usize = 9;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Largest frame a server takes that has not said otherwise.
const LARGEST: usize = 16 * 1024;

/// Largest block of fields of one request, in bytes: it is held until it is whole. Encoded, a tenth of this is
/// more than anybody sends.
const LARGEST_BLOCK: usize = 1024 * 1024;

/// Hands frames on, with the authority in field blocks replaced.
#[derive(Default)]
pub(super) struct Frames {
    /// The preface, a head, or a frame with fields, that has not arrived whole.
    pending: BytesMut,
    phase: Phase,
    block: Option<Block>,
}

#[derive(Default)]
enum Phase {
    #[default]
    Preface,
    /// Bytes that are left of a frame that is none of ours to change, which may be none.
    Frames { passing: usize },
    /// This is no HTTP/2, or none the server would take; it will say so itself.
    Opaque,
}

/// A field block that goes on in the next frame.
struct Block {
    flags: u8,
    stream: [u8; 4],
    priority: BytesMut,
    fragments: BytesMut,
}

impl Frames {
    /// Takes what has arrived and appends what the server shall see.
    ///
    /// # Errors
    /// A field block is larger than anybody needs.
    pub(super) fn pass(&mut self, arrived: &[u8], out: &mut BytesMut) -> io::Result<()> {
        self.pending.put_slice(arrived);
        while self.step(out)? {}
        Ok(())
    }

    /// Says whether there is more to do with what has arrived.
    fn step(&mut self, out: &mut BytesMut) -> io::Result<bool> {
        match &mut self.phase {
            Phase::Opaque => {
                out.put(self.pending.split());
                Ok(false)
            }
            Phase::Preface => {
                let known = self.pending.len().min(PREFACE.len());
                if self.pending[..known] != PREFACE[..known] {
                    self.phase = Phase::Opaque;
                } else if known < PREFACE.len() {
                    return Ok(false);
                } else {
                    out.put(self.pending.split_to(known));
                    self.phase = Phase::Frames { passing: 0 };
                }
                Ok(true)
            }
            Phase::Frames { passing: 0 } => self.next_frame(out),
            Phase::Frames { passing } => {
                let length = self.pending.len().min(*passing);
                *passing -= length;
                out.put(self.pending.split_to(length));
                Ok(length > 0)
            }
        }
    }

    fn next_frame(&mut self, out: &mut BytesMut) -> io::Result<bool> {
        let Some((head, _)) = self.pending.split_first_chunk::<HEAD>() else { return Ok(false) };
        let &[a, b, c, kind, flags, ref stream @ ..] = head;
        let (length, stream) = (u32::from_be_bytes([0, a, b, c]) as usize, *stream);
        if kind != HEADERS && kind != CONTINUATION {
            self.phase = Phase::Frames { passing: HEAD + length };
            return Ok(true);
        }
        if length > LARGEST {
            self.phase = Phase::Opaque;
            return Ok(true);
        }
        if self.pending.len() < HEAD + length {
            return Ok(false);
        }
        let frame = self.pending.split_to(HEAD + length);
        let payload = BytesMut::from(&frame[HEAD..]);
        let block = match (kind, self.block.take()) {
            (HEADERS, None) => Block::begin(flags, stream, payload),
            (CONTINUATION, Some(mut block)) if block.stream == stream => {
                block.flags |= flags & END_HEADERS;
                block.fragments.put(payload);
                Some(block)
            }
            _ => None,
        };
        match block {
            // The server finds out itself what is wrong with these frames.
            None => {
                self.phase = Phase::Opaque;
                out.put(frame);
            }
            Some(block) if block.flags & END_HEADERS != 0 => block.write(out),
            Some(block) if block.fragments.len() > LARGEST_BLOCK => {
                let text = "the header fields of a request take more than 1 MiB";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            Some(block) => self.block = Some(block),
        }
        Ok(true)
    }
}

impl Block {
    /// Takes the parts of a HEADERS frame apart; padding is left out.
    fn begin(flags: u8, stream: [u8; 4], mut payload: BytesMut) -> Option<Self> {
        if flags & PADDED != 0 {
            let padding = usize::from(payload.try_get_u8().ok()?);
            payload.truncate(payload.len().checked_sub(padding)?);
        }
        let priority = if flags & PRIORITY != 0 { 5 } else { 0 };
        if payload.len() < priority {
            return None;
        }
        let priority = payload.split_to(priority);
        Some(Self { flags: flags & !PADDED, stream, priority, fragments: payload })
    }

    fn write(self, out: &mut BytesMut) {
        let mut payload = self.priority;
        payload.put_slice(&fields::with_any_authority(&self.fragments));
        let mut kind = HEADERS;
        loop {
            let fragment = payload.split_to(payload.len().min(LARGEST));
            let last = if payload.is_empty() { END_HEADERS } else { 0 };
            let others = if kind == HEADERS { self.flags & !END_HEADERS } else { 0 };
            out.put_uint(fragment.len() as u64, 3);
            out.put_u8(kind);
            out.put_u8(others | last);
            out.put_slice(&self.stream);
            out.put(fragment);
            if last != 0 {
                return;
            }
            kind = CONTINUATION;
        }
    }
}

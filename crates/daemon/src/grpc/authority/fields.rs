//! A block of header fields (RFC 7541, HPACK), walked without decoding it.
//!
//! No table is needed to replace an authority: every field is skipped by its length, and the value of a literal
//! `:authority` becomes a single character. The server's dynamic table then holds a smaller entry than the
//! client's; it can only keep entries longer than the client thinks. Indices count from the newest entry, so every
//! index that the client uses still means the same.

use bytes::{Buf as _, BufMut as _, BytesMut};

/// Index of `:authority` in the static table.
const AUTHORITY: u64 = 1;

/// What every authority becomes. Not longer than any that is not empty.
const REPLACEMENT: &[u8] = b"x";

/// The block with every literal authority replaced; unchanged if it cannot be read, which the server behind will
/// find as well.
pub(super) fn with_any_authority(block: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(block.len());
    let mut rest = block;
    while !rest.is_empty() {
        if field(&mut rest, &mut out).is_none() {
            return BytesMut::from(block);
        }
    }
    out
}

/// Copies one field, or change of the table's size.
fn field(rest: &mut &[u8], out: &mut BytesMut) -> Option<()> {
    let begin = *rest;
    let kind = *begin.first()?;
    // Bits of the index in the first byte, and whether it is a literal with a name index.
    let (bits, literal) = match kind {
        0x80.. => (7, false),
        0x40..0x80 => (6, true),
        0x20..0x40 => (5, false),
        0..0x20 => (4, true),
    };
    let index = integer(rest, bits)?;
    if literal && index == 0 {
        string(rest)?;
    }
    out.put_slice(&begin[..begin.len() - rest.len()]);
    if literal {
        let value = string(rest)?;
        if index == AUTHORITY && value.len() > 1 {
            out.put_u8(u8::try_from(REPLACEMENT.len()).ok()?);
            out.put_slice(REPLACEMENT);
        } else {
            out.put_slice(value);
        }
    }
    Some(())
}

/// Skips a string literal and gives its bytes, length and all.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let begin = *rest;
    let length = usize::try_from(integer(rest, 7)?).ok()?;
    *rest = rest.get(length..)?;
    Some(&begin[..begin.len() - rest.len()])
}

/// Reads an integer whose first byte has `bits` bits for it (RFC 7541 §5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Option<u64> {
    let all_ones = (1 << bits) - 1;
    let mut value = u64::from(rest.try_get_u8().ok()?) & all_ones;
    if value < all_ones {
        return Some(value);
    }
    for shift in [0, 7, 14, 21, 28] {
        let byte = rest.try_get_u8().ok()?;
        value += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

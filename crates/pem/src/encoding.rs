//! Base64 and hexadecimal text as Go's standard library decodes it, with its error texts.

use keymount_sensitive::SecretBytes;
use thiserror::Error;

/// Text that is not what its encoding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodingError {
    /// The byte at this offset does not belong there.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    /// Half a byte is left over.
    #[error("encoding/hex: odd length hex string")]
    OddHex,
    /// Not a hexadecimal digit. (Go takes the byte for a character, and so does this text.)
    #[error("encoding/hex: invalid byte: {}", code_point(*.0))]
    Hex(u8),
}

impl EncodingError {
    /// A stable code, spelled like the reasons of Kubernetes conditions.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "InvalidEncoding"
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Base64(_) => {
                "the value in the vault is not base64 (standard alphabet, with padding): leave \
                 objectEncoding out if it is plain text"
            }
            Self::OddHex | Self::Hex(_) => {
                "the value in the vault is not hexadecimal: leave objectEncoding out if it is plain text"
            }
        }
    }
}

/// Decodes base64 with the standard alphabet and padding. Line breaks are skipped wherever they stand;
/// bits that the padding cuts off are not looked at.
///
/// # Errors
/// [`EncodingError::Base64`] for anything else.
pub fn decode_base64(text: &[u8]) -> Result<SecretBytes, EncodingError> {
    let mut bytes = SecretBytes::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let mut input = text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    // Line breaks count for the offset of an unexpected end.
    let end = text.len();
    let mut group = 0_u32;
    let mut digits = 0;
    while let Some((at, byte)) = input.next() {
        if byte == b'=' {
            let padding = match digits {
                2 => match input.next() {
                    Some((_, b'=')) => Ok(()),
                    Some((at, _)) => Err(at - 1),
                    None => Err(end),
                },
                3 => Ok(()),
                _ => Err(at),
            };
            padding.map_err(EncodingError::Base64)?;
            if let Some((at, _)) = input.next() {
                return Err(EncodingError::Base64(at));
            }
            group <<= 6 * (4 - digits);
            bytes.expose_mut().extend(group.to_be_bytes().iter().skip(1).take(digits - 1));
            return Ok(bytes);
        }
        group = group << 6 | u32::from(value(byte).ok_or(EncodingError::Base64(at))?);
        digits += 1;
        if digits == 4 {
            bytes.expose_mut().extend_from_slice(&group.to_be_bytes()[1..]);
            (group, digits) = (0, 0);
        }
    }
    if digits == 0 { Ok(bytes) } else { Err(EncodingError::Base64(end - digits)) }
}

/// Decodes hexadecimal digits of either case.
///
/// # Errors
/// [`EncodingError::Hex`] for another byte, else [`EncodingError::OddHex`].
pub fn decode_hex(text: &[u8]) -> Result<SecretBytes, EncodingError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(EncodingError::Hex(byte));
    let mut bytes = SecretBytes::new(Vec::with_capacity(text.len() / 2));
    let pairs = text.chunks_exact(2);
    let left_over = pairs.remainder();
    for pair in pairs {
        let [high, low] = [digit(pair[0])?, digit(pair[1])?];
        bytes.expose_mut().extend(u8::try_from(high << 4 | low).ok());
    }
    match left_over {
        [byte, ..] => Err(digit(*byte).err().unwrap_or(EncodingError::OddHex)),
        [] => Ok(bytes),
    }
}

const fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Go's `%#U`.
fn code_point(byte: u8) -> String {
    let character = char::from(byte);
    let number = format!("U+{byte:04X}");
    if byte == b' ' || character.is_ascii_graphic() || (byte > 0xa0 && byte != 0xad) {
        format!("{number} '{character}'")
    } else {
        number
    }
}

#[cfg(test)]
mod tests;

//! Bodies in `application/vnd.kubernetes.protobuf`, for the few kinds that clients written in Go write in it:
//! controller-runtime and the `create` commands of kubectl. Answers are JSON, which every client takes.
//!
//! The wire form is that of the `generated.proto` files of the Kubernetes API, behind the prefix `k8s\0` and
//! in a `runtime.Unknown`.

mod messages;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use messages::{Field, Kind, Message};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";

/// Messages are not nested deeper than this.
const MAX_DEPTH: u32 = 16;

/// Reads an object; `None` when it is no object of a kind that is known here.
pub(crate) fn decode(body: &[u8]) -> Option<Value> {
    let unknown = message(&messages::UNKNOWN, body.strip_prefix(MAGIC)?, 0)?;
    let kind = unknown["typeMeta"]["kind"].as_str()?;
    let known = messages::KINDS.iter().find(|known| known.name == kind)?;
    let raw = STANDARD.decode(unknown["raw"].as_str().unwrap_or_default()).ok()?;
    let mut object = message(known, &raw, 0)?;
    object["kind"] = kind.into();
    object["apiVersion"] = unknown["typeMeta"]["apiVersion"].clone();
    Some(object)
}

/// A value on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Takes a variable-length number off the front.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes a field off the front: its number and its value.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = varint(bytes)?;
    let wire = match tag & 7 {
        0 => Wire::Number(varint(bytes)?),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (value, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Wire::Bytes(value)
        }
        // No field of these messages has a fixed length.
        _ => return None,
    };
    Some((tag >> 3, wire))
}

/// Reads a message; unknown fields are skipped, as are empty texts, which Go writes out.
fn message(form: &Message, mut bytes: &[u8], depth: u32) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut map = Map::new();
    while !bytes.is_empty() {
        let (number, wire) = field(&mut bytes)?;
        let Some(Field { name, kind, repeated, .. }) =
            form.fields.iter().find(|field| field.number == number)
        else {
            continue;
        };
        if let Kind::Map(values) = kind {
            let Wire::Bytes(entry) = wire else { return None };
            let (key, value) = entry_of(values, entry, depth)?;
            let members = map.entry(*name).or_insert_with(|| Value::Object(Map::new()));
            members.as_object_mut()?.insert(key, value);
            continue;
        }
        let Some(value) = value(kind, &wire, depth)? else { continue };
        if *repeated {
            map.entry(*name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?.push(value);
        } else {
            map.insert((*name).to_owned(), value);
        }
    }
    Some(Value::Object(map))
}

/// A value as JSON; the inner `None` is what JSON leaves out.
fn value(kind: &Kind, wire: &Wire<'_>, depth: u32) -> Option<Option<Value>> {
    let value = match (kind, wire) {
        (Kind::Text, Wire::Bytes([])) | (Kind::Time, Wire::Bytes(_)) => return Some(None),
        (Kind::Text, Wire::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.into(),
        (Kind::Bytes, Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Kind::Bool, Wire::Number(number)) => (*number != 0).into(),
        // Negative numbers are written as their two's complement.
        (Kind::Number, Wire::Number(number)) => number.cast_signed().into(),
        (Kind::Message(inner), Wire::Bytes(bytes)) => message(inner, bytes, depth + 1)?,
        _ => return None,
    };
    Some(Some(value))
}

/// Key and value of an entry of a map.
fn entry_of(values: &Kind, mut bytes: &[u8], depth: u32) -> Option<(String, Value)> {
    let (mut key, mut found) = (String::new(), Value::String(String::new()));
    while !bytes.is_empty() {
        match field(&mut bytes)? {
            (1, Wire::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.clone_into(&mut key),
            (2, wire) => {
                if let Some(value) = value(values, &wire, depth)? {
                    found = value;
                }
            }
            _ => {}
        }
    }
    Some((key, found))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).expect("short")], content].concat()
    }

    fn body(kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [bytes(1, b"v1"), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &types), bytes(2, raw), bytes(3, b""), bytes(4, b"")].concat()
    }

    #[test]
    fn reads_a_secret_as_go_writes_it() {
        let label = [bytes(1, b"a"), bytes(2, b"b")].concat();
        let owner =
            [bytes(1, b"Pod"), bytes(3, b"p"), bytes(4, b"u"), bytes(5, b"v1"), vec![6 << 3, 1]].concat();
        let meta = [
            bytes(1, b"s"),
            bytes(3, b""),
            vec![7 << 3, 0],
            bytes(8, b""),
            bytes(11, &label),
            bytes(13, &owner),
        ]
        .concat();
        let data = [bytes(1, b"k"), bytes(2, b"v")].concat();
        let raw = [bytes(1, &meta), bytes(2, &data), bytes(3, b"Opaque")].concat();
        assert_eq!(
            decode(&body("Secret", &raw)).expect("a Secret"),
            json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"k": "dg=="},
                "metadata": {"name": "s", "labels": {"a": "b"}, "ownerReferences": [
                    {"kind": "Pod", "name": "p", "uid": "u", "apiVersion": "v1", "controller": true}]}})
        );
        let zero = decode(&body("DeleteOptions", &[1 << 3, 0])).expect("options");
        assert_eq!(zero["gracePeriodSeconds"], 0);
    }

    #[test]
    fn junk_is_no_object() {
        let good = body("Secret", &bytes(1, &bytes(1, b"s")));
        for end in 0..good.len() {
            let _ = decode(&good[..end]);
        }
        for junk in [
            b"".to_vec(),
            b"k8s\0".to_vec(),
            b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            body("Other", b""),
            body("Secret", &[0xff; 4]),
        ] {
            assert_eq!(decode(&junk), None);
        }
    }
}

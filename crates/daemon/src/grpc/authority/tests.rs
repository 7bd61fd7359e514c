use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::fields::with_any_authority;
use super::frames::Frames;
use crate::grpc::{Endpoint, Listener, serve};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The socket path as grpc-go puts it into `:authority`, as a literal that goes into the dynamic table.
const ESCAPED: &[u8] = b"\x41\x15%2Frun%2Fx%2Freg.sock";
/// `:method: POST`, `:scheme: http`, `:path: /a/b`, `content-type: application/grpc`, `te: trailers`.
const BEFORE: &[u8] = b"\x83\x86\x44\x04/a/b";
const AFTER: &[u8] = b"\x5f\x10application/grpc\x40\x02te\x08trailers";

fn block() -> Vec<u8> {
    [BEFORE, ESCAPED, AFTER].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    frame.put_uint(payload.len() as u64, 3);
    frame.put_u8(kind);
    frame.put_u8(flags);
    frame.put_u32(stream);
    frame.put_slice(payload);
    frame.to_vec()
}

/// What the server sees of bytes that arrive in pieces of the given size.
fn seen(bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut frames, mut out) = (Frames::default(), BytesMut::new());
    for piece in bytes.chunks(piece) {
        frames.pass(piece, &mut out).unwrap();
    }
    out.to_vec()
}

#[test]
fn only_the_value_of_a_literal_authority_changes() {
    let long = [&b"\x41\x7f\x49"[..], &[b'%'; 200]].concat();
    for (field, expected) in [
        (ESCAPED, &b"\x41\x01x"[..]),
        // Not for the table, never for a table, encoded by Huffman, long.
        (b"\x01\x03%2F", b"\x01\x01x"),
        (b"\x11\x03%2F", b"\x11\x01x"),
        (b"\x41\x83\x15\x2c\x8c", b"\x41\x01x"),
        (&long, b"\x41\x01x"),
        // Empty: nothing is shorter.
        (b"\x41\x00", b"\x41\x00"),
        // From the tables, other names, a new name, a change of the table's size.
        (b"\xbe", b"\xbe"),
        (b"\x44\x04/a/b", b"\x44\x04/a/b"),
        (b"\x40\x02te\x08trailers", b"\x40\x02te\x08trailers"),
        (b"\x3f\xe1\x1f", b"\x3f\xe1\x1f"),
    ] {
        let (block, expected) = ([BEFORE, field, AFTER].concat(), [BEFORE, expected, AFTER].concat());
        assert_eq!(with_any_authority(&block), expected, "{field:x?}");
    }
}

#[test]
fn what_cannot_be_read_is_left_to_the_server() {
    for block in [&b"\x41\x14%2F"[..], b"\x41", b"\xff\xff\xff\xff\xff\xff\xff", b"\x00"] {
        assert_eq!(with_any_authority(block), block, "{block:x?}");
    }
    for bytes in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        assert_eq!(seen(bytes, 5), bytes);
    }
}

#[test]
fn frames_are_told_apart_wherever_they_break() {
    let expected = [BEFORE, b"\x41\x01x", AFTER].concat();
    let settings = frame(4, 0, 0, b"");
    // With padding and priority, and split over three frames.
    let padded = [&[3, 0, 0, 0, 0, 16][..], &block(), &[0; 3]].concat();
    let parts = block();
    let data = frame(0, 1, 1, &[0x41; 40_000]);
    let sent = [
        PREFACE,
        &settings,
        &frame(1, 0x4 | 0x8 | 0x20, 1, &padded),
        &data,
        &frame(1, 0x1, 3, &parts[..9]),
        &frame(9, 0, 3, &parts[9..15]),
        &frame(9, 0x4, 3, &parts[15..]),
        &settings,
    ]
    .concat();
    let wanted = [
        PREFACE,
        &settings,
        &frame(1, 0x4 | 0x20, 1, &[&[0, 0, 0, 0, 16], &expected[..]].concat()),
        &data,
        &frame(1, 0x1 | 0x4, 3, &expected),
        &settings,
    ]
    .concat();
    for piece in [1, 2, 7, 24, 100, 1000, sent.len()] {
        assert!(seen(&sent, piece) == wanted, "in pieces of {piece}");
    }
}

#[test]
fn blocks_may_be_long_but_not_endless() {
    let value = vec![b'v'; 40_000];
    let field = [&b"\x40\x01n\x7f\xc1\xb7\x02"[..], &value].concat();
    let split = |at: usize| {
        [
            &frame(1, 0, 1, &field[..at])[..],
            &frame(9, 0, 1, &field[at..2 * at]),
            &frame(9, 4, 1, &field[2 * at..]),
        ]
        .concat()
    };
    let sent = [PREFACE, &split(16_000)].concat();
    let out = seen(&sent, 4096);
    assert!(out == [PREFACE, &split(16 * 1024)].concat());

    let mut frames = Frames::default();
    let mut out = BytesMut::new();
    frames.pass(PREFACE, &mut out).unwrap();
    frames.pass(&frame(1, 0, 1, b""), &mut out).unwrap();
    let more = frame(9, 0, 1, &[0x80; 16_000]);
    let refused = (0..100).any(|_| frames.pass(&more, &mut out).is_err());
    assert!(refused, "a client fills the memory");
}

proptest! {
    #[test]
    fn anything_may_arrive(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
        let sent = [PREFACE, &bytes].concat();
        prop_assert_eq!(seen(&sent, piece), seen(&sent, sent.len()));
        let _ = with_any_authority(&bytes);
    }
}

/// The frames a server answers with, until the one of the given stream that ends it: type and stream.
async fn answer(stream: &mut UnixStream, of: u32) -> (u8, Bytes) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        if u32::from_be_bytes([head[5], head[6], head[7], head[8]]) == of {
            return (head[3], payload.into());
        }
    }
}

#[tokio::test]
async fn kubelets_registration_client_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("reg.sock");
    let listener = Listener::bind(&Endpoint::Unix(path.clone())).await.unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, Routes::default(), stop.clone(), Duration::from_secs(5)));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    // The second request names everything by the client's dynamic table, newest entry first.
    let again = b"\x83\x86\xc1\xc0\xbf\xbe";
    let requests =
        [PREFACE, &frame(4, 0, 0, b""), &frame(1, 0x4 | 0x1, 1, &block()), &frame(1, 0x4 | 0x1, 3, again)]
            .concat();
    stream.write_all(&requests).await.unwrap();
    for request in [1, 3] {
        let (kind, payload) = answer(&mut stream, request).await;
        assert_eq!(kind, 1, "a HEADERS frame, not RST_STREAM: {payload:x?}");
    }
    drop(stream);
    stop.cancel();
    server.await.unwrap().unwrap();
}

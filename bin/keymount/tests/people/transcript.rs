//! What the documentation shows of the program is what it printed here.
//!
//! A block of a page behind `<!-- recorded: NAME -->` is compared with what a test made the program print; ages, versions, ids and
//! times of day, which differ from run to run, are the same in both. `KEYMOUNT_RECORD=1` writes the blocks instead.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

/// In place of every age, version and id.
const AGE: &str = "42s";
const VERSION: &str = "6b1f0a4de0c84f7f9a3c5d2e81b7c640";
const ID: &str = "3c0e7a52-91d4-4b6f-8a27-d5e9c1f40b68";
const TIME: &str = "2026-11-24T12:00:00Z";

/// Compares with the block of this name, or writes it. `page` is below docs.
pub(crate) fn recorded(page: &str, name: &str, arguments: &[&str], printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let block = format!("```text\n$ keymount {}\n{}```\n", arguments.join(" "), settled(printed));
    let mut file = File::options().read(true).write(true).open(&path).expect("a page");
    // Every test is a process of its own.
    file.lock().expect("a lock");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("a page");
    let mark = format!("<!-- recorded: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("{page} has no place for {name}"));
    let end = rest.find("```\n").map_or(0, |end| end + "```\n".len());
    let old = rest.get(..end).filter(|old| old.starts_with("```text\n"));
    if old == Some(block.as_str()) {
        return;
    }
    if !is_recording() {
        panic!("{page} shows something else for {name}; KEYMOUNT_RECORD=1 writes it anew:\n{block}");
    }
    let rest = old.map_or(rest, |old| &rest[old.len()..]);
    let text = format!("{before}{mark}{block}{rest}");
    file.rewind()
        .and_then(|()| file.set_len(0))
        .and_then(|()| file.write_all(text.as_bytes()))
        .expect("a page");
}

#[expect(clippy::disallowed_methods, reason = "a switch for people, who write pages anew")]
fn is_recording() -> bool {
    std::env::var_os("KEYMOUNT_RECORD").is_some()
}

/// The text without what differs from run to run, and without the events, whose order may.
fn settled(printed: &str) -> String {
    let shown = printed.split_once("\nEvents\n").map_or(printed, |(before, _)| before);
    let mut text = String::new();
    for line in shown.trim_end().lines() {
        text.push_str(line_of(line).trim_end());
        text.push('\n');
    }
    text
}

fn line_of(line: &str) -> String {
    let (line, mut out) = (without_ports(line), String::new());
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some(length) = time(rest) {
            out.push_str(TIME);
            rest = &rest[length..];
            continue;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        if word.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with(" ms") {
            // On the right of its column, or in a sentence.
            let gap = if out.ends_with("  ") { word.len() - 1 } else { 0 };
            out.extend(std::iter::repeat_n(' ', gap));
            out.push('4');
            continue;
        }
        let is_minutes = rest.starts_with(" min") && word.bytes().all(|b| b.is_ascii_digit());
        let put = match word {
            _ if is_minutes => "59",
            word if is_age(word) => AGE,
            word if word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit()) => VERSION,
            word if is_random_id(word) => ID,
            word => word,
        };
        out.push_str(put);
        // Columns stay where they are.
        if put != word && rest.starts_with("  ") {
            rest = rest.trim_start_matches(' ');
            let gap = (word.len() + after.len() - rest.len()).saturating_sub(put.len()).max(2);
            out.extend(std::iter::repeat_n(' ', gap));
        }
    }
    out
}

/// The emulator's hosts without the port that it happened to get.
fn without_ports(line: &str) -> String {
    ["keymount.test:", "127.0.0.1:"].iter().fold(line.to_owned(), |line, host| {
        let mut parts = line.split(host);
        let first = parts.next().unwrap_or_default().to_owned();
        let without = |part: &str| part.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
        parts.fold(first, |line, part| line + host.trim_end_matches(':') + &without(part))
    })
}

/// `5d23h`, `42s`.
fn is_age(word: &str) -> bool {
    let parts: Vec<&str> = word.split_inclusive(['s', 'm', 'h', 'd']).collect();
    let is_part = |part: &&str| {
        part.len() > 1
            && part.ends_with(['s', 'm', 'h', 'd'])
            && part[..part.len() - 1].bytes().all(|b| b.is_ascii_digit())
    };
    (1..=2).contains(&parts.len()) && parts.iter().all(is_part)
}

/// A GUID that nobody has chosen.
fn is_random_id(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').map(str::len).collect();
    let chosen = ["7e9a0000-", "11111111-", "keymount"].iter().any(|begin| word.starts_with(begin));
    parts == [8, 4, 4, 4, 12] && word.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()) && !chosen
}

/// Length of a time of day with its date at the beginning, as Entra and Kubernetes write it.
fn time(text: &str) -> Option<usize> {
    let form = "dddd-dd-ddxdd:dd:dd";
    let is_it = text.len() >= form.len()
        && form.bytes().zip(text.bytes()).all(|(form, byte)| match form {
            b'd' => byte.is_ascii_digit(),
            b'x' => byte == b'T' || byte == b' ',
            other => byte == other,
        });
    let rest = text.get(form.len()..).filter(|_| is_it)?;
    let fraction = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
    Some(form.len() + fraction + usize::from(rest[fraction..].starts_with('Z')))
}

#[test]
fn what_differs_from_run_to_run_is_the_same_in_both() {
    for (printed, settled_) in [
        ("web   Mounted   5d23h   3s\nx", "web   Mounted   42s     42s\nx\n"),
        ("at 0123456789abcdef0123456789abcdef,", "at 6b1f0a4de0c84f7f9a3c5d2e81b7c640,\n"),
        ("tenant 7e9a0000-0000-4000-8000-000000000001", "tenant 7e9a0000-0000-4000-8000-000000000001\n"),
        (
            "Trace ID: 01234567-89ab-4def-8123-456789abcdef.",
            "Trace ID: 3c0e7a52-91d4-4b6f-8a27-d5e9c1f40b68.\n",
        ),
        (
            "until 2026-11-24T15:04:05.678Z or 2026-11-24 15:04:05Z",
            "until 2026-11-24T12:00:00Z or 2026-11-24T12:00:00Z\n",
        ),
        ("since 2d, 1s1 5m5", "since 42s, 1s1 5m5\n"),
        ("tcp      12 ms  127.0.0.1:4711 in about 12 ms", "tcp       4 ms  127.0.0.1 in about 4 ms\n"),
        ("https://kv1.vault.keymount.test:40861/secrets", "https://kv1.vault.keymount.test/secrets\n"),
        ("good for 60 min", "good for 59 min\n"),
        ("a\n\nEvents\n  3s  b", "a\n"),
    ] {
        assert_eq!(settled(printed), settled_, "{printed}");
    }
}

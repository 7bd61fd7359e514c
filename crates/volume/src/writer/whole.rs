//! For tests: generations that show whether they are whole, and the smallest way to write one.

use std::path::Path;

use keymount_sensitive::SecretBytes;

use super::*;
use crate::payload::{FileSpec, Limits};

pub(crate) fn spec(path: &str, mode: i32, contents: &[u8]) -> FileSpec {
    FileSpec { path: path.to_owned(), mode, contents: SecretBytes::new(contents.to_vec()) }
}

pub(crate) fn payload(files: &[(&str, i32, &str)]) -> Payload {
    let files = files.iter().map(|(path, mode, contents)| spec(path, *mode, contents.as_bytes()));
    Payload::validate(files.collect(), &Limits::default()).expect("valid")
}

pub(crate) fn record(versions: &[(&str, &str)]) -> Record {
    let versions = versions.iter().map(|(id, version)| ((*id).to_owned(), (*version).to_owned()));
    Record { class: "class".to_owned(), versions: versions.collect(), ..Record::default() }
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_478_400 + seconds).expect("a timestamp")
}

/// Writes to a plain directory, as a driver would to a volume.
pub(crate) fn write_to(root: &Path, payload: &Payload, ownership: Ownership) -> Result<Replaced, StepError> {
    let record = Record::default();
    let write = Write { payload, record: &record, ownership, root_mode: 0o755, now: time(0) };
    let root = Dir::open(root).expect("opens");
    let found = layout::content(&root).expect("reads");
    write.to(&root, found)
}

/// The files of generation `number`. Every file says the number; one comes and goes with it, one grows with it.
pub(crate) fn numbered(number: u64) -> Payload {
    let text = number.to_string();
    let long = format!("{text}\n").repeat(usize::try_from(number % 97).expect("small") * 20 + 1);
    let mut files = vec![
        spec("first", 0o644, text.as_bytes()),
        spec("nested/deep/second", 0o600, long.as_bytes()),
        spec("nested/third", 0o644, text.as_bytes()),
    ];
    if number.is_multiple_of(2) {
        files.push(spec("even", 0o644, text.as_bytes()));
    }
    Payload::validate(files, &Limits::default()).expect("valid")
}

/// The number of the generation in this directory (a generation's own, or a volume as a container sees it).
/// Panics if it is not whole, `None` if files of it are gone.
pub(crate) fn number_of(directory: &Path) -> Option<u64> {
    let read = |name: &str| match std::fs::read_to_string(directory.join(name)) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{name}: {error}"),
    };
    let number: u64 = read("first")?.parse().expect("never empty or cut off");
    let wanted = numbered(number);
    for (path, file) in wanted.files() {
        assert_eq!(read(path.as_str())?.as_bytes(), file.contents.expose().as_slice(), "{path} of {number}");
    }
    Some(number)
}

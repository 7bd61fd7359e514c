//! Readers beside a writer that never rests.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::whole::{number_of, numbered, write_to};
use super::*;

const GENERATIONS: u64 = 3000;

#[test]
fn i2_readers_see_whole_generations() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path();
    write_to(root, &numbered(0), Ownership::default()).expect("writes");
    let done = AtomicBool::new(false);
    let gone = AtomicU64::new(0);
    let read = |read: &dyn Fn() -> Option<u64>| {
        let (mut newest, mut seen) = (0, 0);
        while !done.load(Ordering::SeqCst) {
            match read() {
                Some(number) => {
                    assert!(number >= newest, "{number} after {newest}");
                    seen += u64::from(number > newest);
                    newest = number;
                }
                // Replaced while it was read.
                None => _ = gone.fetch_add(1, Ordering::SeqCst),
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        // One that wants all files of one generation, as a program with several files should.
        let whole = scope.spawn(|| {
            read(&|| number_of(&root.join(std::fs::read_link(root.join(DATA)).expect("always there"))))
        });
        // One that opens a file by its name again and again, as most programs do.
        let single = scope.spawn(|| {
            read(&|| match std::fs::read_to_string(root.join("first")) {
                Ok(text) => Some(text.parse().expect("never empty or cut off")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => panic!("{error}"),
            })
        });
        for number in 1..=GENERATIONS {
            let written = write_to(root, &numbered(number), Ownership::default()).expect("writes");
            assert_eq!(written, Replaced::Written);
        }
        done.store(true, Ordering::SeqCst);
        let [whole, single] = [whole, single].map(|reader| reader.join().expect("reads"));
        println!("whole: {whole} changes seen, single: {single}, replaced while read: {gone:?}");
        assert!(whole > 10 && single > 10);
    });
    assert_eq!(number_of(root), Some(GENERATIONS));
}

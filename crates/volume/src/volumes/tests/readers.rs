//! Readers beside a writer that never rests.

use super::*;

const GENERATIONS: u64 = 2000;

/// What one reader saw.
#[derive(Debug, Default)]
struct Seen {
    newest: u64,
    changes: u64,
    /// Reads that began in one generation and ended after it was removed.
    overtaken: u64,
}

/// Reads until the writer is done. `None` from a read: the generation was removed meanwhile.
fn look(done: &AtomicBool, read: impl Fn() -> Option<u64>) -> Seen {
    let mut seen = Seen::default();
    while !done.load(Ordering::SeqCst) {
        match read() {
            Some(number) => {
                assert!(number >= seen.newest, "{number} after {}", seen.newest);
                seen.changes += u64::from(number > seen.newest);
                seen.newest = number;
            }
            None => seen.overtaken += 1,
        }
    }
    seen
}

/// A path walk takes its steps one by one: it must find its file also when the switch comes between them.
#[test]
fn i2_a_reader_by_name_never_finds_nothing() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        node.publish(&target, 0).expect("publishes");
        let (done, reads) = (AtomicBool::new(false), [AtomicU64::new(0), AtomicU64::new(0)]);
        std::thread::scope(|scope| {
            let (done, target) = (&done, &target);
            let readers: Vec<_> = reads
                .iter()
                .map(|reads| {
                    scope.spawn(move || {
                        look(done, || {
                            let text = std::fs::read_to_string(target.join("first")).expect("always there");
                            reads.fetch_add(1, Ordering::SeqCst);
                            Some(text.parse().expect("never empty or cut off"))
                        })
                    })
                })
                .collect();
            let ending = Ending(done);
            for number in 1..=GENERATIONS / 4 {
                node.replace(target, number).expect("replaces");
                // Each reader has begun anew since the switch: no walk is on its way to the old files.
                for (reads, reader) in reads.iter().zip(&readers) {
                    let switched = reads.load(Ordering::SeqCst);
                    while reads.load(Ordering::SeqCst) < switched + 2 && !reader.is_finished() {
                        std::thread::yield_now();
                    }
                }
                node.volumes.sweep(target, Ownership::default()).expect("sweeps");
            }
            drop(ending);
            assert!(readers.into_iter().all(|reader| reader.join().expect("reads").changes > 0));
        });
    });
}

#[test]
fn i2_readers_see_whole_generations() {
    isolated(|_| {
        let node = Node::new();
        let target = node.target("vol");
        node.publish(&target, 0).expect("publishes");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // One that wants all files of one generation, as a program with several files should read.
            let whole = scope.spawn(|| look(&done, || number_of_shown(&target)));
            // One that opens a file by its name again and again, as most programs do.
            let single = scope.spawn(|| {
                look(&done, || match std::fs::read_to_string(target.join("first")) {
                    Ok(text) => Some(text.parse().expect("never empty or cut off")),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                    Err(error) => panic!("{error}"),
                })
            });
            // The driver itself, for Secret sync.
            let driver = scope.spawn(|| {
                look(&done, || {
                    let files = node.volumes.read_files(&target).ok()?;
                    let number = String::from_utf8(files["first"].expose().clone()).expect("text");
                    let number = number.parse().expect("a number");
                    assert_eq!(files.len(), numbered(number).file_count());
                    assert_eq!(files["first"].expose(), files["nested/third"].expose());
                    Some(number)
                })
            });
            let ending = Ending(&done);
            for number in 1..=GENERATIONS {
                assert_eq!(node.replace(&target, number).expect("replaces"), Replaced::Written);
            }
            drop(ending);
            let [whole, single, driver] = [whole, single, driver].map(|reader| reader.join().expect("reads"));
            println!(
                "of {GENERATIONS} generations, whole: {whole:?}, single: {single:?}, driver: {driver:?}"
            );
            assert!(whole.changes > 0 && single.changes > 0 && driver.changes > 0);
        });
        assert_eq!(number_of(&target), Some(GENERATIONS));
    });
}

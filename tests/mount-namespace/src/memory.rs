//! The memory of another process, read as a debugger would.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// Shows `look` all writable memory of a process, range by range. What cannot be read is left out, and so is what the
/// process gives back meanwhile.
///
/// # Panics
///
/// When there is no such process, or its memory may not be read.
pub fn each_writable_range(process: u32, mut look: impl FnMut(&[u8])) {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("a process");
    let mut memory = File::open(format!("/proc/{process}/mem")).expect("its memory");
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("two addresses");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (from, to) = (address(from), address(to));
        let mut bytes = vec![0; usize::try_from(to - from).expect("a length")];
        if memory.seek(SeekFrom::Start(from)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
            look(&bytes);
        }
    }
}

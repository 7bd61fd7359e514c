//! Inputs that are nearly right: seeds with pieces changed, repeated, taken away, and put together.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Pieces that parsers stumble over.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"..",
    b"../",
    b"/",
    b"\\",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"\n",
    b"- ",
    b"&a ",
    b"*a",
    b"-1",
    b"99999999999999999999",
    b"-----BEGIN CERTIFICATE-----\n",
    b"CANARY-in-an-answer",
    b"csi.storage.k8s.io/serviceAccount.tokens",
    "\u{2028}".as_bytes(),
];

/// Longest input.
const MOST_BYTES: usize = 16 * 1024;

pub(crate) struct Mutator {
    seeds: Vec<Vec<u8>>,
    random: StdRng,
}

impl Mutator {
    /// The same sequence at each run, or another for each `KEYMOUNT_FUZZ_SEED`; `random` is a new one each time. A
    /// finding is reported with its input, which becomes a seed.
    #[allow(clippy::disallowed_methods, reason = "how a test is run is told by its environment")]
    pub(crate) fn new(seeds: Vec<Vec<u8>>) -> Self {
        let random = match std::env::var("KEYMOUNT_FUZZ_SEED").as_deref() {
            Ok("random") => StdRng::from_rng(&mut rand::rng()),
            Ok(number) => {
                StdRng::seed_from_u64(number.parse().expect("KEYMOUNT_FUZZ_SEED is a number or random"))
            }
            Err(_) => StdRng::seed_from_u64(1),
        };
        Self { seeds, random }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..self.random.random_range(1..=8) {
            self.change(&mut input);
        }
        input.truncate(MOST_BYTES);
        input
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.random.random_range(0..self.seeds.len());
        self.seeds[index].clone()
    }

    /// A part of the input: where it begins and ends.
    fn part(&mut self, input: &[u8]) -> (usize, usize) {
        let from = self.random.random_range(0..=input.len());
        let longest = (input.len() - from).min(64);
        (from, from + self.random.random_range(0..=longest))
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (from, to) = self.part(input);
        match self.random.random_range(0..7) {
            0 if from < input.len() => input[from] ^= 1 << self.random.random_range(0..8),
            1 if from < input.len() => input[from] = self.random.random(),
            2 => drop(input.drain(from..to)),
            3 => {
                let piece = input[from..to].to_vec();
                let at = self.random.random_range(0..=input.len());
                drop(input.splice(at..at, piece));
            }
            4 => {
                let piece = PIECES[self.random.random_range(0..PIECES.len())];
                drop(input.splice(from..from, piece.iter().copied()));
            }
            5 => {
                let other = self.seed();
                let (other_from, other_to) = self.part(&other);
                drop(input.splice(from..to, other[other_from..other_to].to_vec()));
            }
            _ => {
                let piece = PIECES[self.random.random_range(0..PIECES.len())];
                drop(input.splice(from..to, piece.iter().copied()));
            }
        }
    }
}

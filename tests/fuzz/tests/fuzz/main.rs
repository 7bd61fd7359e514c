//! Mutated seeds for every target, on the ordinary toolchain; and seeds that were findings once.

mod differential;
mod mutation;

use std::path::{Path, PathBuf};

use keymount_fuzz_targets::TARGETS;

use mutation::Mutator;

fn seeds_of(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("seeds").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no seeds", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

/// Inputs for each target; the step of CI for fuzzing asks for more than the default.
#[allow(clippy::disallowed_methods, reason = "how long a test takes is told by its environment")]
fn executions() -> usize {
    std::env::var("KEYMOUNT_FUZZ_EXECUTIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(2_000)
}

#[test]
fn every_seed_passes() {
    for target in TARGETS {
        seeds_of(target.name).iter().for_each(|seed| (target.run)(seed));
    }
}

#[test]
fn mutated_seeds_find_nothing() {
    for target in TARGETS {
        let mut mutator = Mutator::new(seeds_of(target.name));
        for _ in 0..executions() {
            let input = mutator.next();
            let found = std::panic::catch_unwind(|| (target.run)(&input));
            if found.is_err() {
                let path = std::env::temp_dir().join(format!("keymount-{}-finding", target.name));
                std::fs::write(&path, &input).expect("a file");
                panic!(
                    "a finding in {}: {} ({:?})",
                    target.name,
                    path.display(),
                    String::from_utf8_lossy(&input)
                );
            }
        }
        println!("{}: {} executions", target.name, executions());
    }
}

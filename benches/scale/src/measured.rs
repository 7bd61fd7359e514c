//! The real daemons on one node, measured by `bin/keymount/tests/daemons/scale.rs`, beside the model.

use serde::{Deserialize, Serialize};

use crate::scenario::one_node;
use crate::shape::Shape;

/// What has been measured; `measured.json` holds the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// How long was counted, in seconds.
    pub seconds: u64,
    /// Requests that arrived at the vault.
    pub vault: u64,
}

/// Requests to the vault, of the model in several runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// In the run with fewest.
    pub fewest: u64,
    /// Mean of the runs.
    pub mean: u64,
    /// In the run with most.
    pub most: u64,
}

/// By how much measurement and mean of the model may differ, in percent.
const TOLERANCE: u64 = 10;

/// Runs of the model, each with a seed of its own.
const RUNS: u64 = 10;

impl Measured {
    /// What is on record.
    ///
    /// # Panics
    /// If the record is no such JSON.
    #[must_use]
    pub fn recorded() -> Self {
        serde_json::from_str(include_str!("../measured.json")).expect("the record")
    }

    /// What the model says about the same time.
    #[must_use]
    pub fn modelled(&self) -> Counts {
        let runs = (1..=RUNS).map(|seed| one_node(Shape { seed, ..Shape::one_node() }, self.seconds));
        let runs: Vec<u64> = runs.collect();
        let of = |count: Option<&u64>| count.copied().unwrap_or_default();
        let mean = runs.iter().sum::<u64>() / RUNS;
        Counts { fewest: of(runs.iter().min()), mean, most: of(runs.iter().max()) }
    }

    /// Whether the model may be believed: what was measured is within a tenth of its mean.
    #[must_use]
    pub fn agrees(&self, model: &Counts) -> bool {
        self.vault.abs_diff(model.mean) * 100 <= model.mean * TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_agrees_with_what_was_measured() {
        let measured = Measured::recorded();
        let model = measured.modelled();
        assert!(measured.agrees(&model), "{measured:?} {model:?}");
        // The comparison can fail.
        assert!(!Measured { vault: measured.vault * 5 / 4, ..measured }.agrees(&model));
    }
}

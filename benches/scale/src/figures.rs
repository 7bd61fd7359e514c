//! What is read off a run.

use serde::{Deserialize, Serialize};

use crate::record::{Ages, WINDOW, Window};
use crate::shape::Shape;

/// Of both stacks, ours first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How large the cluster was.
    pub shape: Shape,
    /// The life of a cluster.
    pub life: [Side; 2],
    /// All nodes at one vault.
    pub hot: [Side; 2],
}

/// Of one stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// One after the other.
    pub phases: Vec<Phase>,
    /// Requests to all vaults, by window of ten seconds.
    pub calls: Vec<u32>,
    /// Of these answered 429.
    pub throttled: Vec<u32>,
    /// Requests to the API server.
    pub api: Vec<u32>,
    /// How old the content of 99 of 100 volumes is at most, in seconds.
    pub oldest: Vec<u32>,
}

/// One phase. Rates are per second, over windows of ten seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What happened.
    pub name: String,
    /// The window it begins with.
    pub from: usize,
    /// Requests to all vaults.
    pub calls: Rate,
    /// The greatest rate by the mean, once pods have started.
    pub peak_to_mean: f64,
    /// Most requests that one vault got in one window.
    pub busiest: u32,
    /// Share of requests answered 429, in percent.
    pub throttled: f64,
    /// Requests to Entra.
    pub entra: Rate,
    /// Requests to the API server.
    pub api: Rate,
    /// Of these, writes.
    pub writes: Rate,
    /// Requests it answered 429.
    pub refused: u32,
    /// Half of the volumes are not older than that, in seconds.
    pub age_p50: u32,
    /// 99 of 100 are not.
    pub age_p99: u32,
    /// Seconds until every volume had what is new; `Some(None)` if that did not happen.
    pub reached: Option<Option<f64>>,
}

/// Mean and peak per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Over the whole phase.
    pub mean: f64,
    /// Of the window with most.
    pub peak: f64,
}

/// What a phase is made of.
pub(crate) struct Stretch<'a> {
    pub(crate) name: &'a str,
    pub(crate) from: usize,
    pub(crate) windows: &'a [Window],
    /// Windows at its beginning that are left out where peak and mean are compared.
    pub(crate) settled: usize,
    pub(crate) ages: &'a Ages,
    pub(crate) reached: Option<Option<std::time::Duration>>,
}

impl Rate {
    fn of(windows: &[Window], count: impl Fn(&Window) -> u32) -> Self {
        let counts = || windows.iter().map(&count);
        let (sum, most) = (counts().map(f64::from).sum::<f64>(), counts().max().unwrap_or_default());
        let seconds = f64::from(u32::try_from(windows.len().max(1)).unwrap_or(u32::MAX)) * length();
        Self { mean: round(sum / seconds), peak: round(f64::from(most) / length()) }
    }
}

impl Phase {
    pub(crate) fn of(stretch: &Stretch<'_>) -> Self {
        let Stretch { name, from, windows, settled, ages, reached } = stretch;
        let sum =
            |count: fn(&Window) -> u32| windows.iter().map(|window| f64::from(count(window))).sum::<f64>();
        let calls = Rate::of(windows, Window::calls);
        let after = Rate::of(windows.get(*settled..).unwrap_or_default(), Window::calls);
        Self {
            name: (*name).to_owned(),
            from: *from,
            calls,
            peak_to_mean: round(if after.mean > 0.0 { after.peak / after.mean } else { 0.0 }),
            busiest: windows
                .iter()
                .flat_map(|window| window.vaults.iter().copied())
                .max()
                .unwrap_or_default(),
            throttled: round(100.0 * sum(|window| window.throttled) / sum(Window::calls).max(1.0)),
            entra: Rate::of(windows, |window| window.entra),
            api: Rate::of(windows, |window| window.reads + window.writes),
            writes: Rate::of(windows, |window| window.writes),
            refused: windows.iter().map(|window| window.refused).sum(),
            age_p50: ages.percentile(50),
            age_p99: ages.percentile(99),
            reached: reached.map(|reached| reached.map(|after| round(after.as_secs_f64()))),
        }
    }
}

impl Side {
    pub(crate) fn of(phases: Vec<Phase>, windows: &[Window]) -> Self {
        let series = |of: fn(&Window) -> u32| windows.iter().map(of).collect();
        Self {
            phases,
            calls: series(Window::calls),
            throttled: series(|window| window.throttled),
            api: series(|window| window.reads + window.writes),
            oldest: series(|window| window.oldest),
        }
    }
}

fn length() -> f64 {
    f64::from(u32::try_from(WINDOW).unwrap_or(1))
}

/// Two digits after the point are more than a model knows.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

//! The page and its pictures, from figures.

use std::fmt::Write as _;

use crate::figures::{Figures, Phase, Side};
use crate::measured::Measured;
use crate::plot::{Line, OURS, OURS_TOO, Plot, THEIRS, THEIRS_TOO};
use crate::shape::Shape;

/// The pictures, by their names below `docs/pictures`.
pub const PLOTS: [&str; 4] = ["scale-vaults.svg", "scale-age.svg", "scale-api.svg", "scale-hot-vault.svg"];

const BEGIN: &str = "<!-- from here on: cargo xtask scale -->";
const END: &str = "<!-- until here: cargo xtask scale -->";

/// What is made from figures.
pub struct Page {
    figures: Figures,
    measured: Measured,
}

impl Page {
    /// The page of these figures, with the measurement that is on record.
    #[must_use]
    pub fn of(figures: Figures) -> Self {
        Self { figures, measured: Measured::recorded() }
    }

    /// The text of the page, with what stands between the markers made anew.
    ///
    /// # Errors
    /// When it has no markers.
    pub fn text(&self, page: &str) -> anyhow::Result<String> {
        let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) = parts.ok_or_else(|| anyhow::anyhow!("the page has no markers"))?;
        Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", self.tables()))
    }

    /// The pictures, in the order of [`PLOTS`].
    #[must_use]
    pub fn pictures(&self) -> [String; 4] {
        let Figures { life, hot, .. } = &self.figures;
        [
            of_both("Requests to all vaults", "requests per second", life, |side| rates(&side.calls)),
            of_both("How old the content of volumes is: 99 of 100 are younger", "minutes", life, |side| {
                side.oldest.iter().map(|age| f64::from(*age) / 60.0).collect()
            }),
            of_both("Requests to the API server", "requests per second", life, |side| rates(&side.api)),
            self.hot(hot),
        ]
        .map(|plot| plot.draw())
    }

    fn hot(&self, [ours, theirs]: &[Side; 2]) -> Plot<'static> {
        let line = |name, colour, values: &[u32]| Line { name, colour, values: rates(values) };
        Plot {
            title: "One vault that all nodes use",
            unit: "requests per second",
            lines: vec![
                line("Keymount", OURS, &ours.calls),
                line("of these 429", OURS_TOO, &ours.throttled),
                line("Go stack", THEIRS, &theirs.calls),
                line("of these 429", THEIRS_TOO, &theirs.throttled),
            ],
            marks: marks(ours),
            level: Some((f64::from(self.figures.shape.hot_limit) / 10.0, "what the vault answers")),
        }
    }

    fn tables(&self) -> String {
        let Figures { shape, life, hot } = &self.figures;
        let mut text = String::new();
        let _ = writeln!(text, "## The life of a cluster\n\n{}\n", size(shape));
        table(&mut text, life);
        picture(&mut text, "Requests per second to all vaults over the life of the cluster", PLOTS[0]);
        picture(&mut text, "Age of the content of volumes over the life of the cluster", PLOTS[1]);
        picture(&mut text, "Requests per second to the API server over the life of the cluster", PLOTS[2]);
        let _ = writeln!(
            text,
            "## One vault that all nodes use\n\nThe same cluster, but every class is of one vault, which answers {} \
             requests in ten seconds.\n",
            thousands(u64::from(shape.hot_limit))
        );
        table(&mut text, hot);
        picture(&mut text, "Requests per second to one vault that all nodes use", PLOTS[3]);
        text.push_str("## The model beside one measured node\n\n");
        let model = self.measured.modelled();
        let node = Shape::one_node();
        let _ = writeln!(
            text,
            "{} volumes of {} classes, {} secrets each, an interval of {} s, a cache of {} s, {} s at rest:\n\n\
             | | requests to the vault |\n|---|---|\n\
             | driver and provider as processes, counted by the emulator | {} |\n\
             | the model, mean of ten runs (fewest to most) | {} ({} to {}) |",
            node.volumes(),
            node.classes,
            node.objects,
            node.interval_seconds,
            node.cache_seconds,
            self.measured.seconds,
            self.measured.vault,
            model.mean,
            model.fewest,
            model.most
        );
        text
    }
}

fn size(shape: &Shape) -> String {
    format!(
        "{} nodes with {} volumes each, {} in all; {} classes of {} secrets, {} on each node; {} vaults that answer {} \
         requests in ten seconds each; interval {} s, cache {} s, seed {}.",
        thousands(shape.nodes as u64),
        shape.volumes_per_node,
        thousands(shape.volumes() as u64),
        thousands(shape.classes as u64),
        shape.objects,
        shape.classes_per_node,
        shape.vaults,
        thousands(u64::from(shape.vault_limit)),
        shape.interval_seconds,
        shape.cache_seconds,
        shape.seed
    )
}

fn table(text: &mut String, [ours, theirs]: &[Side; 2]) {
    text.push_str(
        "| | | requests/s to vaults: mean, peak | peak/mean | busiest vault in 10 s | 429 | requests/s to Entra: mean, peak \
         | requests/s to the API server: mean, peak | of these writes: mean | its 429 | age p50, p99 | all volumes after |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (mine, other) in ours.phases.iter().zip(&theirs.phases) {
        for (what, who, phase) in [(mine.name.as_str(), "**Keymount**", mine), ("", "Go stack", other)] {
            row(text, what, who, phase);
        }
    }
    text.push('\n');
}

fn row(text: &mut String, what: &str, who: &str, phase: &Phase) {
    let _ = writeln!(
        text,
        "| {what} | {who} | {}, {} | {:.2} | {} | {} % | {}, {} | {}, {} | {} | {} | {}, {} | {} |",
        rate(phase.calls.mean),
        rate(phase.calls.peak),
        phase.peak_to_mean,
        thousands(u64::from(phase.busiest)),
        share(phase.throttled),
        rate(phase.entra.mean),
        rate(phase.entra.peak),
        rate(phase.api.mean),
        rate(phase.api.peak),
        rate(phase.writes.mean),
        thousands(u64::from(phase.refused)),
        duration(f64::from(phase.age_p50)),
        duration(f64::from(phase.age_p99)),
        match phase.reached {
            None => String::new(),
            Some(None) => "not in this time".to_owned(),
            Some(Some(seconds)) => duration(seconds),
        }
    );
}

fn picture(text: &mut String, what: &str, name: &str) {
    let _ = writeln!(text, "![{what}](pictures/{name})\n");
}

fn of_both<'a>(
    title: &'a str,
    unit: &'a str,
    [ours, theirs]: &'a [Side; 2],
    values: impl Fn(&Side) -> Vec<f64>,
) -> Plot<'a> {
    Plot {
        title,
        unit,
        lines: vec![
            Line { name: "Keymount", colour: OURS, values: values(ours) },
            Line { name: "Go stack", colour: THEIRS, values: values(theirs) },
        ],
        marks: ours.phases.iter().map(|phase| (phase.from, phase.name.as_str())).collect(),
        level: None,
    }
}

fn marks(side: &Side) -> Vec<(usize, &'static str)> {
    let names = ["all pods start", "", "a new version of every secret"];
    side.phases
        .iter()
        .zip(names)
        .filter(|(_, name)| !name.is_empty())
        .map(|(phase, name)| (phase.from, name))
        .collect()
}

fn rates(counts: &[u32]) -> Vec<f64> {
    counts.iter().map(|count| f64::from(*count) / 10.0).collect()
}

fn rate(number: f64) -> String {
    if number >= 10.0 { whole(number) } else { format!("{number:.1}") }
}

/// Percent, to a tenth.
fn share(percent: f64) -> String {
    if percent == 0.0 { "0".to_owned() } else { format!("{percent:.1}") }
}

fn whole(number: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
    let whole = number.round() as u64;
    thousands(whole)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn duration(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.1} min", seconds / 60.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!([0, 999, 1000, 150_000].map(thousands), ["0", "999", "1,000", "150,000"]);
        assert_eq!([3.25, 1234.5].map(rate), ["3.2", "1,235"]);
        assert_eq!([59.6, 119.0, 150.0].map(duration), ["60 s", "119 s", "2.5 min"]);
    }
}

//! Lines over time, as SVG. The ground is white and drawn, so that a dark page does not swallow the text.

use std::fmt::Write as _;

use crate::record::WINDOW;

/// One picture.
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    /// What the vertical axis counts.
    pub(crate) unit: &'a str,
    pub(crate) lines: Vec<Line<'a>>,
    /// Windows at which something happens, and what.
    pub(crate) marks: Vec<(usize, &'a str)>,
    /// A level that is spoken of.
    pub(crate) level: Option<(f64, &'a str)>,
}

/// One line: a value per window.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) colour: &'a str,
    pub(crate) values: Vec<f64>,
}

pub(crate) const OURS: &str = "#1b6e3c";
pub(crate) const THEIRS: &str = "#b3541e";
pub(crate) const OURS_TOO: &str = "#7fb894";
pub(crate) const THEIRS_TOO: &str = "#e3a77f";

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 360.0;
/// Left, top, right, bottom of the area of the lines.
const AREA: [f64; 4] = [78.0, 64.0, 904.0, 300.0];

impl Plot<'_> {
    /// The picture.
    pub(crate) fn draw(&self) -> String {
        let [left, top, right, bottom] = AREA;
        let windows = self.lines.iter().map(|line| line.values.len()).max().unwrap_or_default().max(1);
        let most = self.lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max);
        let most = self.level.map_or(most, |(level, _)| most.max(level));
        let (step, top_value) = scale(most);
        let x = |window: f64| left + (right - left) * window / number(windows);
        let y = |value: f64| bottom - (bottom - top) * value / top_value;
        let mut svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}" font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="13">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="12" y="22" font-size="15" font-weight="bold" fill="{INK}">{}</text>
"##,
            escaped(self.title),
            escaped(self.title),
        );
        self.legend(&mut svg);
        let mut level = 0.0;
        while level <= top_value + step / 2.0 {
            let at = y(level);
            let _ = writeln!(
                svg,
                r#"<path d="M{left} {at:.1}H{right}" stroke="{RULE}"/><text x="{:.0}" y="{:.1}" text-anchor="end" fill="{INK}">{}</text>"#,
                left - 8.0,
                at + 4.0,
                shown(level)
            );
            level += step;
        }
        let _ = writeln!(
            svg,
            r#"<text transform="translate(16 {:.0}) rotate(-90)" text-anchor="middle" fill="{INK}">{}</text>"#,
            f64::midpoint(top, bottom),
            escaped(self.unit)
        );
        self.time(&mut svg, windows, &x);
        for (nth, (window, what)) in self.marks.iter().enumerate() {
            let at = x(number(*window));
            let height = bottom + 34.0 + 14.0 * number(nth % 2);
            let (anchor, offset) = if at > right - 150.0 { ("end", -3.0) } else { ("start", 3.0) };
            let _ = writeln!(
                svg,
                r#"<path d="M{at:.1} {top}V{:.1}" stroke="{MARK}" stroke-dasharray="4 3"/><text x="{:.1}" y="{height:.1}" font-size="11" text-anchor="{anchor}" fill="{MARK}">{}</text>"#,
                height - 10.0,
                at + offset,
                escaped(what)
            );
        }
        if let Some((level, what)) = self.level {
            let at = y(level);
            let _ = writeln!(
                svg,
                r#"<path d="M{left} {at:.1}H{right}" stroke="{LEVEL}" stroke-width="1.5" stroke-dasharray="8 4"/><text x="{:.0}" y="{:.1}" text-anchor="end" fill="{LEVEL}">{}</text>"#,
                right - 4.0,
                at - 5.0,
                escaped(what)
            );
        }
        for line in &self.lines {
            let mut path = String::new();
            for (window, value) in line.values.iter().enumerate() {
                let command = if window == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{:.1} {:.1}", x(number(window) + 0.5), y(*value));
            }
            let _ = writeln!(
                svg,
                r#"<path d="{path}" fill="none" stroke="{}" stroke-width="1.6" stroke-linejoin="round"/>"#,
                line.colour
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String) {
        let mut at = AREA[0];
        for line in &self.lines {
            let _ = writeln!(
                svg,
                r#"<path d="M{at:.0} 43h26" stroke="{}" stroke-width="3"/><text x="{:.0}" y="47" fill="{INK}">{}</text>"#,
                line.colour,
                at + 32.0,
                escaped(line.name)
            );
            at += 60.0 + 7.6 * number(line.name.chars().count());
        }
    }

    fn time(&self, svg: &mut String, windows: usize, x: &impl Fn(f64) -> f64) {
        let bottom = AREA[3];
        let minutes = number(windows) * 10.0 / 60.0;
        let mut minute = 0.0;
        while minute <= minutes {
            let at = x(minute * 60.0 / number(usize::try_from(WINDOW).unwrap_or(1)));
            let _ = writeln!(
                svg,
                r#"<path d="M{at:.1} {bottom}v5" stroke="{INK}"/><text x="{at:.1}" y="{:.1}" text-anchor="middle" fill="{INK}">{minute:.0}</text>"#,
                bottom + 19.0
            );
            minute += 15.0;
        }
        let _ = writeln!(
            svg,
            r#"<path d="M{} {bottom}H{}" stroke="{INK}"/><text x="{}" y="{:.0}" text-anchor="end" fill="{INK}">minutes</text>"#,
            AREA[0],
            AREA[2],
            AREA[2],
            bottom + 34.0
        );
    }
}

const INK: &str = "#1c2024";
const RULE: &str = "#e3e7eb";
const MARK: &str = "#44505c";
const LEVEL: &str = "#8a1c1c";

/// A round step of a scale that reaches `most`, and where it ends.
fn scale(most: f64) -> (f64, f64) {
    let rough = (most / 5.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(power * 10.0);
    (step, step * (most / step).ceil().max(1.0))
}

fn shown(value: f64) -> String {
    let text = format!("{value:.0}");
    if value < 10_000.0 {
        return if (value - value.round()).abs() < 1e-9 { text } else { format!("{value:.1}") };
    }
    format!("{},{}", &text[..text.len() - 3], &text[text.len() - 3..])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_reach_their_values() {
        for (most, step, end) in [(1.0, 0.2, 1.0), (980.0, 200.0, 1000.0), (12_400.0, 2500.0, 12_500.0)] {
            let found = scale(most);
            assert!((found.0 - step).abs() < 1e-6 && (found.1 - end).abs() < 1e-6, "{most}: {found:?}");
        }
        assert!(scale(0.0).1 > 0.0);
        assert_eq!([0.0, 2.5, 9999.0, 12_500.0].map(shown), ["0", "2.5", "9999", "12,500"]);
    }

    #[test]
    fn a_picture_has_its_lines_axes_and_words() {
        let line = Line { name: "a < b", colour: OURS, values: vec![0.0, 5.0, 2.0] };
        let plot = Plot {
            title: "t",
            unit: "calls",
            lines: vec![line],
            marks: vec![(1, "now")],
            level: Some((4.0, "limit")),
        };
        let svg = plot.draw();
        for part in ["a &lt; b", "calls", "minutes", ">now<", ">limit<", OURS, "</svg>"] {
            assert!(svg.contains(part), "{part}");
        }
    }
}

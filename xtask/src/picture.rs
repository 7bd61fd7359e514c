//! What a command prints on a terminal, as an SVG for the documentation.

use std::path::Path;
use std::process::Command;

use anstyle_svg::Term;
use anyhow::{Context as _, ensure};

/// Columns of the terminal that is drawn.
const WIDTH: usize = 116;

/// Colours that can be read on a page, in place of those of a terminal of the eighties.
const COLOURS: [(&str, &str); 6] = [
    (".fg { fill: #AAAAAA }", ".fg { fill: #D6DBE0 }"),
    (".bg { fill: #000000 }", ".bg { fill: #14171A }"),
    (".fg-cyan { fill: #00AAAA }", ".fg-cyan { fill: #56C2D6 }"),
    (".fg-green { fill: #00AA00 }", ".fg-green { fill: #7FD69B }"),
    (".fg-yellow { fill: #AA5500 }", ".fg-yellow { fill: #FFCA6A }"),
    (".dimmed { opacity: 0.4; }", ".dimmed { opacity: 0.65; }"),
];

/// Runs the command and draws what it prints. `title` stands above it, as it was typed. With `steps` only the beginning, the steps with
/// these numbers and the end are drawn, and `…` where something is left out.
///
/// # Errors
/// The command failed, or the file cannot be written.
pub(crate) fn draw(output: &Path, title: &str, steps: &[u32], command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("a command")?;
    // Programs here ask anstream, which asks this.
    let ran = Command::new(program)
        .args(arguments)
        .env("CLICOLOR_FORCE", "1")
        .output()
        .with_context(|| program.clone())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(ran.status.success(), "{program} failed: {}{}", text(&ran.stdout), text(&ran.stderr));
    let printed = String::from_utf8(ran.stdout).context("what it printed")?;
    let lines: Vec<_> = only(printed.trim_end(), steps).lines().flat_map(wrapped).collect();
    let mut svg = Term::new().render_svg(&format!("\u{1b}[2m$\u{1b}[0m {title}\n{}\n", lines.join("\n")));
    for (from, to) in COLOURS {
        svg = svg.replace(from, to);
    }
    std::fs::write(output, svg).with_context(|| output.display().to_string())
}

/// First and last part, and the steps with these numbers; parts stand apart by an empty line.
fn only(printed: &str, steps: &[u32]) -> String {
    let parts: Vec<_> = printed.split("\n\n").collect();
    let is_kept = |(number, part): (usize, &&str)| {
        let begins = |step: &u32| plain(part).starts_with(&format!("{step}. "));
        steps.is_empty() || number == 0 || number + 1 == parts.len() || steps.iter().any(begins)
    };
    let mut kept: Vec<&str> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if is_kept((number, part)) {
            kept.push(part);
        } else if kept.last() != Some(&"…") {
            kept.push("…");
        }
    }
    kept.join("\n\n")
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

/// A line as a terminal of this width shows it, broken between words, each part with the indentation of the first.
fn wrapped(line: &str) -> Vec<String> {
    let indent: String = plain(line).chars().take_while(|c| *c == ' ').collect();
    let (mut lines, mut current, mut width) = (Vec::new(), String::new(), 0);
    for word in line.split_inclusive(' ') {
        let length = plain(word).chars().count();
        if width + length > WIDTH && width > indent.len() {
            lines.push(std::mem::replace(&mut current, format!("{indent}  ")));
            width = indent.len() + 2;
        }
        current.push_str(word);
        width += length;
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_left_out_visibly() {
        let printed = "top\n\n\u{1b}[1m1. a\u{1b}[0m\n  x\n\n2. b\n\n3. c\n\nend";
        assert_eq!(only(printed, &[]), printed);
        assert_eq!(only(printed, &[1]), "top\n\n\u{1b}[1m1. a\u{1b}[0m\n  x\n\n…\n\nend");
        assert_eq!(only(printed, &[3]), "top\n\n…\n\n3. c\n\nend");
    }

    #[test]
    fn long_lines_are_broken_between_words_and_colours_have_no_width() {
        let word = "x".repeat(50);
        let line = format!("  \u{1b}[33m{word} {word} {word}\u{1b}[0m");
        let broken = wrapped(&line);
        assert_eq!(
            broken.iter().map(|line| plain(line)).collect::<Vec<_>>(),
            [format!("  {word} {word} "), format!("    {word}")]
        );
        assert_eq!(wrapped("short"), ["short"]);
        assert_eq!(wrapped(&"y".repeat(200)).len(), 1, "what has no spaces stays whole");
    }
}

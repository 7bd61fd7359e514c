//! What a command prints on a terminal, as an SVG for the documentation.

use std::path::Path;
use std::process::Command;

use anstyle_svg::Term;
use anyhow::{Context as _, ensure};

/// Runs the command and draws what it prints. `title` stands above it, as it was typed.
///
/// # Errors
/// The command failed, or the file cannot be written.
pub(crate) fn draw(output: &Path, title: &str, command: &[String]) -> anyhow::Result<()> {
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
    let svg = Term::new().render_svg(&format!("\u{1b}[2m$\u{1b}[0m {title}\n{printed}"));
    std::fs::write(output, svg).with_context(|| output.display().to_string())
}

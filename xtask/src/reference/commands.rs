//! The command line, as a page and as manual pages.

use std::fmt::Write as _;

use anyhow::{bail, ensure};
use clap::Command;

use crate::generated::Generated;

/// Subcommands, the names of their manual pages, and where these are.
const MANUALS: &[(&str, &str, &str)] = &[
    ("status", "keymount-status", "docs/man/keymount-status.1"),
    ("describe", "keymount-describe", "docs/man/keymount-describe.1"),
    ("verify", "keymount-verify", "docs/man/keymount-verify.1"),
    ("refresh", "keymount-refresh", "docs/man/keymount-refresh.1"),
    ("doctor", "keymount-doctor", "docs/man/keymount-doctor.1"),
    ("lint", "keymount-lint", "docs/man/keymount-lint.1"),
    ("explain", "keymount-explain", "docs/man/keymount-explain.1"),
    ("demo", "keymount-demo", "docs/man/keymount-demo.1"),
    ("emulate", "keymount-emulate", "docs/man/keymount-emulate.1"),
    ("completions", "keymount-completions", "docs/man/keymount-completions.1"),
];

/// The command as the pages have it: without the version, which is the release's.
fn command() -> Command {
    let mut command =
        keymount::command().propagate_version(false).version(None::<&str>).disable_help_subcommand(true);
    command.build();
    command
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

pub(super) fn manuals() -> anyhow::Result<Vec<Generated>> {
    let command = command();
    let mut files = vec![Generated { path: "docs/man/keymount.1", content: manual(command.clone())? }];
    for sub in visible(&command) {
        let known = MANUALS.iter().find(|(name, ..)| *name == sub.get_name());
        let Some((_, name, path)) = known else {
            bail!("the command {} has no manual page: add it to MANUALS", sub.get_name())
        };
        files.push(Generated { path, content: manual(sub.clone().name(*name).display_name(*name))? });
    }
    ensure!(files.len() == MANUALS.len() + 1, "MANUALS names a command that does not exist");
    Ok(files)
}

fn manual(command: Command) -> anyhow::Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).date("").manual("Keymount").render(&mut text)?;
    Ok(String::from_utf8(text)?)
}

pub(super) fn reference() -> String {
    let command = command();
    let mut page = String::from("| | |\n|---|---|\n");
    for sub in visible(&command) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "| [`{0}`](#keymount-{0}) | {about} |", sub.get_name());
    }
    for sub in visible(&command) {
        let help = sub.clone().term_width(110).render_long_help().to_string();
        let _ = write!(page, "\n## keymount {}\n\n", sub.get_name());
        for line in help.lines() {
            let line = if line.is_empty() { String::new() } else { format!("    {line}") };
            let _ = writeln!(page, "{}", line.trim_end());
        }
    }
    page
}

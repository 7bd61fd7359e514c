//! What the images are made from.

use std::process::Command;

use anyhow::Context as _;

use super::environment;
use crate::generated::root;

/// A commit. Everything in an image comes from it and from Cargo.lock, nothing from the machine or the hour.
pub(super) struct Revision {
    /// With a leading `v`.
    pub(super) version: String,
    /// Short hash; with `-dirty` if there is more than was committed. May be empty.
    pub(super) commit: String,
    /// When it was committed, in RFC 3339.
    pub(super) created: String,
    /// The same in the form of the daemons' `--version`.
    pub(super) date: String,
}

impl Revision {
    /// `KEYMOUNT_COMMIT` wins over what git says: empty it makes builds of different commits alike.
    pub(super) fn of_this_tree() -> anyhow::Result<Self> {
        let version = format!("v{}", env!("CARGO_PKG_VERSION"));
        let (commit, seconds) = match environment("KEYMOUNT_COMMIT") {
            Some(commit) => (commit, 0),
            None => match git(&["log", "-1", "--format=%h %ct", "--abbrev=12"]) {
                Ok(line) => {
                    let (hash, seconds) = line.split_once(' ').context("git log")?;
                    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
                    (format!("{hash}{}", if dirty { "-dirty" } else { "" }), seconds.parse()?)
                }
                // An archive of the sources.
                Err(_) => (String::new(), 0),
            },
        };
        let time = jiff::Timestamp::from_second(seconds)?;
        let date =
            if commit.is_empty() { String::new() } else { time.strftime("%Y-%m-%d-%H:%M").to_string() };
        Ok(Self { version, commit, created: time.to_string(), date })
    }
}

fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").arg("-C").arg(root()).args(arguments).output()?;
    anyhow::ensure!(output.status.success(), "git {arguments:?}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

//! A description for people.

use std::io::{self, Write};

use jiff::Timestamp;
use keymount_catalogue::sentence;
use keymount_lint::Severity;

use super::chain::Mark;
use super::look::{Description, Explained, Volume};
use crate::output::{BAD, DIM, DOUBTFUL, GOOD, LABEL, TITLE, age, until, urgency};

/// Events that are shown.
const EVENTS: usize = 5;

pub(super) fn write(out: &mut impl Write, found: &Description) -> io::Result<()> {
    let node = found.node.as_deref().unwrap_or("no node");
    writeln!(out, "{TITLE}Pod {}/{}{TITLE:#}", found.namespace, found.pod)?;
    writeln!(out, "{} on {node}, service account {}", found.phase, found.service_account)?;
    for volume in &found.volumes {
        self::volume(out, volume, found.now)?;
    }
    if !found.events.is_empty() {
        writeln!(out, "\n{LABEL}Events{LABEL:#}")?;
    }
    for said in found.events.iter().take(EVENTS) {
        let style = if said.warning { DOUBTFUL } else { DIM };
        let when = said.at.map_or_else(String::new, |at| age(at, found.now));
        let first = said.message.lines().next().unwrap_or_default();
        writeln!(out, "  {when:>6}  {style}{}{style:#}  {first}", said.reason)?;
    }
    Ok(())
}

fn volume(out: &mut impl Write, volume: &Volume, now: Timestamp) -> io::Result<()> {
    writeln!(out, "\n{TITLE}Volume {}{TITLE:#}", volume.name)?;
    for link in &volume.chain {
        let (sign, style) = match link.mark {
            Mark::Good => ("✓", GOOD),
            Mark::Doubtful => ("!", DOUBTFUL),
            Mark::Bad => ("✗", BAD),
            Mark::Unknown => ("·", DIM),
        };
        writeln!(out, "  {style}{sign}{style:#} {:<9} {}", link.part.name(), link.text)?;
    }
    for found in volume.status.iter().flat_map(|status| &status.certificates) {
        let Some(end) = found.not_after.as_ref().map(|end| end.0) else { continue };
        let (style, day) = (urgency(end, now), end.strftime("%F"));
        let when = match until(end, now) {
            Some(left) => format!("expires in {left}"),
            None => format!("expired {} ago", age(end, now)),
        };
        writeln!(out, "    {style}certificate {} {when}, {day}{style:#}", found.path)?;
    }
    if let Some(status) = &volume.status {
        let fetched = status.last_success.map(|time| format!("fetched {} ago", age(time, now)));
        let stale = status.stale_since.map(|time| format!("not fetched again for {}", age(time, now)));
        let rotates = match status.rotates {
            Some(true) => Some("rotates".to_owned()),
            Some(false) => Some("does not rotate".to_owned()),
            None => None,
        };
        let all: Vec<_> = [fetched, stale, rotates].into_iter().flatten().collect();
        writeln!(out, "    {DIM}{}{DIM:#}", all.join(", "))?;
    } else {
        writeln!(out, "    {DIM}no driver has told anything of this volume{DIM:#}")?;
    }
    for error in &volume.errors {
        self::error(out, error, now)?;
    }
    for finding in &volume.findings {
        let (word, style) = match finding.severity {
            Severity::Error => ("error", BAD),
            Severity::Warning => ("warning", DOUBTFUL),
        };
        writeln!(out, "\n  {style}lint {word} {}{style:#}: {}", finding.code, finding.message)?;
        if !finding.hint.is_empty() {
            writeln!(out, "    {}", sentence(&finding.hint))?;
        }
    }
    Ok(())
}

fn error(out: &mut impl Write, error: &Explained, now: Timestamp) -> io::Result<()> {
    let number = error.number.as_ref().map_or_else(String::new, |number| format!("{number} "));
    let since = error.since.map_or_else(String::new, |since| format!(", since {}", age(since, now)));
    writeln!(out, "\n  {BAD}{number}{}{BAD:#}{DIM}{since}{DIM:#}", error.code)?;
    for line in error.text.lines() {
        writeln!(out, "    {line}")?;
    }
    if let Some(cause) = error.cause {
        writeln!(out, "  {LABEL}Why{LABEL:#}\n    {}", sentence(cause))?;
    }
    if let Some(remedy) = error.remedy {
        writeln!(out, "  {LABEL}What to do{LABEL:#}\n    {}", sentence(remedy))?;
    }
    Ok(())
}

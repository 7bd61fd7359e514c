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
        if !all.is_empty() {
            writeln!(out, "    {DIM}{}{DIM:#}", all.join(", "))?;
        }
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
    for line in essence(&error.text) {
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

/// What a text says to people: without rules between its parts, of a JSON body its message only, and without the reason and the
/// hint at the end, which stand above and below it. The whole text is in the event, and in the JSON output.
fn essence(text: &str) -> Vec<String> {
    let (mut lines, mut in_body) = (Vec::new(), false);
    for line in text.lines() {
        let is_rule = line.len() > 9 && line.bytes().all(|byte| byte == b'-');
        match line {
            _ if is_rule => in_body = false,
            "{" => in_body = true,
            "}" => in_body = false,
            _ if in_body => lines.extend(message(line).into_iter().flatten()),
            _ if ["reason: ", "hint: "].iter().any(|start| line.starts_with(start)) => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Lines of the message of an error body of Key Vault or Entra, if this is it.
fn message(line: &str) -> Option<Vec<String>> {
    let (name, value) = line.trim().split_once(": ")?;
    let is_it = matches!(name, "\"message\"" | "\"error_description\"");
    let value: String = serde_json::from_str(value.trim_end_matches(',')).ok().filter(|_| is_it)?;
    Some(value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_body_the_message_is_shown_and_what_is_no_body_as_it_is() {
        let rule = "-".repeat(80);
        let text = format!(
            "GET https://kv1.vault.azure.net/secrets/a/\n{rule}\nRESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden\n{rule}\n{{\n  \"error\": {{\n    \
             \"code\": \"Forbidden\",\n    \"message\": \"not authorized.\\r\\nVault: kv1\\r\\n\",\n    \"innererror\": {{}}\n  }}\n}}\n{rule}\n\
             reason: VaultForbidden (KM0408)\nhint: look"
        );
        let shown = [
            "GET https://kv1.vault.azure.net/secrets/a/",
            "RESPONSE 403: 403 Forbidden",
            "ERROR CODE: Forbidden",
            "not authorized.",
            "Vault: kv1",
        ];
        assert_eq!(essence(&text), shown);
        // A body that was cut off does not swallow what follows.
        assert_eq!(essence(&format!("a\n{{\n  \"error\n{rule}\nb")), ["a", "b"]);
        assert_eq!(essence("provider not found (no azure.sock)"), ["provider not found (no azure.sock)"]);
    }
}

//! The overview as a page: no script, everything that comes from outside escaped.

use std::fmt::{self, Write as _};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::overview::{Certificate, Overview, Problem, Provider, Row, State};

/// The page; it loads itself again after so many seconds, if any.
pub(super) fn page(overview: &Overview, refresh: Option<u32>) -> String {
    let mut out = String::with_capacity(4096 + overview.volumes.len() * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, overview, refresh);
    out
}

fn write(out: &mut String, overview: &Overview, refresh: Option<u32>) -> fmt::Result {
    let node = Text(&overview.node);
    let broken = overview.volumes.len() - overview.count(State::Well);
    let mark = if broken == 0 { String::new() } else { format!("({broken}) ") };
    out.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    if let Some(seconds) = refresh {
        writeln!(out, "<meta http-equiv=\"refresh\" content=\"{seconds}\">")?;
    }
    writeln!(
        out,
        "<title>{mark}Secrets of {node}</title><link rel=\"stylesheet\" href=\"/status/style.css\"></head><body>"
    )?;
    writeln!(out, "<header><h1>Secrets of node {node}</h1>")?;
    writeln!(
        out,
        "<p>secrets-store-csi-driver {}, {}",
        Text(overview.version),
        Text(&overview.time.strftime("%F %T UTC").to_string())
    )?;
    out.push_str(if overview.rotates { "" } else { " · rotation is off" });
    out.push_str(match refresh {
        Some(_) => " · <a href=\"/status\">stop reloading</a>",
        None => " · <a href=\"/status?refresh=30\">reload every 30 s</a>",
    });
    out.push_str(" · <a href=\"/status?format=json\">JSON</a></p></header>\n<main>\n");
    summary(out, overview)?;
    for state in [State::NotMounted, State::NotRotated, State::NotSynced, State::Well] {
        section(out, overview, state)?;
    }
    if overview.more > 0 {
        writeln!(out, "<p>{} more are left out.</p>", overview.more)?;
    }
    providers(out, &overview.providers)?;
    out.push_str("</main></body></html>\n");
    Ok(())
}

fn summary(out: &mut String, overview: &Overview) -> fmt::Result {
    out.push_str("<ul class=\"summary\">");
    for (state, title, _) in SECTIONS {
        let count = overview.count(state);
        let class = if count == 0 { "none" } else { class(state) };
        write!(out, "<li class=\"{class}\"><b>{count}</b> {title}</li>")?;
    }
    out.push_str("</ul>\n");
    if overview.unknown > 0 {
        writeln!(
            out,
            "<p>{} volumes were mounted before this process started; their pods are not known until kubelet calls.</p>",
            overview.unknown
        )?;
    }
    if overview.volumes.is_empty() && overview.unknown == 0 {
        out.push_str("<p>No pod of this node mounts a volume of this driver.</p>\n");
    }
    Ok(())
}

const SECTIONS: [(State, &str, &str); 4] = [
    (State::NotMounted, "cannot be mounted", "Pods that cannot start"),
    (State::NotRotated, "cannot be rotated", "Pods on old content"),
    (State::NotSynced, "with Secrets not in sync", "Pods whose Secrets are not in sync"),
    (State::Well, "well", "Volumes that are well"),
];

const fn class(state: State) -> &'static str {
    match state {
        State::NotMounted | State::NotRotated => "bad",
        State::NotSynced => "doubtful",
        State::Well => "well",
    }
}

fn section(out: &mut String, overview: &Overview, state: State) -> fmt::Result {
    let title = SECTIONS.iter().find(|(of, ..)| *of == state).map_or("", |(.., title)| title);
    let mut rows = overview.volumes.iter().filter(|row| row.state == state).peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "<section class=\"{}\"><h2>{title}</h2>", class(state))?;
    for row in rows {
        volume(out, row, overview.time)?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn volume(out: &mut String, row: &Row, now: Timestamp) -> fmt::Result {
    let (namespace, pod, class) = (Text(&row.namespace), Text(&row.pod), Text(&row.class));
    write!(out, "<article><h3>{namespace}/{pod}</h3><p class=\"facts\">class {class}")?;
    if !row.provider.is_empty() {
        write!(out, " · provider {}", Text(&row.provider))?;
    }
    if let Some(at) = row.last_success {
        write!(
            out,
            " · fetched <time datetime=\"{at}\" title=\"{at}\">{} ago</time>",
            Span::between(at, now)
        )?;
    }
    if let Some(at) = row.next_rotation {
        write!(out, " · next <time datetime=\"{at}\" title=\"{at}\">in {}</time>", Span::between(now, at))?;
    }
    out.push_str("</p>\n");
    row.problems.iter().try_for_each(|found| problem(out, found))?;
    if !row.objects.is_empty() {
        out.push_str("<table><thead><tr><th>object</th><th>version</th></tr></thead><tbody>");
        for (id, version) in &row.objects {
            write!(out, "<tr><td>{}</td><td>{}</td></tr>", Text(id), Text(version))?;
        }
        out.push_str("</tbody></table>\n");
    }
    certificates(out, &row.certificates, now)?;
    if !row.secrets.is_empty() {
        out.push_str("<p class=\"facts\">Secrets:");
        for secret in &row.secrets {
            let (class, mark) = if secret.synced { ("well", "in sync") } else { ("bad", "not in sync") };
            write!(out, " <span class=\"{class}\">{} ({mark})</span>", Text(&secret.name))?;
        }
        out.push_str("</p>\n");
    }
    out.push_str("</article>\n");
    Ok(())
}

/// Certificates that expire within this time stand out.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

fn certificates(out: &mut String, certificates: &[Certificate], now: Timestamp) -> fmt::Result {
    if certificates.is_empty() {
        return Ok(());
    }
    out.push_str("<table><thead><tr><th>certificate</th><th>expires</th></tr></thead><tbody>");
    for Certificate { path, not_after } in certificates {
        let (class, words) = match not_after.duration_since(now) {
            left if left.is_negative() => ("bad", format!("expired {} ago", Span::between(*not_after, now))),
            left if left < SOON => ("doubtful", format!("in {}", Span::between(now, *not_after))),
            _ => ("none", format!("in {}", Span::between(now, *not_after))),
        };
        write!(
            out,
            "<tr><td>{}</td><td class=\"{class}\"><time datetime=\"{not_after}\" title=\"{not_after}\">{words}</time></td></tr>",
            Text(path)
        )?;
    }
    out.push_str("</tbody></table>\n");
    Ok(())
}

fn problem(out: &mut String, problem: &Problem) -> fmt::Result {
    let Problem { what, reason, message, explanation } = problem;
    write!(out, "<div class=\"problem\"><p><b>{}: {}</b> {}</p>", Text(what), Text(reason), Text(message))?;
    if let Some(found) = explanation {
        write!(out, "<p>{} <span class=\"code\">{}</span></p>", Text(found.meaning), Text(&found.id))?;
        write!(out, "<p class=\"remedy\"><b>What to do.</b> {}</p>", Text(found.remedy))?;
    }
    out.push_str("</div>\n");
    Ok(())
}

fn providers(out: &mut String, providers: &[Provider]) -> fmt::Result {
    if providers.is_empty() {
        return Ok(());
    }
    out.push_str("<section><h2>Providers</h2><table><thead><tr><th>provider</th><th>health check</th><th>calls</th></tr></thead><tbody>");
    for provider in providers {
        let (class, word) = match provider.healthy {
            Some(true) => ("well", "answers"),
            Some(false) => ("bad", "does not answer"),
            None => ("none", "off"),
        };
        write!(
            out,
            "<tr><td>{}</td><td class=\"{class}\">{word}</td><td>{} running, {} waiting</td></tr>",
            Text(&provider.name),
            provider.running,
            provider.waiting
        )?;
    }
    out.push_str("</tbody></table></section>\n");
    Ok(())
}

/// Text from outside, harmless between tags and in quoted attributes. What cannot be seen, or turns the direction
/// of what follows, is shown as a replacement character.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_str("<br>")?,
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    f.write_char('\u{fffd}')?
                }
                character if character.is_control() => f.write_char('\u{fffd}')?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// A time span as people say it.
struct Span(Duration);

impl Span {
    fn between(from: Timestamp, to: Timestamp) -> Self {
        Self(Duration::try_from(to.duration_since(from)).unwrap_or_default())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ ..120 => write!(f, "{seconds} s"),
            seconds @ ..7200 => write!(f, "{} min", seconds / 60),
            seconds @ ..172_800 => write!(f, "{} h", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

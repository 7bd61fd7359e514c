//! A volume as a line of a table.

use jiff::Timestamp;

use super::secrets::SecretState;
use super::view::{State, VolumeView};
use crate::output::{self, BAD, Cell, DIM, DOUBTFUL, Format, GOOD, age, until};

pub(super) const fn header(format: Format) -> &'static [&'static str] {
    match format {
        Format::Wide => &[
            "NAMESPACE",
            "POD",
            "CLASS",
            "STATE",
            "OBJECTS",
            "LAST-SUCCESS",
            "STALE",
            "EXPIRES",
            "REASON",
            "NODE",
            "SECRETS",
            "VERSIONS",
            "MESSAGE",
        ],
        _ => &["NAMESPACE", "POD", "CLASS", "STATE", "OBJECTS", "LAST-SUCCESS", "STALE", "EXPIRES", "REASON"],
    }
}

pub(super) fn row(volume: &VolumeView, now: Timestamp, format: Format) -> Vec<Cell> {
    let style = match volume.state {
        State::Failed | State::Unknown => BAD,
        State::Stale | State::NotSynced => DOUBTFUL,
        State::Mounted => GOOD,
        State::Gone => DIM,
    };
    let since = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| age(time, now));
    let mut cells: Vec<Cell> = vec![
        volume.namespace.as_str().into(),
        volume.pod.as_str().into(),
        volume.class.as_str().into(),
        Cell::styled(volume.state.name(), style),
        volume.objects.len().to_string().into(),
        since(volume.last_success).into(),
        since(volume.stale_since).into(),
        expiry(volume, now),
        reason(volume).into(),
    ];
    if format == Format::Wide {
        cells.push(volume.node.as_deref().unwrap_or("-").into());
        cells.push(secrets(volume).into());
        cells.push(versions(volume).into());
        cells.push(message(volume).into());
    }
    cells
}

/// How long the first of the certificates is still good.
fn expiry(volume: &VolumeView, now: Timestamp) -> Cell {
    let Some(end) = volume.expires() else { return "-".into() };
    Cell::styled(until(end, now).unwrap_or_else(|| "expired".to_owned()), output::urgency(end, now))
}

/// `KM0409 ObjectNotFound` of the worst problem.
fn reason(volume: &VolumeView) -> String {
    match (volume.problems.first(), volume.state) {
        (Some(problem), _) => match &problem.number {
            Some(number) => format!("{number} {}", problem.reason),
            None => problem.reason.clone(),
        },
        (None, State::Unknown) => "no driver reports".to_owned(),
        (None, _) => "-".to_owned(),
    }
}

/// `2/3`: how many of the Secrets are as they should be.
fn secrets(volume: &VolumeView) -> String {
    match volume.secrets.as_deref() {
        None | Some([]) => "-".to_owned(),
        Some(all) if all.iter().all(|secret| secret.state == SecretState::Hidden) => {
            format!("?/{}", all.len())
        }
        Some(all) => {
            format!(
                "{}/{}",
                all.iter().filter(|secret| secret.state == SecretState::Synced).count(),
                all.len()
            )
        }
    }
}

/// `secret/db=3f2a91cc`, versions shortened as git does it.
fn versions(volume: &VolumeView) -> String {
    let short = |version: &str| version.chars().take(8).collect::<String>();
    let one = |object: &keymount_api::ObjectVersion| format!("{}={}", object.id, short(&object.version));
    let all: Vec<_> = volume.objects.iter().map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(",") }
}

fn message(volume: &VolumeView) -> String {
    match (volume.problems.first(), volume.state) {
        (Some(problem), _) => problem.message.replace('\n', " "),
        (None, State::Unknown) => "keymount describe pod says why".to_owned(),
        (None, _) => "-".to_owned(),
    }
}

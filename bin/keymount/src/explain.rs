//! `keymount explain`.

use std::io::Write as _;
use std::process::ExitCode;

use keymount_catalogue::{Area, Entry, entries, find, of_metric, recognise, sentence};

use crate::output::{self, LABEL, TITLE};

/// Says what a code means, why it usually comes, and what to do.
///
/// Codes and numbers stand in events, in the conditions of SecretProviderClassPodStatus objects, in error texts behind `reason:`, in logs,
/// in metrics and in the output of `keymount lint`. Without a code all are listed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A number such as KM0107, a code such as TenantMissing, a value of the metric label error_type, or a whole message in quotes
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
    /// One JSON object per code
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    let mut wanted = Vec::new();
    for code in &arguments.codes {
        let found = meant(code);
        if found.is_empty() {
            output::complain("explain", &format!("there is no code {code}; {}", nearby(code)));
            return ExitCode::from(2);
        }
        wanted.extend(found);
    }
    let text = match (arguments.json, wanted.as_slice()) {
        (true, []) => entries().iter().map(json).collect(),
        (true, wanted) => wanted.iter().map(json).collect(),
        (false, []) => overview(),
        (false, wanted) => wanted.iter().map(one).collect::<Vec<_>>().join("\n"),
    };
    // Whoever reads this through a pipe may have seen enough.
    let _ = anstream::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// The entry of a number or code; what a metric's reason may stand for; what a message is about.
fn meant(text: &str) -> Vec<Entry> {
    match (find(text), of_metric(text)) {
        (Some(entry), _) => vec![entry],
        (None, metric) if !metric.is_empty() => {
            output::note(&format!("{text} is a reason of metrics that stands for any of these"));
            metric
        }
        _ => recognise(text).into_iter().collect(),
    }
}

/// Codes whose name or meaning has the text, for who knows a word only.
fn nearby(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let has = |entry: &&Entry| {
        entry.code.to_ascii_lowercase().contains(&text) || entry.meaning.to_ascii_lowercase().contains(&text)
    };
    let found: Vec<_> =
        entries().iter().filter(has).map(|entry| format!("{} {}", entry.id, entry.code)).collect();
    if text.len() < 3 || found.is_empty() || found.len() > 20 {
        return "`keymount explain` lists all".to_owned();
    }
    format!("these have that word: {}", found.join(", "))
}

fn json(entry: &Entry) -> String {
    let Entry { id, code, area, meaning, cause, example, remedy } = entry;
    let value = serde_json::json!({
        "id": id.to_string(), "code": code, "area": area.title(), "meaning": meaning, "cause": cause,
        "example": example, "remedy": remedy,
    });
    format!("{value}\n")
}

fn one(entry: &Entry) -> String {
    let Entry { id, code, meaning, cause, example, remedy, .. } = entry;
    let example = example.replace('\n', "\n    ");
    format!(
        "{TITLE}{id} {code}{TITLE:#}\n{}\n\n{LABEL}Why{LABEL:#}\n    {cause}\n\n{LABEL}How it looks{LABEL:#}\n    \
         {example}\n\n{LABEL}What to do{LABEL:#}\n    {}\n",
        sentence(meaning),
        sentence(remedy)
    )
}

fn overview() -> String {
    let mut text = String::new();
    for area in Area::ALL {
        text.push_str(&format!("{TITLE}{}{TITLE:#}\n", area.title()));
        for entry in entries().iter().filter(|entry| entry.area == area) {
            text.push_str(&format!("  {}  {:<30}  {}\n", entry.id, entry.code, entry.meaning));
        }
        text.push('\n');
    }
    text
}

//! `keymount explain`.

use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use keymount_catalogue::{Area, Entry, entries, find, sentence};

/// Says what a code means, why it usually comes, and what to do.
///
/// Codes stand in events, in the conditions of SecretProviderClassPodStatus objects, in error texts behind `reason:` and in the
/// output of `keymount lint`. Without a code all are listed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A number such as KM0107, or a code such as TenantMissing
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
    /// One JSON object per code
    #[arg(long)]
    json: bool,
    /// No colours
    #[arg(long)]
    no_color: bool,
}

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const LABEL: Style = Style::new().bold();

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    if arguments.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    let mut wanted = Vec::new();
    for code in &arguments.codes {
        let Some(entry) = find(code) else {
            let _ = writeln!(
                anstream::stderr(),
                "keymount explain: there is no code {code}; `keymount explain` lists all"
            );
            return ExitCode::from(2);
        };
        wanted.push(entry);
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

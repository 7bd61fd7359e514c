//! `keymount lint`.

mod human;
mod machine;
mod sources;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use keymount_lint::{Diagnostic, Report, Severity, Source};
use sources::Skipped;

/// Checks SecretProviderClasses, and the pods that mount them, without a cluster.
///
/// Reads Kubernetes manifests: YAML or JSON, several documents in a file, lists. What the Azure provider would say of a class is
/// said by the provider's own parser, at the line and column of the mistake. Exit code: 0 when nothing is wrong, 1 when something is,
/// 2 when a file cannot be read.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Files or directories to check; `-` is standard input
    #[arg(required = true, value_name = "FILE|DIR|-")]
    paths: Vec<String>,
    /// How to say it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Put right what can be put right without a doubt, and say what is left
    #[arg(long)]
    fix: bool,
    /// Warnings count as errors
    #[arg(long)]
    deny_warnings: bool,
    /// Codes to leave out
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    allow: Vec<String>,
    /// Namespace of objects that name none
    #[arg(long, short, default_value = "default")]
    namespace: String,
}

/// Output formats.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    #[default]
    Human,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of a GitHub workflow
    Github,
}

/// A file cannot be read or written.
const UNUSABLE: u8 = 2;

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "keymount lint: {error:#}");
            UNUSABLE.into()
        }
    }
}

/// Says whether nothing is wrong.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let (mut sources, skipped) = sources::read(&arguments.paths)?;
    let known = |code: &String| keymount_lint::codes().contains(&code.as_str());
    if let Some(unknown) = arguments.allow.iter().find(|code| !known(code)) {
        anyhow::bail!("--allow: there is no code {unknown}");
    }
    let check = |sources: &[Source]| {
        let mut report = keymount_lint::lint(sources, &arguments.namespace);
        report.diagnostics.retain(|found| !arguments.allow.iter().any(|code| code == found.code));
        report
    };
    let mut report = check(&sources);
    if arguments.fix && fix(&mut sources, &report.diagnostics)? {
        report = check(&sources);
    }
    let out = &mut anstream::stdout().lock();
    let written = match arguments.format {
        Format::Human => human::write(out, &sources, &report, &skipped),
        Format::Json => machine::json(out, &sources, &report),
        Format::Sarif => machine::sarif(out, &sources, &report),
        Format::Github => machine::github(out, &sources, &report),
    };
    // Whoever read this through a pipe may have seen enough.
    let _ = written.and_then(|()| out.flush());
    Ok(!report.diagnostics.iter().any(|found| arguments.deny_warnings || found.severity == Severity::Error))
}

/// Changes the files. Says whether it has.
fn fix(sources: &mut [Source], found: &[Diagnostic]) -> anyhow::Result<bool> {
    let mut changed = false;
    for (file, source) in sources.iter_mut().enumerate() {
        let fixes = found.iter().filter(|found| found.file == file).filter_map(|found| found.fix.as_ref());
        let (text, made) = keymount_lint::apply(&source.text, fixes);
        if made == 0 {
            continue;
        }
        anyhow::ensure!(
            source.name != sources::STANDARD_INPUT,
            "--fix changes files; standard input is none"
        );
        replace(Path::new(&source.name), &text).with_context(|| format!("cannot write {}", source.name))?;
        let _ = writeln!(anstream::stderr(), "{}: put {made} right", source.name);
        source.text = text;
        changed = true;
    }
    Ok(changed)
}

/// Writes a file whole or not at all, with the mode it had.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = path.canonicalize()?;
    let mut file = tempfile::NamedTempFile::new_in(path.parent().context("it has no directory")?)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(path.metadata()?.permissions())?;
    file.persist(&path)?;
    Ok(())
}

/// `2 errors and 1 warning`.
fn counts(report: &Report) -> String {
    let count = |severity| report.diagnostics.iter().filter(|found| found.severity == severity).count();
    format!(
        "{} and {}",
        number(count(Severity::Error), "error", "errors"),
        number(count(Severity::Warning), "warning", "warnings")
    )
}

fn number(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

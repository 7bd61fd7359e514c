//! What to check.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use keymount_lint::Source;

/// Name of standard input in messages.
pub(super) const STANDARD_INPUT: &str = "<stdin>";

/// Manifests are small; what is larger is none.
const LARGEST: u64 = 32 << 20;

/// A file of a directory that is not checked.
pub(super) struct Skipped {
    pub(super) name: String,
    pub(super) why: &'static str,
}

/// Reads files, directories and standard input.
pub(super) fn read(paths: &[String]) -> anyhow::Result<(Vec<Source>, Vec<Skipped>)> {
    let (mut sources, mut skipped) = (Vec::new(), Vec::new());
    for path in paths {
        if path == "-" {
            let mut text = String::new();
            std::io::stdin().take(LARGEST).read_to_string(&mut text).context("cannot read standard input")?;
            sources.push(Source { name: STANDARD_INPUT.to_owned(), text });
        } else if Path::new(path).is_dir() {
            let mut files = Vec::new();
            walk(Path::new(path), &mut files)?;
            for file in files {
                let source = file_source(&file)?;
                if is_template(&source.text) {
                    skipped.push(Skipped { name: source.name, why: "a template: render it first" });
                } else {
                    sources.push(source);
                }
            }
        } else {
            sources.push(file_source(Path::new(path))?);
        }
    }
    Ok((sources, skipped))
}

fn file_source(path: &Path) -> anyhow::Result<Source> {
    let unreadable = || format!("cannot read {}", path.display());
    if path.metadata().with_context(unreadable)?.len() > LARGEST {
        bail!("{} is larger than {LARGEST} bytes", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(unreadable)?;
    Ok(Source { name: path.display().to_string(), text })
}

/// YAML and JSON files below a directory, in order. Hidden directories and links are left out.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read {}", directory.display());
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).and_then(Iterator::collect).with_context(unreadable)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (kind, path) = (entry.file_type().with_context(unreadable)?, entry.path());
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !hidden {
            walk(&path, files)?;
        } else if kind.is_file()
            && path
                .extension()
                .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether Helm makes the manifests of it.
fn is_template(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("{{"))
        || text.contains("{{ .")
        || text.contains("{{- ")
}

//! Files that are made from code and checked in.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// A file that is made from code.
pub(crate) struct Generated {
    /// Path below the root of the project.
    pub(crate) path: &'static str,
    /// What it should hold.
    pub(crate) content: String,
}

/// Root of the project.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes the files, or only says whether they are as they should be.
#[allow(clippy::print_stdout, reason = "a command line tool")]
pub(crate) fn update(files: Vec<Generated>, check: bool) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for file in files {
        let path = root().join(file.path);
        if std::fs::read_to_string(&path).is_ok_and(|held| held == file.content) {
            continue;
        }
        if check {
            stale.push(file.path);
            continue;
        }
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(&path, &file.content).with_context(|| path.display().to_string())?;
        println!("wrote {}", file.path);
    }
    ensure!(stale.is_empty(), "not up to date: {} (run this without --check)", stale.join(", "));
    Ok(())
}

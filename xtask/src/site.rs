//! The documentation as a site: the chapters of docs/SUMMARY.md through mdbook, then every link looked at.
//!
//! Pages stay where they are read on a forge, with the links they have there. For the site they are copied to
//! `target/site/source` in the same folders; what they link to and is no chapter is linked to in the repository.

mod links;
mod markdown;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::generated::root;

const SUMMARY: &str = "docs/SUMMARY.md";
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");

/// Builds the site with this mdbook.
///
/// # Errors
/// A page is missing or no chapter, mdbook failed, or a link leads nowhere.
#[allow(clippy::print_stdout, reason = "a command line tool")]
pub(crate) fn build(mdbook: &Path) -> anyhow::Result<()> {
    let place = root().canonicalize()?.join("target/site");
    let pages = stage(&place)?;
    let status = Command::new(mdbook).arg("build").arg(&place).status().context("mdbook")?;
    ensure!(status.success(), "mdbook failed");
    let checked = links::check(&place.join("html"))?;
    println!("{pages} chapters, {checked} links: {}", place.join("html/index.html").display());
    Ok(())
}

/// Copies chapters and pictures; the number of chapters.
fn stage(place: &Path) -> anyhow::Result<usize> {
    if place.exists() {
        std::fs::remove_dir_all(place)?;
    }
    let source = place.join("source");
    std::fs::create_dir_all(&source)?;
    std::fs::copy(root().join("docs/book.toml"), place.join("book.toml"))?;
    let summary = read(SUMMARY)?;
    let chapters: BTreeSet<String> =
        markdown::targets(&summary).iter().filter_map(|target| markdown::resolve(SUMMARY, target)).collect();
    no_page_is_left_out(&chapters)?;
    // From the top of the source, so that a chapter outside of docs keeps its folder.
    let summary = markdown::with_links(&summary, |target| {
        markdown::resolve(SUMMARY, target).unwrap_or_else(|| target.to_owned())
    });
    std::fs::write(source.join("SUMMARY.md"), summary)?;
    for chapter in &chapters {
        let text = markdown::with_links(&read(chapter)?, |target| {
            let (path, _) = target.split_once('#').unwrap_or((target, ""));
            match markdown::resolve(chapter, path) {
                Some(path) if !chapters.contains(&path) && !is_picture(&path) => {
                    format!("{REPOSITORY}{}", markdown::resolve(chapter, target).unwrap_or_default())
                }
                // Mdbook makes the index of a folder of its README.
                Some(path) if chapters.contains(&path) => target.replace("README.md", "index.md"),
                _ => target.to_owned(),
            }
        });
        write(&source, chapter, text.as_bytes())?;
        let pictures = markdown::targets(&text).into_iter().filter(|target| is_picture(target));
        for picture in pictures.filter_map(|target| markdown::resolve(chapter, &target)) {
            let bytes =
                std::fs::read(root().join(&picture)).with_context(|| format!("{chapter}: {picture}"))?;
            write(&source, &picture, &bytes)?;
        }
    }
    Ok(chapters.len())
}

/// A page below docs that is no chapter is one that nobody finds.
fn no_page_is_left_out(chapters: &BTreeSet<String>) -> anyhow::Result<()> {
    let mut folders = vec![PathBuf::from("docs")];
    let mut left_out = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder))? {
            let path = folder.join(entry?.file_name());
            let name = path.to_string_lossy().into_owned();
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if name.ends_with(".md") && name != SUMMARY && !chapters.contains(&name) {
                left_out.push(name);
            }
        }
    }
    ensure!(left_out.is_empty(), "no chapters of {SUMMARY}: {left_out:?}");
    Ok(())
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

fn write(source: &Path, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = source.join(path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, bytes)?)
}

fn is_picture(path: &str) -> bool {
    [".svg", ".png"].iter().any(|ending| path.ends_with(ending))
}

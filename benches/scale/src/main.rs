//! The simulation as a program: `cargo xtask scale`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Parser;
use keymount_scale::{Figures, PLOTS, Page, Shape, check_figures, figures};

/// Figures of the full size, of which the page is made.
const FULL: &str = "benches/scale/full.json";
/// Figures of the small size, which every run has to give again.
const SMALL: &str = "benches/scale/small.json";
const PAGE: &str = "docs/scale.md";

#[derive(Parser)]
#[command(
    name = "cargo xtask scale",
    about = "Simulates a cluster and writes docs/scale.md and its pictures"
)]
struct Arguments {
    /// Only says whether the page is what the figures say, and whether a small cluster still gives the figures on record
    #[arg(long)]
    check: bool,
    /// Only writes the page and its pictures anew, from the figures on record
    #[arg(long)]
    page: bool,
    /// Nodes; vaults, classes and the limit of the hot vault are as many times fewer. Figures are only printed
    #[arg(long)]
    nodes: Option<usize>,
    /// Writes the page of another size, too
    #[arg(long)]
    record: bool,
    /// Seed of all randomness
    #[arg(long)]
    seed: Option<u64>,
    /// Root of the project
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

#[allow(clippy::print_stdout, reason = "a command line tool")]
fn main() -> anyhow::Result<()> {
    let Arguments { check, page, nodes, record, seed, root } = Arguments::parse();
    if check {
        let small = std::fs::read_to_string(root.join(SMALL)).context(SMALL)?;
        // As text: a number that is read back may be another one in its last bit.
        ensure!(
            serde_json::to_string(&check_figures()?)? == small.trim_end(),
            "a small cluster gives other figures: run cargo xtask scale, and look at what has changed"
        );
        for (path, content) in files(&root, read(&root.join(FULL))?)? {
            let held = std::fs::read_to_string(&path).unwrap_or_default();
            ensure!(held == content, "{} is not what the figures say", path.display());
        }
        return Ok(());
    }
    if page {
        return write_page(&root);
    }
    let mut shape = Shape::full();
    shape = nodes.map_or(shape, Shape::of);
    shape.seed = seed.unwrap_or(shape.seed);
    let full = figures(shape)?;
    if shape != Shape::full() && !record {
        for side in full.life.iter().chain(&full.hot) {
            for phase in &side.phases {
                println!("{}", serde_json::to_string(phase)?);
            }
        }
        return Ok(());
    }
    write(&root.join(FULL), &full)?;
    write(&root.join(SMALL), &check_figures()?)?;
    write_page(&root)
}

/// From the figures on record, as the check makes it: JSON does not tell what was not reached from what was not waited for.
#[allow(clippy::print_stdout, reason = "a command line tool")]
fn write_page(root: &Path) -> anyhow::Result<()> {
    for (path, content) in files(root, read(&root.join(FULL))?)? {
        std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// The page and its pictures as they should be.
fn files(root: &Path, full: Figures) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let (page, path) = (Page::of(full), root.join(PAGE));
    let held = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let pictures = PLOTS.iter().zip(page.pictures());
    let pictures = pictures.map(|(name, picture)| (root.join("docs/pictures").join(name), picture));
    Ok(std::iter::once((path, page.text(&held)?)).chain(pictures).collect())
}

fn read(path: &Path) -> anyhow::Result<Figures> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

fn write(path: &Path, figures: &Figures) -> anyhow::Result<()> {
    std::fs::write(path, format!("{}\n", serde_json::to_string(figures)?))
        .with_context(|| path.display().to_string())
}

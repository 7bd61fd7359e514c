//! Measurements: builds what is measured, and hands over to `benches/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::generated::root;
use crate::images;

pub(crate) const DRIVER: &str = "secrets-store-csi-driver";
pub(crate) const PROVIDER: &str = "secrets-store-csi-driver-provider-azure";

/// `cargo xtask bench`: the arguments are those of the bench program. Without a driver and a provider among them, ours
/// are built as they are published, and measured.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let names = |flag: &str| {
        arguments.iter().any(|argument| argument == flag || argument.starts_with(&format!("{flag}=")))
    };
    let mut all = arguments.to_vec();
    let given = ["--driver", "--provider", "--list", "--help", "-h"].iter().any(|flag| names(flag));
    let program = release("keymount-benches")?.join("keymount-bench");
    if !given {
        let published = images::published()?;
        for (flag, program) in [("--driver", DRIVER), ("--provider", PROVIDER)] {
            all.extend([flag.to_owned(), published.join(program).display().to_string()]);
        }
    }
    let mut command = if names("--list") || names("--help") || names("-h") {
        Command::new(program)
    } else {
        let mut command = Command::new(root().join("benches/run.sh"));
        command.arg(program);
        command
    };
    run(command.args(all))
}

/// `cargo xtask scale`: the arguments are those of the simulation. It is built optimised; its figures are the same without.
pub(crate) fn scale(arguments: &[String]) -> anyhow::Result<()> {
    let program = release("keymount-scale")?.join("keymount-scale");
    run(Command::new(program).arg("--root").arg(root()).args(arguments))
}

/// Builds a package with the release profile, and gives the directory that its programs are in.
fn release(package: &str) -> anyhow::Result<PathBuf> {
    run(Command::new("cargo").current_dir(root()).args(["build", "--release", "-p", package]))?;
    Ok(target()?.join("release"))
}

/// Builds programs as the tests have them, and gives the directory that they are in.
pub(crate) fn tested<'a>(programs: impl IntoIterator<Item = &'a str>) -> anyhow::Result<PathBuf> {
    let mut command = Command::new("cargo");
    // Of the whole workspace and with a test, so that no dependency is built once more with fewer features.
    command.current_dir(root()).args([
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        "--test",
        "dependency_rules",
    ]);
    for program in programs {
        command.args(["--bin", program]);
    }
    run(&mut command)?;
    Ok(target()?.join("debug"))
}

/// Where cargo puts what it builds.
fn target() -> anyhow::Result<PathBuf> {
    let output = Command::new("cargo")
        .current_dir(root())
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    metadata["target_directory"].as_str().map(PathBuf::from).context("cargo names no target directory")
}

pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

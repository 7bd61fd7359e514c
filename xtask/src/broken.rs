//! `cargo xtask broken`: wrong changes, each made alone in a copy of the source, and the test that has to fail on it.
//!
//! A test that passes shows something only if it fails where the promise is broken. The table holds at least one change
//! for each section of `docs/trust.md`; that each of them still fits the source is a test of this crate.

mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::generated::root;
use table::table;

/// Who waits longer than this for what cannot come has failed.
const PATIENCE: Duration = Duration::from_secs(150);

/// One wrong change.
struct Break {
    /// Number of the fault, or the name of the attack or invariant.
    fault: &'static str,
    /// What is wrong then, for people.
    change: &'static str,
    /// The file.
    file: &'static str,
    /// What stands there, exactly once.
    from: &'static str,
    /// What stands there instead.
    to: &'static str,
    /// Package and target of the test, as cargo takes them.
    target: &'static [&'static str],
    /// The test's name, without its modules.
    test: &'static str,
}

/// Makes each change, or those whose test has one of these names, and runs its test.
#[allow(clippy::print_stdout, reason = "a command line tool")]
pub(crate) fn show(names: &[String]) -> anyhow::Result<()> {
    let copy = root().join("target/broken/source");
    copy_source(&copy)?;
    let wanted = |broken: &&Break| names.is_empty() || names.iter().any(|name| name == broken.test);
    let (mut passed, mut shown) = (Vec::new(), 0);
    for broken in table().filter(wanted) {
        let path = copy.join(broken.file);
        let source = std::fs::read_to_string(&path)?;
        std::fs::write(&path, broken.made_in(&source)?)?;
        let fails = broken.fails(&copy);
        std::fs::write(&path, &source)?;
        let result = fails.with_context(|| format!("{}: {}", broken.file, broken.change))?;
        println!(
            "| {} | {} | `{}` | {} |",
            broken.fault,
            broken.change,
            broken.test,
            result.unwrap_or("passes")
        );
        shown += 1;
        if result.is_none() {
            passed.push(broken.test);
        }
    }
    anyhow::ensure!(passed.is_empty(), "tests that pass whatever is broken: {passed:?}");
    println!("{shown} changes, each seen by its test");
    Ok(())
}

/// The files of the working tree that git knows, where a change hurts nobody. Keeps the times of files that are the
/// same, so that only what changes is built.
fn copy_source(copy: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output()?;
    anyhow::ensure!(listed.status.success(), "git ls-files failed");
    for name in std::str::from_utf8(&listed.stdout)?.split_terminator('\0') {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(bytes) = std::fs::read(&from) else { continue };
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        std::fs::create_dir_all(to.parent().context("a file has a directory")?)?;
        std::fs::copy(&from, &to)?;
    }
    Ok(())
}

impl Break {
    fn made_in(&self, source: &str) -> anyhow::Result<String> {
        match source.matches(self.from).count() {
            1 => Ok(source.replacen(self.from, self.to, 1)),
            times => bail!("{} stands {times} times in {}: {}", self.from, self.file, self.change),
        }
    }

    /// How the test fails, or none if it passes.
    fn fails(&self, copy: &Path) -> anyhow::Result<Option<&'static str>> {
        let mut cargo = Command::new("cargo");
        cargo.arg("test").args(self.target).current_dir(copy).env("KEYMOUNT_MOUNT_NAMESPACE", "required");
        // Nothing of the copy is in the way of the workspace's own build.
        cargo.env("CARGO_TARGET_DIR", target_directory()).stdin(Stdio::null());
        let built = cargo.arg("--no-run").output()?;
        anyhow::ensure!(
            built.status.success(),
            "it does not build:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let patience = PATIENCE.as_secs().to_string();
        let ran = Command::new("timeout")
            .args(["--kill-after=5", &patience, "cargo", "test", "--quiet"])
            .args(self.target)
            .args([self.test, "--", "--include-ignored"])
            .current_dir(copy)
            .env("KEYMOUNT_MOUNT_NAMESPACE", "required")
            .env("CARGO_TARGET_DIR", target_directory())
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&ran.stdout);
        match ran.status.code() {
            Some(0) if said.contains("0 passed") => bail!("there is no test {}", self.test),
            Some(0) => Ok(None),
            Some(124) => Ok(Some("waits in vain")),
            _ if said.contains("test result: FAILED") => Ok(Some("fails")),
            _ => bail!("neither passed nor failed:\n{said}\n{}", String::from_utf8_lossy(&ran.stderr)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "where cargo builds is told by the environment")]
fn target_directory() -> PathBuf {
    let workspace = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    workspace.join("broken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_fits_and_is_on_the_page() {
        let page = std::fs::read_to_string(root().join("docs/trust.md")).expect("the page");
        for broken in table() {
            let source = std::fs::read_to_string(root().join(broken.file)).expect(broken.file);
            let made = broken.made_in(&source).expect("the change fits the source");
            assert_ne!(made, source, "{}", broken.change);
            let row = format!("| {} | {} | `{}` |", broken.fault, broken.change, broken.test);
            assert!(page.contains(&row), "docs/trust.md has no row {row}");
        }
    }
}

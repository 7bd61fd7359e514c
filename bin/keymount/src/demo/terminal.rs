//! What people see.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const SHOWN: Style = AnsiColor::Yellow.on_default();

/// Prints the demo and counts its checks.
pub(super) struct Terminal {
    step: u32,
    passed: u32,
    failed: u32,
}

impl Terminal {
    pub(super) const fn new() -> Self {
        Self { step: 0, passed: 0, failed: 0 }
    }

    /// A new step, with a sentence that explains it.
    pub(super) fn step(&mut self, title: &str, explanation: &str) {
        self.step += 1;
        line(&format!("\n{TITLE}{}. {title}{TITLE:#}", self.step));
        for part in explanation.lines() {
            line(&format!("   {DIM}{part}{DIM:#}"));
        }
    }

    /// Something to look at.
    pub(super) fn show(&self, text: &str) {
        for part in text.lines() {
            line(&format!("     {part}"));
        }
    }

    /// Something to look at that a user would have typed or read.
    pub(super) fn quote(&self, text: &str) {
        for part in text.lines() {
            line(&format!("     {SHOWN}{part}{SHOWN:#}"));
        }
    }

    /// A promise, and whether it was kept.
    pub(super) fn check(&mut self, kept: bool, promise: &str) {
        if kept {
            self.passed += 1;
            line(&format!("   {GOOD}✓{GOOD:#} {promise}"));
        } else {
            self.failed += 1;
            line(&format!("   {BAD}✗ {promise}{BAD:#}"));
        }
    }

    pub(super) fn error(&self, text: &str) {
        let _ = writeln!(anstream::stderr(), "{BAD}keymount demo:{BAD:#} {text}");
    }

    /// The end; says whether everything was kept.
    pub(super) fn summary(&self, seconds: f64) -> bool {
        let all = self.passed + self.failed;
        if self.failed == 0 {
            line(&format!("\n{GOOD}All {all} checks passed{GOOD:#} in {seconds:.1} s."));
        } else {
            line(&format!("\n{BAD}{} of {all} checks failed{BAD:#}.", self.failed));
        }
        self.failed == 0
    }
}

/// One line. Whoever reads this through a pipe may have gone away; the demo ends in order all the same.
pub(super) fn line(text: &str) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

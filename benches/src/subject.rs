//! The programs that are measured.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A driver and a provider that are measured together; each row needs one of them.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// How the table calls it.
    pub(crate) label: &'static str,
    driver: Option<PathBuf>,
    provider: Option<PathBuf>,
}

impl Subject {
    pub(crate) const fn new(label: &'static str, driver: Option<PathBuf>, provider: Option<PathBuf>) -> Self {
        Self { label, driver, provider }
    }

    /// Whether there is anything to measure.
    pub(crate) const fn is_there(&self) -> bool {
        self.driver.is_some() || self.provider.is_some()
    }

    /// Whether there is what a row needs.
    pub(crate) const fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Driver => self.driver.is_some(),
            Needs::Provider => self.provider.is_some(),
        }
    }

    /// The driver.
    pub(crate) fn driver(&self) -> anyhow::Result<&Path> {
        self.driver.as_deref().context("no --driver was given")
    }

    /// The provider.
    pub(crate) fn provider(&self) -> anyhow::Result<&Path> {
        self.provider.as_deref().context("no --provider was given")
    }
}

/// Which program a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The driver.
    Driver,
    /// The provider.
    Provider,
}

//! What is said of each code. Its number stands in the crate `reasons`.

mod driver;
mod lint;
mod provider;
mod secret_sync;

pub(crate) use driver::DRIVER;
pub(crate) use lint::LINT;
pub(crate) use provider::{CLASS, CONTENT, CREDENTIAL, TOKEN, VAULT};
pub(crate) use secret_sync::SECRET_SYNC;

use crate::Row;

/// A code whose texts stand where it is raised.
const fn row(code: &'static str, cause: &'static str, example: &'static str) -> Row {
    Row { code, texts: None, cause, example }
}

impl Row {
    /// The same with its texts.
    const fn saying(self, meaning: &'static str, remedy: &'static str) -> Self {
        Self { texts: Some((meaning, remedy)), ..self }
    }
}

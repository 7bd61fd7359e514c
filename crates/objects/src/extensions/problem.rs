//! What is wrong with a field that is an extension.

use thiserror::Error;

use super::json_files::MAX_FILES;
use super::selector::MAX_PATTERN;
use crate::error::FieldProblem;
use crate::reason::Reason;
use crate::vault::VaultNameError;

/// What is wrong with a field that is an extension.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExtensionProblem {
    /// `keyvaultName` breaks the rules for vault names.
    #[error("{}", .0.text())]
    Vault(#[from] VaultNameError),
    /// The field is for secrets only.
    #[error("{0} only supported for objectType: secret")]
    NeedsSecret(&'static str),
    /// Two fields that cannot both be given.
    #[error("{0} cannot be combined with {1}")]
    Contradiction(&'static str, &'static str),
    /// A pattern with characters that no name has.
    #[error("invalid objectNamePattern: {0}, should have letters, digits, hyphens, * and ? only")]
    Pattern(String),
    /// A pattern that is longer than any name.
    #[error("invalid objectNamePattern: it has more than {MAX_PATTERN} characters")]
    PatternLength,
    /// More files than one object may have.
    #[error("jsonPath has more than {MAX_FILES} entries")]
    TooManyFiles,
    /// An entry of `jsonPath` lacks a field.
    #[error("jsonPath[{index}]: {field} is missing")]
    EntryIncomplete {
        /// Which entry, from 0.
        index: usize,
        /// The field.
        field: &'static str,
    },
    /// An entry of `jsonPath` has a field of another name.
    #[error("jsonPath[{index}]: unknown field {field}")]
    EntryField {
        /// Which entry, from 0.
        index: usize,
        /// The field.
        field: String,
    },
    /// A path that is none.
    #[error("jsonPath[{index}]: {path} is not a JSONPath: {detail}")]
    Path {
        /// Which entry, from 0.
        index: usize,
        /// The path as written.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// A part of a PEM bundle that does not exist.
    #[error("pemFiles: unknown part {0}, should be bundle, certificates, leaf, ca or key")]
    PemPart(String),
    /// The file of a part.
    #[error("{field}: {problem}")]
    File {
        /// The part, as `jsonPath[0]` or `pemFiles.key`.
        field: String,
        /// What is wrong with its path or mode.
        problem: Box<FieldProblem>,
    },
}

impl ExtensionProblem {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Vault(_) => Reason::InvalidVaultName,
            Self::NeedsSecret(_) | Self::Contradiction(..) => Reason::ContradictingFields,
            Self::Pattern(_) | Self::PatternLength => Reason::InvalidSelector,
            Self::TooManyFiles => Reason::LimitExceeded,
            Self::EntryIncomplete { .. } | Self::EntryField { .. } | Self::Path { .. } => {
                Reason::InvalidJsonPath
            }
            Self::PemPart(_) => Reason::InvalidPemPart,
            Self::File { problem, .. } => problem.reason(),
        }
    }

    pub(crate) const fn fix(&self) -> &'static str {
        match self {
            Self::Vault(error) => error.hint(),
            Self::NeedsSecret(_) => {
                "leave it out: keys and certificates have one file; objectType: secret gets a certificate with \
                 its key"
            }
            Self::Contradiction(..) => "leave one of the two out, or make two objects of it",
            Self::Pattern(_) | Self::PatternLength => {
                "objectNamePattern is such as app-*: * stands for any characters, ? for one"
            }
            Self::TooManyFiles => "split the object over several secrets",
            Self::EntryIncomplete { .. } | Self::EntryField { .. } => {
                "each entry of jsonPath has a path, an objectAlias and, if need be, a filePermission"
            }
            Self::Path { .. } => {
                "a path picks one value, such as $.database.password or $.users[?@.name=='app'].password"
            }
            Self::PemPart(_) => "pemFiles maps parts to files, such as key: tls/tls.key",
            Self::File { problem, .. } => problem.fix(),
        }
    }
}

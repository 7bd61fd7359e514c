//! `pemFiles`: the parts of a certificate with its key, each in a file of its own.

use super::ExtensionProblem;
use crate::parse::{check_file_name, parse_permission};
use crate::yaml::Text;

/// A part of a PEM bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemPart {
    /// All of it: the value itself, or the PEM that its PFX was converted to.
    Bundle,
    /// All certificates, in order.
    Certificates,
    /// The first certificate.
    Leaf,
    /// The certificates of issuers.
    Ca,
    /// What is no certificate: the private key.
    Key,
}

/// A file for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// The part.
    pub part: PemPart,
    /// Path below the volume.
    pub alias: String,
    /// Mode bits.
    pub mode: i32,
}

pub(super) fn check(written: &[(String, Text)], mode: i32) -> Result<Vec<PemFile>, ExtensionProblem> {
    let file = |(name, alias): &(String, Text)| {
        let part = match name.as_str() {
            "bundle" => PemPart::Bundle,
            "certificates" => PemPart::Certificates,
            "leaf" => PemPart::Leaf,
            "ca" => PemPart::Ca,
            "key" => PemPart::Key,
            _ => return Err(ExtensionProblem::PemPart(name.clone())),
        };
        let alias = alias.value.trim().to_owned();
        check_file_name(&alias).map_err(|problem| ExtensionProblem::File {
            field: format!("pemFiles.{name}"),
            problem: Box::new(problem),
        })?;
        Ok(PemFile { part, alias, mode })
    };
    written.iter().map(file).collect()
}

/// The path and mode of an entry of `jsonPath`.
pub(super) fn check_file(
    field: String,
    alias: &str,
    permission: &str,
    mode: i32,
) -> Result<i32, ExtensionProblem> {
    let checked = check_file_name(alias).and_then(|()| parse_permission(permission, mode.cast_unsigned()));
    checked.map_err(|problem| ExtensionProblem::File { field, problem: Box::new(problem) })
}

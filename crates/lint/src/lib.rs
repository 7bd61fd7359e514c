//! Checks SecretProviderClasses, and the pods that mount them, before a cluster sees them.
//!
//! Pure: text in, [`Diagnostic`]s out. What the Azure provider would say of a class is said here by the
//! provider's own parser, at the place in the file where the mistake stands, also inside the YAML that
//! `objects` holds as a string. Other providers' classes are checked as far as the driver's part goes.

mod azure;
mod class;
mod cluster;
mod diagnostic;
mod fields;
mod fix;
mod manifest;
mod names;
mod place;
mod pod;
mod rule;
mod secret_objects;
mod yaml;

pub use azure::CLOUDS;
pub use diagnostic::{Diagnostic, Edit, Fix, Severity};
pub use fix::apply;
pub use place::Place;
pub use rule::Rule;

use cluster::Cluster;
use manifest::Manifest;

/// A file to check.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name for people, such as its path.
    pub name: String,
    /// Its text: YAML documents, or JSON.
    pub text: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is wrong or doubtful, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// SecretProviderClasses that were checked.
    pub classes: usize,
    /// Pods and pod templates that were checked because they mount a class.
    pub pods: usize,
}

/// Checks files, also against each other: pods against the classes they mount.
///
/// Objects without a namespace count as being in `namespace`.
#[must_use]
pub fn lint(sources: &[Source], namespace: &str) -> Report {
    let mut diagnostics = Vec::new();
    let mut cluster = Cluster::default();
    for (file, source) in sources.iter().enumerate() {
        let documents = match yaml::parse(&source.text) {
            Ok(documents) => documents,
            Err(error) => {
                diagnostics.push(error.diagnostic(file));
                error.read
            }
        };
        for manifest in documents.into_iter().flat_map(|root| Manifest::all(file, root)) {
            match manifest.kind() {
                "SecretProviderClass" => {
                    cluster.classes.push(class::check(&manifest, namespace, &mut diagnostics));
                }
                "ServiceAccount" => cluster.accounts.extend(cluster::Account::of(&manifest, namespace)),
                _ => cluster.pods.extend(pod::check(&manifest, namespace, &mut diagnostics)),
            }
        }
    }
    cluster.check(&mut diagnostics);
    diagnostics.sort_by_key(|found| (found.file, found.start, found.severity));
    Report { diagnostics, classes: cluster.classes.len(), pods: cluster.pods.len() }
}

/// All codes that a diagnostic may have.
#[must_use]
pub fn codes() -> Vec<&'static str> {
    let provider = keymount_objects::Reason::ALL.iter().map(|reason| reason.as_str());
    let mut codes: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).chain(provider).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests;

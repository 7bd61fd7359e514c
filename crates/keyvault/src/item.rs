//! What is asked of a vault, and its address.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::error::VaultError;

/// The version of the Key Vault REST interface.
pub(crate) const API_VERSION: &str = "7.4";

/// The kinds of objects a vault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// `secrets`
    Secret,
    /// `keys`
    Key,
    /// `certificates`
    Certificate,
}

impl ObjectKind {
    /// The first segment of the object's path.
    #[must_use]
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Key => "keys",
            Self::Certificate => "certificates",
        }
    }

    /// How the SDK complains of a missing name.
    pub(crate) const fn name_parameter(self) -> &'static str {
        match self {
            Self::Secret | Self::Key => "name",
            Self::Certificate => "certificateName",
        }
    }
}

/// One thing a vault can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    /// An object: the version is empty for the current one.
    Object { kind: ObjectKind, name: String, version: String },
    /// The list of an object's versions.
    Versions { kind: ObjectKind, name: String },
    /// The list of all objects of a kind.
    Objects { kind: ObjectKind },
}

impl Item {
    pub(crate) const fn kind(&self) -> ObjectKind {
        match self {
            Self::Object { kind, .. } | Self::Versions { kind, .. } | Self::Objects { kind } => *kind,
        }
    }

    /// The address at `vault` (`https://<name>.<suffix>/`).
    pub(crate) fn url(&self, vault: &Url) -> Result<Url, VaultError> {
        let (kind, name, version) = match self {
            Self::Object { kind, name, version } => (kind, name, version.as_str()),
            Self::Versions { kind, name } => (kind, name, "versions"),
            Self::Objects { kind } => {
                let mut url = vault.clone();
                url.set_path(&format!("/{}", kind.collection()));
                url.set_query(Some(&format!("api-version={API_VERSION}")));
                return Ok(url);
            }
        };
        if name.is_empty() {
            return Err(VaultError::NameEmpty(kind.name_parameter()));
        }
        if [name, version].iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(VaultError::NameIsDots);
        }
        let mut url = vault.clone();
        url.set_path(&format!("/{}/{}/{}", kind.collection(), escaped(name), escaped(version)));
        url.set_query(Some(&format!("api-version={API_VERSION}")));
        Ok(url)
    }
}

/// What may stand in a path segment as it is, as Go's `url.PathEscape` has it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

fn escaped(segment: &str) -> impl fmt::Display {
    utf8_percent_encode(segment, SEGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(item: &Item) -> Result<String, String> {
        let vault = Url::parse("https://kv.vault.azure.net/").expect("a URL");
        item.url(&vault).map(String::from).map_err(|error| error.to_string())
    }

    fn object(kind: ObjectKind, name: &str, version: &str) -> Item {
        Item::Object { kind, name: name.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn addresses_as_the_sdk_writes_them() {
        for (item, path) in [
            (object(ObjectKind::Secret, "s1", ""), "secrets/s1/"),
            (object(ObjectKind::Key, "k", "0123"), "keys/k/0123"),
            (object(ObjectKind::Certificate, "c", "latest"), "certificates/c/latest"),
            (Item::Versions { kind: ObjectKind::Key, name: "k".to_owned() }, "keys/k/versions"),
            (Item::Objects { kind: ObjectKind::Certificate }, "certificates"),
            (object(ObjectKind::Secret, "a/b?c#d%e f\\g", ""), "secrets/a%2Fb%3Fc%23d%25e%20f%5Cg/"),
            (object(ObjectKind::Secret, "..%2f..", ""), "secrets/..%252f../"),
            (object(ObjectKind::Secret, "ü$&+=:@;,", ""), "secrets/%C3%BC$&+=:@%3B%2C/"),
        ] {
            assert_eq!(url(&item), Ok(format!("https://kv.vault.azure.net/{path}?api-version=7.4")));
        }
    }

    #[test]
    fn names_that_address_nothing() {
        let error = |kind, name, version| url(&object(kind, name, version)).expect_err("an error");
        assert_eq!(error(ObjectKind::Secret, "", "v"), "parameter name cannot be empty");
        assert_eq!(error(ObjectKind::Certificate, "", ""), "parameter certificateName cannot be empty");
        for (name, version) in [("..", ""), (".", ""), ("a", ".."), ("a", ".")] {
            assert!(url(&object(ObjectKind::Secret, name, version)).is_err());
        }
    }
}

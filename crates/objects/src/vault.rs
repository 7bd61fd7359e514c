//! Names of vaults and objects.

use std::fmt;

use crate::go_text::quote;
use crate::reason::Reason;

/// The name of a key vault: 3 to 24 letters, digits and hyphens. It becomes the first label of the
/// vault's host name, so nothing else may be in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultName(String);

impl VaultName {
    /// Checks a name. Case is kept; a hyphen may also stand first or last, as upstream has it.
    ///
    /// # Errors
    /// [`VaultNameError`] for a wrong length (in bytes) or a wrong character, in this order.
    pub fn parse(name: &str) -> Result<Self, VaultNameError> {
        if !(3..=24).contains(&name.len()) {
            return Err(VaultNameError::Length(quote(name)));
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(VaultNameError::Characters(quote(name)));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VaultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that no vault has; holds the name in quotes. `Display` is upstream's [`text`](Self::text) and,
/// on a line of its own, the [`hint`](Self::hint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultNameError {
    /// Too short or too long.
    Length(String),
    /// A character that is not allowed.
    Characters(String),
}

impl fmt::Display for VaultNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.text(), self.hint())
    }
}

impl std::error::Error for VaultNameError {}

impl VaultNameError {
    /// The text without the hint.
    #[must_use]
    pub fn text(&self) -> String {
        let (name, rule) = match self {
            Self::Length(name) => (name, "be between 3 and 24 chars"),
            Self::Characters(name) => (name, "match [-a-zA-Z0-9]{3,24}"),
        };
        format!("failed to get vault: Invalid vault name: {name}, must {rule}")
    }

    /// The stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::InvalidVaultName
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "keyvaultName is the vault's bare name, such as my-vault, without https:// and .vault.azure.net"
    }
}

/// The version in the `id` or `kid` of an answer of Key Vault: the third component of its path, as in
/// `https://kv.vault.azure.net/secrets/<name>/<version>`; empty when there is none.
#[must_use]
pub fn version_of_id(id: &str) -> &str {
    component_of_id(id, 3)
}

/// The name in the `id` or `kid` of an answer of Key Vault; empty when there is none.
#[must_use]
pub fn name_of_id(id: &str) -> &str {
    component_of_id(id, 2)
}

fn component_of_id(id: &str, component: usize) -> &str {
    let after_scheme = id.split_once("://").map_or(id, |(_, rest)| rest);
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
    path.split('/').nth(component).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_vaults() {
        for name in ["abc", "testkv", "My-Vault-1", "-a-", "a23456789012345678901234"] {
            assert_eq!(VaultName::parse(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        let long = "a".repeat(25);
        for name in ["", "kv", long.as_str(), "é"] {
            let text = format!(
                "failed to get vault: Invalid vault name: \"{name}\", must be between 3 and 24 chars"
            );
            assert_eq!(VaultName::parse(name).map_err(|error| error.text()), Err(text));
        }
        for name in ["kv_test", "kv.test", "a b", "kv1\u{e9}", "évault", "https://kv1"] {
            let text = format!(
                "failed to get vault: Invalid vault name: \"{name}\", must match [-a-zA-Z0-9]{{3,24}}"
            );
            assert_eq!(VaultName::parse(name).map_err(|error| error.text()), Err(text));
        }
        let newline = VaultName::parse("kv1\n").map_err(|error| error.text());
        assert!(newline.is_err_and(|text| text.contains(r#""kv1\n", must match"#)));
    }

    #[test]
    fn versions_of_ids() {
        for (id, version) in [
            ("https://kv.vault.azure.net/secrets/a/0123", "0123"),
            ("https://kv.vault.azure.net/keys/a/0123/", "0123"),
            ("https://kv.vault.azure.net/keys/a/0123/more", "0123"),
            ("https://kv.vault.azure.net/secrets/a/0123?x=/y/z/w#f", "0123"),
            ("https://kv.vault.azure.net/secrets/a/", ""),
            ("https://kv.vault.azure.net/secrets/a", ""),
            ("https://kv.vault.azure.net", ""),
            ("", ""),
        ] {
            assert_eq!(version_of_id(id), version, "{id}");
        }
        assert_eq!(name_of_id("https://kv.vault.azure.net/secrets/a/0123"), "a");
        assert_eq!(name_of_id("https://kv.vault.azure.net/secrets/a"), "a");
        assert_eq!(name_of_id("https://kv.vault.azure.net"), "");
    }
}

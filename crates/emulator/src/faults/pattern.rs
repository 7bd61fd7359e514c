//! Which paths and hosts a rule means.

use serde::{Deserialize, Serialize};

/// A path or host pattern.
///
/// With a `*` it is a glob over the whole text (`*` stands for any run of characters, `/` included).
/// Without one it is, for a path, a prefix that ends where a segment ends (`/secrets/a` covers
/// `/secrets/a` and `/secrets/a/versions`, not `/secrets/ab`), and for a host the whole name or its
/// first label (`kv` covers `kv.vault.azure.net`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl<T: Into<String>> From<T> for Pattern {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl Pattern {
    /// Whether the pattern covers this path.
    #[must_use]
    pub fn covers_path(&self, path: &str) -> bool {
        if self.0.contains('*') {
            return glob(&self.0, path);
        }
        path.strip_prefix(self.0.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether the pattern covers this host name, letter case aside.
    #[must_use]
    pub fn covers_host(&self, host: &str) -> bool {
        let (pattern, host) = (self.0.to_ascii_lowercase(), host.to_ascii_lowercase());
        if pattern.contains('*') {
            return glob(&pattern, &host);
        }
        host.strip_prefix(&pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Linear-time matching with one point to come back to: the last star.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (pattern, path, covered) in [
            ("/secrets/a", "/secrets/a", true),
            ("/secrets/a", "/secrets/a/", true),
            ("/secrets/a/", "/secrets/a", true),
            ("/secrets/a", "/secrets/a/versions", true),
            ("/secrets/a", "/secrets/ab", false),
            ("/", "/anything", true),
            ("/secrets/*/versions", "/secrets/a/versions", true),
            ("/secrets/*/versions", "/secrets/a", false),
            ("*/versions", "/keys/k/versions", true),
            ("/*a*b*", "/xxaxxbxx", true),
            ("/a*a", "/a", false),
            ("*", "", true),
        ] {
            assert_eq!(Pattern::from(pattern).covers_path(path), covered, "{pattern} {path}");
        }
    }

    #[test]
    fn hosts() {
        for (pattern, host, covered) in [
            ("kv", "kv.vault.azure.net", true),
            ("KV.vault.azure.net", "kv.Vault.azure.net", true),
            ("kv", "kv2.vault.azure.net", false),
            ("*.vault.azure.net", "kv.vault.azure.net", true),
            ("*.vault.azure.net", "kv.vault.azure.cn", false),
        ] {
            assert_eq!(Pattern::from(pattern).covers_host(host), covered, "{pattern} {host}");
        }
    }
}

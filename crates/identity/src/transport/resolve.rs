//! Names to addresses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How host names become addresses.
#[derive(Clone, Debug, Default)]
pub enum Resolver {
    /// The system's resolver.
    #[default]
    System,
    /// A fixed table, for tests: exact names, or `*.suffix`. What is not in it does not exist.
    Table(Arc<HashMap<String, SocketAddr>>),
    /// Every name leads to this host and port, which the system resolves: a TLS server name that is
    /// not the name of the machine it runs on.
    Always {
        /// The host that is connected to, whatever the URL says.
        host: String,
        /// Its port.
        port: u16,
    },
}

/// A name that led nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lookup {host}: {}", if *.exists_not { "no such host" } else { "server misbehaving" })]
pub(super) struct LookupError {
    /// The name that was asked for.
    pub(super) host: String,
    /// Whether the answer was that the name does not exist, as opposed to no answer.
    pub(super) exists_not: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        match self {
            Self::System => lookup(name.as_str().to_owned(), 0).boxed(),
            Self::Always { host, port } => lookup(host.clone(), *port).boxed(),
            Self::Table(table) => {
                let found = find(table, name.as_str());
                let host = name.as_str().to_owned();
                async move {
                    let address = found.ok_or(LookupError { host, exists_not: true })?;
                    Ok(Box::new(std::iter::once(address)) as Addrs)
                }
                .boxed()
            }
        }
    }
}

fn find(table: &HashMap<String, SocketAddr>, name: &str) -> Option<SocketAddr> {
    let wildcard = || name.split_once('.').and_then(|(_, parent)| table.get(&format!("*.{parent}")));
    table.get(name).or_else(wildcard).copied()
}

async fn lookup(host: String, port: u16) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
    let found = tokio::net::lookup_host((host.as_str(), port)).await.map(Iterator::collect::<Vec<_>>);
    match found {
        Ok(addresses) if addresses.is_empty() => Err(LookupError { host, exists_not: true }.into()),
        Ok(addresses) => Ok(Box::new(addresses.into_iter())),
        Err(error) => Err(LookupError { host, exists_not: says_no_such_host(&error) }.into()),
    }
}

/// The standard library keeps getaddrinfo's verdict only as text: glibc's and musl's words for
/// `EAI_NONAME` and `EAI_NODATA`.
fn says_no_such_host(error: &std::io::Error) -> bool {
    let text = error.to_string();
    ["not known", "No address associated", "does not resolve", "has no usable address"]
        .iter()
        .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_knows_exact_names_and_one_level_of_wildcard() {
        let address: SocketAddr = "127.0.0.1:8443".parse().expect("an address");
        let table = HashMap::from([
            ("login.microsoftonline.com".to_owned(), address),
            ("*.vault.azure.net".to_owned(), address),
        ]);
        assert_eq!(find(&table, "login.microsoftonline.com"), Some(address));
        assert_eq!(find(&table, "kv.vault.azure.net"), Some(address));
        assert_eq!(find(&table, "a.b.vault.azure.net"), None);
        assert_eq!(find(&table, "vault.azure.net"), None);
    }
}

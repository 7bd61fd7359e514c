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
pub(crate) struct LookupError {
    /// The name that was asked for.
    pub(super) host: String,
    /// Whether the answer was that the name does not exist, as opposed to no answer.
    pub(super) exists_not: bool,
}

impl Resolver {
    /// The addresses of a name; port 0 stands for the one of the URL.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, LookupError> {
        match self {
            Self::System => lookup(name, 0).await,
            Self::Always { host, port } => lookup(host, *port).await,
            Self::Table(table) => find(table, name)
                .map(|address| vec![address])
                .ok_or_else(|| LookupError { host: name.to_owned(), exists_not: true }),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        }
        .boxed()
    }
}

fn find(table: &HashMap<String, SocketAddr>, name: &str) -> Option<SocketAddr> {
    let wildcard = || name.split_once('.').and_then(|(_, parent)| table.get(&format!("*.{parent}")));
    table.get(name).or_else(wildcard).copied()
}

async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
    let failed = |exists_not| LookupError { host: host.to_owned(), exists_not };
    match tokio::net::lookup_host((host, port)).await.map(Iterator::collect::<Vec<_>>) {
        Ok(addresses) if addresses.is_empty() => Err(failed(true)),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(failed(says_no_such_host(&error))),
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

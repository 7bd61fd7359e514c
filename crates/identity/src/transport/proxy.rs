//! Which requests go through a proxy, by the rules of Go's `HTTPS_PROXY` and `NO_PROXY`.
//!
//! All proxied traffic of this product is https, so `HTTP_PROXY` has no say here.

use std::net::IpAddr;
use std::sync::Arc;

use keymount_sensitive::SecretString;
use url::{Host, Url};

/// Where requests go: straight, or through a proxy with exceptions. The default is straight.
#[derive(Clone, Default)]
pub struct ProxyRules(Option<Arc<Rules>>);

struct Rules {
    /// May hold user name and password.
    proxy: SecretString,
    exceptions: Vec<Exception>,
}

#[derive(Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    Address {
        ip: IpAddr,
        port: Option<u16>,
    },
    Network {
        ip: IpAddr,
        prefix: u8,
    },
    /// The suffix has its dot; `exact` is the name itself where that is excepted too.
    Domain {
        suffix: String,
        exact: Option<String>,
        port: Option<u16>,
    },
}

/// `HTTPS_PROXY` is no URL of a proxy. The value is not shown: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy from HTTPS_PROXY is not an http:// or https:// URL with a host")]
pub struct ProxyError;

impl ProxyRules {
    /// No proxy at all: metadata services and loopback.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Rules from an environment, in which lower case spellings count where the upper case is empty.
    ///
    /// # Errors
    /// When `HTTPS_PROXY` cannot be used.
    pub fn from_environment(read: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let read = |upper: &str, lower: &str| {
            [upper, lower].iter().filter_map(|name| read(name)).find(|value| !value.is_empty())
        };
        let Some(proxy) = read("HTTPS_PROXY", "https_proxy").map(SecretString::new) else {
            return Ok(Self(None));
        };
        let proxy = if proxy.expose().contains("://") {
            proxy
        } else {
            SecretString::new(format!("http://{}", proxy.expose()))
        };
        let url = Url::parse(proxy.expose()).map_err(|_| ProxyError)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(ProxyError);
        }
        let exceptions = read("NO_PROXY", "no_proxy").unwrap_or_default();
        let exceptions = exceptions.split(',').filter_map(|entry| Exception::parse(entry.trim())).collect();
        Ok(Self(Some(Arc::new(Rules { proxy, exceptions }))))
    }

    /// Whether any request can go through a proxy, for the start-up log.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn for_url(&self, url: &Url) -> Option<&str> {
        let rules = self.0.as_ref()?;
        let host = url.host()?;
        let port = url.port_or_known_default();
        let direct = is_local(&host) || rules.exceptions.iter().any(|rule| rule.matches(&host, port));
        (!direct).then(|| rules.proxy.expose().as_str())
    }

    /// As the HTTP client wants it.
    pub(super) fn to_reqwest(&self) -> Option<reqwest::Proxy> {
        self.0.as_ref()?;
        let rules = self.clone();
        Some(reqwest::Proxy::custom(move |url| rules.for_url(url).map(str::to_owned)))
    }
}

fn is_local(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((ip, prefix)) = entry.split_once('/') {
            let ip: IpAddr = ip.parse().ok()?;
            let prefix = prefix.parse().ok().filter(|bits| *bits <= if ip.is_ipv4() { 32 } else { 128 })?;
            return Some(Self::Network { ip, prefix });
        }
        let (host, port) = split_port(&entry);
        if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address { ip, port });
        }
        if host.is_empty() {
            return None;
        }
        Some(match host.strip_prefix('*').unwrap_or(host) {
            suffix if suffix.starts_with('.') => {
                Self::Domain { suffix: suffix.to_owned(), exact: None, port }
            }
            name => Self::Domain { suffix: format!(".{name}"), exact: Some(name.to_owned()), port },
        })
    }

    fn matches(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let ip = match host {
            Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
            Host::Domain(_) => None,
        };
        match self {
            Self::Everything => true,
            Self::Address { ip: excepted, port: wanted } => {
                ip == Some(*excepted) && wanted.is_none_or(|wanted| Some(wanted) == port)
            }
            Self::Network { ip: network, prefix } => ip.is_some_and(|ip| same_network(ip, *network, *prefix)),
            Self::Domain { suffix, exact, port: wanted } => {
                let Host::Domain(name) = host else { return false };
                wanted.is_none_or(|wanted| Some(wanted) == port)
                    && (name.ends_with(suffix.as_str()) || exact.as_deref() == Some(*name))
            }
        }
    }
}

/// Splits `host:port`, leaving bare IPv6 addresses alone.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn same_network(ip: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let shift = |bits: u32| bits.saturating_sub(u32::from(prefix));
    match (ip, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u32::from(a) ^ u32::from(b)).checked_shr(shift(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (u128::from(a) ^ u128::from(b)).checked_shr(shift(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(entries: &[(&str, &str)]) -> Result<ProxyRules, ProxyError> {
        ProxyRules::from_environment(|name| {
            entries.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn proxied(no_proxy: &str, url: &str) -> bool {
        let rules = rules(&[("HTTPS_PROXY", "proxy:3128"), ("no_proxy", no_proxy)]).expect("rules");
        rules.for_url(&url.parse().expect("a URL")).is_some()
    }

    #[test]
    fn no_proxy_as_go_reads_it() {
        for (no_proxy, url, expected) in [
            ("", "https://kv.vault.azure.net/", true),
            ("", "https://localhost:8443/", false),
            ("", "https://127.0.0.5/", false),
            ("", "https://[::1]/", false),
            ("*", "https://kv.vault.azure.net/", false),
            ("azure.net", "https://kv.vault.azure.net/", false),
            ("azure.net", "https://azure.net/", false),
            ("azure.net", "https://notazure.net/", true),
            (".azure.net", "https://azure.net/", true),
            (".azure.net", "https://kv.vault.azure.net/", false),
            ("*.azure.net", "https://kv.vault.azure.net/", false),
            ("vault.azure.net:443", "https://kv.vault.azure.net/", false),
            ("vault.azure.net:8443", "https://kv.vault.azure.net/", true),
            (" a.example , KV.vault.azure.net ", "https://kv.vault.azure.net/", false),
            ("10.0.0.0/8", "https://10.1.2.3/", false),
            ("10.0.0.0/8", "https://11.1.2.3/", true),
            ("0.0.0.0/0", "https://11.1.2.3/", false),
            ("10.1.2.3", "https://10.1.2.3/", false),
            ("10.1.2.3:443", "https://10.1.2.3:444/", true),
            ("fd00::/8", "https://[fd00::1]/", false),
            ("fd00::1", "https://[fd00::1]/", false),
            ("[fd00::1]:443", "https://[fd00::1]/", false),
            ("10.0.0.0/99", "https://10.1.2.3/", true),
        ] {
            assert_eq!(proxied(no_proxy, url), expected, "NO_PROXY={no_proxy} {url}");
        }
    }

    #[test]
    fn values_that_are_no_proxy() {
        assert!(!rules(&[]).expect("rules").is_set());
        assert!(!rules(&[("HTTPS_PROXY", ""), ("https_proxy", "")]).expect("rules").is_set());
        assert!(rules(&[("HTTPS_PROXY", ""), ("https_proxy", "p:1")]).expect("rules").is_set());
        assert!(rules(&[("HTTPS_PROXY", "https://user:pass@proxy:8443")]).expect("rules").is_set());
        for bad in ["socks5://proxy:1080", "http://", "::::"] {
            assert_eq!(rules(&[("HTTPS_PROXY", bad)]).err(), Some(ProxyError), "{bad}");
        }
    }
}

//! Why a request got no answer.

use std::error::Error as StdError;
use std::io;

use url::Url;

use super::Method;
use super::resolve::LookupError;

/// A request that got no (whole) answer. The text is the one Go's HTTP client has for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{cause}", self.prefix())]
pub struct TransportError {
    method: Method,
    url: String,
    /// What happened.
    pub cause: Cause,
}

/// What kept the answer away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// DNS says that the name does not exist: usually a wrong vault name or cloud.
    #[error("dial tcp: lookup {host}: no such host")]
    NoSuchHost {
        /// The name.
        host: String,
    },
    /// DNS did not answer.
    #[error("dial tcp: lookup {host}: server misbehaving")]
    Dns {
        /// The name.
        host: String,
    },
    /// Nobody listens there, or a firewall says no at once.
    #[error("dial tcp {peer}: connect: {reason}")]
    Connect {
        /// `host:port`.
        peer: String,
        /// In the words of the operating system.
        reason: String,
    },
    /// No connection within the time for connecting: a firewall that drops packets, or no route.
    #[error("dial tcp {peer}: i/o timeout")]
    ConnectTimeout {
        /// `host:port`.
        peer: String,
    },
    /// TLS could not be set up or the server's certificate is not to be trusted.
    #[error("{0}")]
    Tls(String),
    /// The proxy refused or failed.
    #[error("proxyconnect tcp: {0}")]
    Proxy(String),
    /// Connected, but no whole answer within one try's time.
    #[error("net/http: timeout awaiting response headers")]
    NoAnswer,
    /// The caller's time is used up.
    #[error("context deadline exceeded")]
    Deadline,
    /// The answer broke off.
    #[error("unexpected EOF")]
    Truncated,
    /// The answer is larger than anything the service sends.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The connection broke or the peer does not speak HTTP.
    #[error("{0}")]
    Broken(String),
}

impl TransportError {
    pub(super) fn new(method: Method, url: &Url, cause: Cause) -> Self {
        Self { method, url: url.to_string(), cause }
    }

    /// The caller's time was up while `url` was asked.
    #[must_use]
    pub fn deadline(method: Method, url: &Url) -> Self {
        Self::new(method, url, Cause::Deadline)
    }

    /// The same failure under another URL, where the one that was used would mislead.
    #[must_use]
    pub fn shown_as(self, url: impl Into<String>) -> Self {
        Self { url: url.into(), ..self }
    }

    /// Whether the same request may succeed in a moment.
    #[must_use]
    pub const fn worth_retrying(&self) -> bool {
        !matches!(self.cause, Cause::Deadline | Cause::TooLarge { .. })
    }

    /// Go's `url.Error` names method and URL; an error while the body is read is passed on bare.
    fn prefix(&self) -> String {
        match self.cause {
            Cause::Truncated | Cause::TooLarge { .. } => String::new(),
            _ => {
                let method = if self.method == Method::Get { "Get" } else { "Post" };
                format!("{method} \"{}\": ", self.url)
            }
        }
    }

    pub(super) fn from_reqwest(method: Method, url: &Url, error: &reqwest::Error) -> Self {
        let peer = format!(
            "{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or_default()
        );
        let chain = Chain(error);
        let cause = if let Some(lookup) = chain.find::<LookupError>() {
            let host = lookup.host.clone();
            if lookup.exists_not { Cause::NoSuchHost { host } } else { Cause::Dns { host } }
        } else if let Some(tls) = chain.find::<rustls::Error>() {
            Cause::Tls(tls_text(tls))
        } else if let Some(text) = chain.text_with("tunnel") {
            Cause::Proxy(text)
        } else if error.is_timeout() {
            if error.is_connect() { Cause::ConnectTimeout { peer } } else { Cause::NoAnswer }
        } else if error.is_connect() {
            let reason = chain.find::<io::Error>().map_or_else(|| "connection failed".to_owned(), go_words);
            Cause::Connect { peer, reason }
        } else if error.is_body() || error.is_decode() {
            Cause::Truncated
        } else {
            Cause::Broken(chain.find::<io::Error>().map_or_else(|| "EOF".to_owned(), go_words))
        };
        Self::new(method, url, cause)
    }
}

/// An error and everything below it, also what I/O errors wrap.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl Chain<'_> {
    fn find<T: StdError + 'static>(&self) -> Option<&T> {
        let mut next = Some(self.0);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<T>() {
                return Some(found);
            }
            // An I/O error's `source` is the source of what it wraps, not what it wraps.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }

    fn text_with(&self, word: &str) -> Option<String> {
        let mut next = Some(self.0);
        while let Some(error) = next {
            let text = error.to_string();
            if text.contains(word) {
                return Some(text);
            }
            next = error.source();
        }
        None
    }
}

pub(super) fn go_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        io::ErrorKind::BrokenPipe => "broken pipe".to_owned(),
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        kind => kind.to_string(),
    }
}

pub(super) fn tls_text(error: &rustls::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    let detail = match error {
        // A bad signature is what another authority of the same name looks like.
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "certificate signed by unknown authority".to_owned()
        }
        E::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => "certificate has expired or is not yet valid".to_owned(),
        E::InvalidCertificate(C::NotValidForNameContext { expected, presented }) => {
            // A presented name is worded `DnsName("…")` or `IpAddress(…)`.
            let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name.as_str()));
            let names = names.collect::<Vec<_>>().join(", ");
            format!("certificate is valid for {names}, not {}", expected.to_str())
        }
        E::InvalidCertificate(C::NotValidForName) => "certificate is not valid for this name".to_owned(),
        E::InvalidCertificate(C::Revoked) => "certificate is revoked".to_owned(),
        E::InvalidCertificate(other) => return format!("tls: failed to verify certificate: {other:?}"),
        E::AlertReceived(alert) => return format!("remote error: tls: {alert:?}"),
        E::InvalidMessage(_) => return "tls: first record does not look like a TLS handshake".to_owned(),
        other => return format!("tls: {other}"),
    };
    format!("tls: failed to verify certificate: x509: {detail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_go() {
        let url = Url::parse("https://kv.vault.azure.net/secrets/s/?api-version=7.4").expect("a URL");
        let text = |cause| TransportError::new(Method::Get, &url, cause).to_string();
        let host = "kv.vault.azure.net".to_owned();
        assert_eq!(
            text(Cause::NoSuchHost { host }),
            "Get \"https://kv.vault.azure.net/secrets/s/?api-version=7.4\": \
             dial tcp: lookup kv.vault.azure.net: no such host"
        );
        assert!(text(Cause::Deadline).ends_with("\": context deadline exceeded"));
        assert_eq!(text(Cause::Truncated), "unexpected EOF");
    }

    #[test]
    fn certificates_fail_in_the_words_of_x509() {
        use rustls::CertificateError as C;
        for (error, end) in [
            (C::UnknownIssuer, "x509: certificate signed by unknown authority"),
            (C::Expired, "x509: certificate has expired or is not yet valid"),
        ] {
            assert!(tls_text(&rustls::Error::InvalidCertificate(error)).ends_with(end));
        }
    }
}

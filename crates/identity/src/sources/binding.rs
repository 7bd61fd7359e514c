//! AKS identity bindings: a token proxy in the cluster, reached under a TLS name of its own.
//!
//! The token request is Entra's, but it is sent to the proxy (by default the API server's address),
//! with the authority as `Host` and a TLS server name that selects the proxy behind it. That name is
//! given, or computed from the cluster's id in the API server's certificate.

mod sni;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::OnceCell;
use url::Url;

use crate::authority::Authority;
use crate::transport::{Http, Resolver, Roots, Transport, TransportOptions};

/// The proxy, where none is configured.
const DEFAULT_PROXY: &str = "https://kubernetes.default.svc.cluster.local";

/// The cluster's certificate authority, as every pod has it.
const CA_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Where the token proxy is and how it is trusted.
#[derive(Clone)]
pub struct BindingOptions {
    /// The proxy's URL (`--token-proxy-url`); none: the API server.
    pub proxy_url: Option<String>,
    /// The TLS server name (`--sni-name`); none: computed.
    pub sni_name: Option<String>,
    /// The cluster's certificate authority.
    pub ca_file: PathBuf,
    /// `host:port` of the API server, whose certificate names the cluster.
    pub api_server: (String, u16),
    /// What the HTTP client is made of, apart from resolver and roots.
    pub transport: TransportOptions,
}

impl BindingOptions {
    /// The defaults inside a cluster. `port` is `KUBERNETES_SERVICE_PORT`.
    #[must_use]
    pub fn in_cluster(port: Option<u16>, transport: TransportOptions) -> Self {
        Self {
            proxy_url: None,
            sni_name: None,
            ca_file: CA_FILE.into(),
            api_server: ("kubernetes.default.svc.cluster.local".to_owned(), port.unwrap_or(443)),
            transport,
        }
    }
}

/// The token proxy cannot be used. The text is the Go stack's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proxy transport not available: {0}")]
pub struct BindingError(String);

/// The token proxy of the cluster. What it takes to reach it is found out at the first use, and again
/// at the next one if that failed: an API server that was away at the start does no lasting harm.
pub(crate) struct Binding {
    options: BindingOptions,
    ready: OnceCell<Arc<TokenProxy>>,
}

/// A token proxy that can be asked.
pub struct TokenProxy {
    pub(crate) http: Box<dyn Http>,
    pub(crate) sni: String,
    pub(crate) proxy: Url,
}

impl fmt::Debug for TokenProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenProxy({} as {})", self.proxy, self.sni)
    }
}

impl Binding {
    pub(crate) fn new(options: BindingOptions) -> Self {
        Self { options, ready: OnceCell::new() }
    }

    pub(crate) async fn proxy(&self) -> Result<Arc<TokenProxy>, BindingError> {
        self.ready.get_or_try_init(|| self.find()).await.map(Arc::clone)
    }

    async fn find(&self) -> Result<Arc<TokenProxy>, BindingError> {
        let options = &self.options;
        let sni = match &options.sni_name {
            Some(name) => name.clone(),
            None => sni::compute(options)
                .await
                .map_err(|error| BindingError(format!("compute SNI name: {error}")))?,
        };
        let proxy = proxy_url(options.proxy_url.as_deref().unwrap_or(DEFAULT_PROXY)).map_err(|error| {
            BindingError(format!("create throwaway credential for proxy transport extraction: {error}"))
        })?;
        if Url::parse(&format!("https://{sni}/")).is_err() {
            return Err(BindingError("the TLS server name (--sni-name) is not a host name".to_owned()));
        }
        tracing::info!(%proxy, sni, "identity binding token proxy is configured");
        let host = proxy.host_str().unwrap_or_default().to_owned();
        let resolver = match &options.transport.resolver {
            Resolver::System => Resolver::Always { host, port: 0 },
            // A test's table knows the proxy's own name; every other name leads there too.
            table => {
                let addresses = table.addresses(&host).await.unwrap_or_default();
                let found =
                    addresses.first().map_or((host, 0), |address| (address.ip().to_string(), address.port()));
                Resolver::Always { host: found.0, port: found.1 }
            }
        };
        let http = Transport::new(TransportOptions {
            resolver,
            roots: Roots::clone(&options.transport.roots).unless_file(&options.ca_file),
            proxies: crate::transport::ProxyRules::none(),
            // Over HTTP/2 the authority would be the URL's name, not the one in `Host`.
            http2: false,
            ..options.transport.clone()
        });
        Ok(Arc::new(TokenProxy { http: Box::new(http), sni, proxy }))
    }
}

impl TokenProxy {
    /// Where a token request of `authority` is sent, and how error texts show that: the proxy's path is
    /// put in front of the request's.
    pub(crate) fn endpoint(&self, authority: &Authority) -> (Url, Url, Option<HeaderValue>) {
        let wanted = authority.token_endpoint(None);
        let mut shown = self.proxy.clone();
        shown.set_path(&format!("{}{}", self.proxy.path().trim_end_matches('/'), wanted.path()));
        let mut sent = shown.clone();
        // A name that cannot stand in a URL was refused when it was configured.
        let _ = sent.set_host(Some(&self.sni));
        let host = wanted.host_str().map(|host| match wanted.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
        (sent, shown, host.and_then(|host| HeaderValue::from_str(&host).ok()))
    }
}

/// The rules of the Go SDK for the proxy's URL, and its texts.
fn proxy_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("failed to parse custom token proxy URL {text:?}: {error}"))?;
    if url.scheme() != "https" {
        return Err(format!("custom token endpoint must use https scheme, got {:?}", url.scheme()));
    }
    let must_not = |what: &str| Err(format!("custom token endpoint URL must not contain {what}"));
    if !url.username().is_empty() || url.password().is_some() {
        return must_not("user info");
    }
    if url.query().is_some_and(|query| !query.is_empty()) {
        return must_not("a query");
    }
    if url.fragment().is_some_and(|fragment| !fragment.is_empty()) {
        return must_not("a fragment");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_urls() {
        for (text, error) in [
            ("https://proxy.test", None),
            ("https://proxy.test:8443/a/b/", None),
            ("http://proxy.test", Some("custom token endpoint must use https scheme, got \"http\"")),
            ("https://u:p@proxy.test", Some("custom token endpoint URL must not contain user info")),
            ("https://proxy.test/?a=b", Some("custom token endpoint URL must not contain a query")),
            ("https://proxy.test/#f", Some("custom token endpoint URL must not contain a fragment")),
            ("proxy", Some("failed to parse custom token proxy URL \"proxy\"")),
        ] {
            match (proxy_url(text), error) {
                (Ok(_), None) => {}
                (Err(found), Some(expected)) => assert!(found.starts_with(expected), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn requests_keep_their_path_and_their_host() {
        let proxy = TokenProxy {
            http: Box::new(Transport::new(TransportOptions::default())),
            sni: "a1.ests.aks".to_owned(),
            proxy: Url::parse("https://proxy.test:6443/base/").expect("a URL"),
        };
        let authority =
            Authority::new("https://login.microsoftonline.com/", None, "t").expect("an authority");
        let (sent, shown, host) = proxy.endpoint(&authority);
        assert_eq!(sent.as_str(), "https://a1.ests.aks:6443/base/t/oauth2/v2.0/token");
        assert_eq!(shown.as_str(), "https://proxy.test:6443/base/t/oauth2/v2.0/token");
        assert_eq!(host.expect("a host"), "login.microsoftonline.com");
    }

    /// The whole way: the cluster's id from the certificate, then a token request at the computed name.
    #[tokio::test]
    async fn a_token_comes_through_the_proxy_under_the_clusters_name() {
        use crate::transport::Request;
        use crate::transport::loopback::{ServerNameSeen, serve};

        const SNI: &str = "avimke6u6l2eeq8qc1cneuaq4sl2e1av9t4clqgun97le32hub670.ests.aks";
        let names =
            ["kubernetes.default.svc.cluster.local", "hcp-kubernetes.abc123def456.svc.cluster.local", SNI];
        let (address, authority, _) = serve(&names, |request| {
            assert_eq!(request.extensions().get::<ServerNameSeen>().map(|seen| seen.0.as_str()), Some(SNI));
            assert_eq!(request.headers()["host"], "login.microsoftonline.com");
            assert_eq!(request.uri().path(), "/t/oauth2/v2.0/token");
            http::Response::new("token".into())
        })
        .await;
        let dir = tempfile::tempdir().expect("a directory");
        let ca_file = dir.path().join("ca.crt");
        std::fs::write(&ca_file, authority).expect("written");
        let table = [("kubernetes.default.svc.cluster.local".to_owned(), address)];
        let resolver = Resolver::Table(Arc::new(table.into_iter().collect()));
        let transport = TransportOptions { resolver, ..TransportOptions::default() };
        let binding = Binding::new(BindingOptions { ca_file, ..BindingOptions::in_cluster(None, transport) });
        let proxy = binding.proxy().await.expect("a proxy");
        assert_eq!(proxy.sni, SNI);
        let entra = Authority::new("https://login.microsoftonline.com/", None, "t").expect("an authority");
        let (sent, _, host) = proxy.endpoint(&entra);
        let request = Request::post_form(sent, b"grant".to_vec().into())
            .header(http::header::HOST, host.expect("a host"));
        let answer = proxy.http.send(request).await.expect("an answer");
        assert_eq!(answer.body.expose(), b"token");
    }
}

//! The real HTTP client.

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keymount_sensitive::SecretBytes;
use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::roots::Stamp;
use super::{Answer, Cause, Http, Method, ProxyRules, Request, Resolver, Roots, TransportError};

/// How often the sources of trusted certificates are looked at, at most.
const ROOTS_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// What one purpose's client is made of.
#[derive(Clone)]
pub struct TransportOptions {
    /// The `User-Agent` of every request.
    pub user_agent: String,
    /// Which certificate authorities are trusted. A changed source is noticed within half a minute.
    pub roots: Roots,
    /// Which requests take a proxy.
    pub proxies: ProxyRules,
    /// How names become addresses.
    pub resolver: Resolver,
    /// From the DNS question to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// Whether HTTP/2 may be negotiated.
    pub http2: bool,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            user_agent: concat!("keymount/", env!("CARGO_PKG_VERSION")).to_owned(),
            roots: Roots::default(),
            proxies: ProxyRules::none(),
            resolver: Resolver::System,
            connect_timeout: Duration::from_secs(10),
            http2: true,
            idle_timeout: Duration::from_secs(90),
        }
    }
}

/// An HTTP client for one purpose. It is built at the first request, so that an unused one costs
/// nothing, and built anew when the trusted certificates changed.
pub struct Transport {
    options: TransportOptions,
    current: Mutex<Option<Built>>,
}

struct Built {
    client: reqwest::Client,
    stamp: Stamp,
    checked: Instant,
}

/// Makes ring the process's TLS provider. Call it once, before any connection; more calls do nothing.
pub fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Only fails when another provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Transport {
    /// A client with these options. Connects to nothing yet.
    #[must_use]
    pub const fn new(options: TransportOptions) -> Self {
        Self { options, current: Mutex::new(None) }
    }

    fn client(&self) -> Result<reqwest::Client, reqwest::Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(built) = current.as_mut() {
            if now.duration_since(built.checked) < ROOTS_CHECK_INTERVAL {
                return Ok(built.client.clone());
            }
            built.checked = now;
            if self.options.roots.stamp() == built.stamp {
                return Ok(built.client.clone());
            }
        }
        // The stamp first: a change while the files are read is then noticed the next time.
        let stamp = self.options.roots.stamp();
        let roots = self.options.roots.load();
        if let Some(built) = current.as_ref() {
            if roots.is_empty() {
                tracing::warn!("trusted certificates are gone, the former ones stay in use");
                return Ok(built.client.clone());
            }
            tracing::info!("trusted certificates changed, connections are built anew");
        }
        let client = self.build(roots)?;
        *current = Some(Built { client: client.clone(), stamp, checked: now });
        Ok(client)
    }

    fn build(&self, roots: RootCertStore) -> Result<reqwest::Client, reqwest::Error> {
        install_tls_provider();
        let options = &self.options;
        let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = if options.http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(&options.user_agent)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(options.resolver.clone()))
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(options.idle_timeout)
            .pool_max_idle_per_host(16)
            .tcp_keepalive(Duration::from_secs(30))
            // A connection that died silently must be found out within one try, or every retry uses it.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .no_proxy();
        if !options.http2 {
            builder = builder.http1_only();
        }
        if let Some(proxy) = options.proxies.to_reqwest() {
            builder = builder.proxy(proxy);
        }
        builder.build()
    }

    async fn exchange(&self, request: Request) -> Result<Answer, TransportError> {
        let Request { method, url, headers, body, timeout, body_limit } = request;
        let failed = |error: &reqwest::Error| TransportError::from_reqwest(method, &url, error);
        let client = self.client().map_err(|error| failed(&error))?;
        let method_name = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut builder = client.request(method_name, url.clone()).headers(headers).timeout(timeout);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(|error| failed(&error))?;
        let too_large = || TransportError::new(method, &url, Cause::TooLarge { limit: body_limit });
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > body_limit {
            return Err(too_large());
        }
        // One allocation where the length is known: a buffer that grows leaves copies behind.
        let capacity = if announced == 0 { 4096 } else { announced };
        let mut content = SecretBytes::new(Vec::with_capacity(capacity));
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if content.expose().len() + chunk.len() > body_limit {
                return Err(too_large());
            }
            content.expose_mut().extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: content,
        })
    }
}

impl Http for Transport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Answer, TransportError>> {
        self.exchange(request).boxed()
    }
}

#[cfg(test)]
mod tests;

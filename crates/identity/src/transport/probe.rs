//! The way to a server, one step at a time: for whoever has to find out where it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::Url;

use super::error::{go_words, tls_text};
use super::{Cause, Method, TransportError, TransportOptions, install_tls_provider};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeStep {
    /// Name to address.
    Resolve,
    /// A TCP connection.
    Connect,
    /// The TLS handshake.
    Handshake,
}

/// How a step went.
#[derive(Clone, Debug)]
pub struct Probed {
    /// The step.
    pub step: ProbeStep,
    /// How long it took.
    pub took: Duration,
    /// What there is to say of it, or why it failed, in the words that a request would have for it.
    pub outcome: Result<String, TransportError>,
}

/// Goes the way of a request to `url`, but sends none. The first step that fails is the last. Where the rules name a proxy for the
/// URL, the way is that to the proxy; what lies behind it a request has to find out.
pub async fn probe(options: &TransportOptions, url: &Url) -> Vec<Probed> {
    let mut steps = Vec::new();
    let proxy = options.proxies.for_url(url).and_then(|proxy| Url::parse(proxy).ok());
    let via = proxy.as_ref().unwrap_or(url);
    let (host, port) = (via.host_str().unwrap_or_default(), via.port_or_known_default().unwrap_or(443));
    let failed = |cause| TransportError::new(Method::Get, url, cause);

    let began = Instant::now();
    let found = resolve(options, host, port).await;
    let said = found.as_ref().map(|addresses| {
        let all: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
        let proxy = if proxy.is_some() { "the proxy " } else { "" };
        format!("{proxy}{host} is {}", all.join(", "))
    });
    steps.push(Probed {
        step: ProbeStep::Resolve,
        took: began.elapsed(),
        outcome: said.map_err(|cause| failed(cause.clone())),
    });
    let Ok(addresses) = found else { return steps };

    let began = Instant::now();
    let peer = format!("{host}:{port}");
    let connected = connect(options, &addresses, &peer).await;
    let said = connected.as_ref().map(|(_, address)| format!("connected to {address}"));
    steps.push(Probed {
        step: ProbeStep::Connect,
        took: began.elapsed(),
        outcome: said.map_err(|cause| failed(cause.clone())),
    });
    let Ok((stream, _)) = connected else { return steps };
    if proxy.is_some() {
        return steps;
    }

    let began = Instant::now();
    let outcome = handshake(options, stream, host).await.map_err(failed);
    steps.push(Probed { step: ProbeStep::Handshake, took: began.elapsed(), outcome });
    steps
}

async fn resolve(options: &TransportOptions, host: &str, port: u16) -> Result<Vec<SocketAddr>, Cause> {
    // An address needs no resolver.
    if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let lookup = tokio::time::timeout(options.connect_timeout, options.resolver.addresses(host));
    let host = || host.to_owned();
    match lookup.await {
        // Port 0 stands for that of the URL.
        Ok(Ok(found)) => {
            let with_port = |mut address: SocketAddr| {
                if address.port() == 0 {
                    address.set_port(port);
                }
                address
            };
            Ok(found.into_iter().map(with_port).collect())
        }
        Ok(Err(error)) if error.exists_not => Err(Cause::NoSuchHost { host: host() }),
        Ok(Err(_)) | Err(_) => Err(Cause::Dns { host: host() }),
    }
}

/// The first address that takes the connection.
async fn connect(
    options: &TransportOptions,
    addresses: &[SocketAddr],
    peer: &str,
) -> Result<(TcpStream, SocketAddr), Cause> {
    let mut last = None;
    for address in addresses {
        match tokio::time::timeout(options.connect_timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => last = Some(Cause::Connect { peer: peer.to_owned(), reason: go_words(&error) }),
            Err(_) => last = Some(Cause::ConnectTimeout { peer: peer.to_owned() }),
        }
    }
    Err(last.unwrap_or_else(|| Cause::NoSuchHost { host: peer.to_owned() }))
}

async fn handshake(options: &TransportOptions, stream: TcpStream, host: &str) -> Result<String, Cause> {
    install_tls_provider();
    let roots = options.roots.load();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|_| Cause::Tls("tls: the host is no name that a certificate can have".to_owned()))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match tokio::time::timeout(options.connect_timeout, connecting).await {
        Ok(Ok(stream)) => {
            let version =
                stream.get_ref().1.protocol_version().and_then(|version| version.as_str().map(str::to_owned));
            Ok(format!(
                "{}, certificate trusted",
                version.unwrap_or_else(|| "TLS".to_owned()).replace("TLSv1_", "TLS 1.")
            ))
        }
        Ok(Err(error)) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            Err(Cause::Tls(inner.map_or_else(|| go_words(&error), tls_text)))
        }
        Err(_) => Err(Cause::Tls("net/http: TLS handshake timeout".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::loopback::serve;
    use crate::transport::{ProxyRules, Resolver, Roots};

    fn options(table: &[(&str, SocketAddr)], authority: &str) -> TransportOptions {
        let table: HashMap<_, _> =
            table.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        TransportOptions {
            resolver: Resolver::Table(Arc::new(table)),
            roots: Roots::only_pem(authority.to_owned()),
            ..TransportOptions::default()
        }
    }

    async fn end(options: &TransportOptions, host: &str) -> (ProbeStep, Option<Cause>) {
        let url = Url::parse(&format!("https://{host}/")).expect("a URL");
        let last = probe(options, &url).await.pop().expect("a step");
        (last.step, last.outcome.err().map(|error| error.cause))
    }

    #[tokio::test]
    async fn the_step_that_fails_is_the_last_and_says_what_a_request_would_say() {
        let (address, authority, requests) =
            serve(&["kv.test"], |_| http::Response::new(Full::from(Bytes::new()))).await;
        let unused =
            TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let table = [("kv.test", address), ("other.test", address), ("closed.test", unused)];
        let trusting = options(&table, &authority);
        assert_eq!(end(&trusting, "kv.test").await, (ProbeStep::Handshake, None));
        let host = "absent.test".to_owned();
        assert_eq!(
            end(&trusting, "absent.test").await,
            (ProbeStep::Resolve, Some(Cause::NoSuchHost { host }))
        );
        let (step, cause) = end(&trusting, "closed.test").await;
        assert!(step == ProbeStep::Connect && matches!(cause, Some(Cause::Connect { .. })), "{cause:?}");
        for (options, host) in [(&trusting, "other.test"), (&options(&table, ""), "kv.test")] {
            let (step, cause) = end(options, host).await;
            assert!(step == ProbeStep::Handshake && matches!(cause, Some(Cause::Tls(_))), "{cause:?}");
        }
        assert!(requests.load(std::sync::atomic::Ordering::SeqCst) >= 1);
    }

    #[tokio::test]
    async fn with_a_proxy_the_way_ends_at_the_proxy() {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = proxy.local_addr().expect("an address");
        let read = |name: &str| (name == "HTTPS_PROXY").then(|| format!("http://{address}"));
        let options = TransportOptions {
            proxies: ProxyRules::from_environment(read).expect("rules"),
            ..options(&[], "")
        };
        assert_eq!(end(&options, "kv.test").await, (ProbeStep::Connect, None));
    }
}

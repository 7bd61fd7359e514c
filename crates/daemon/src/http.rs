//! The small HTTP servers of a daemon: health and metrics.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Registry;

/// Opens a TCP address in Go's notation: `host:port`, or `:port` for every address of the machine
/// (IPv6 and IPv4 where the machine has both).
///
/// # Errors
/// The address is malformed, cannot be resolved, or is taken.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    let Some(port) = address.strip_prefix(':') else { return TcpListener::bind(address).await };
    let port: u16 = port.parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{address}: the port is no number up to 65535"))
    })?;
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        bound => bound,
    }
}

/// `GET /metrics` in Prometheus' text format 0.0.4.
pub fn metrics(registry: Registry) -> Router {
    async fn scrape(State(registry): State<Registry>) -> impl IntoResponse {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")], registry.text())
    }
    Router::new().route("/metrics", get(scrape)).with_state(registry)
}

/// Any method on exactly `path`: 200 `ok`, or `unhealthy` with what the check says.
pub fn health<C, F>(path: &str, unhealthy: StatusCode, check: C) -> Router
where
    C: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), String>> + Send,
{
    let answer = async move || match check().await {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reason) => (unhealthy, reason),
    };
    Router::new().route(path, any(answer))
}

/// Serves until `shutdown` is cancelled.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn request(port: u16, head: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(format!("{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_and_metrics_answer_on_their_paths_only() {
        let well = Arc::new(AtomicBool::new(true));
        let state = Arc::clone(&well);
        let check = move || {
            let state = Arc::clone(&state);
            async move { if state.load(Ordering::SeqCst) { Ok(()) } else { Err("socket is gone".to_owned()) } }
        };
        let router = health("/healthz", StatusCode::SERVICE_UNAVAILABLE, check)
            .merge(metrics(Registry::new("test", &[])));
        let listener = bind(":0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, router, stop.clone()));

        let answer = request(port, "GET /healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{answer}");
        assert!(request(port, "POST /healthz").await.starts_with("HTTP/1.1 200 "));
        well.store(false, Ordering::SeqCst);
        let answer = request(port, "GET /healthz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("socket is gone"), "{answer}");
        let answer = request(port, "GET /metrics").await;
        assert!(answer.contains("text/plain; version=0.0.4") && answer.contains("target_info{"), "{answer}");
        for path in ["/", "/healthz/", "/debug/pprof/", "/metrics/x"] {
            assert!(request(port, &format!("GET {path}")).await.starts_with("HTTP/1.1 404 "), "{path}");
        }
        stop.cancel();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = bind(":0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        assert_eq!(bind(&format!(":{port}")).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind(":http").await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

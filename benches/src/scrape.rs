//! What a metrics endpoint says.

use std::net::SocketAddr;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;

/// The whole answer of `/metrics`.
pub(crate) async fn metrics(address: SocketAddr) -> anyhow::Result<Vec<u8>> {
    let stream = tokio::net::TcpStream::connect(address).await.context("the metrics endpoint")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get("/metrics").header("host", address.to_string()).body(String::new())?;
    Ok(sender.send_request(request).await?.into_body().collect().await?.to_bytes().to_vec())
}

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::*;
use crate::transport::loopback::{identity, serve};

fn transport(table: &[(&str, SocketAddr)], authority: &str) -> Transport {
    let table: HashMap<_, _> = table.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
    Transport::new(TransportOptions {
        resolver: Resolver::Table(Arc::new(table)),
        roots: Roots::only_pem(authority.to_owned()),
        ..TransportOptions::default()
    })
}

fn get(url: &str) -> Request {
    Request::get(Url::parse(url).expect("a URL"))
}

/// Answers every connection to `kv.test` with these bytes and ends it.
async fn speak(answer: &'static [u8]) -> (SocketAddr, String) {
    let (mut config, authority) = identity(&["kv.test"]);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.expect("a handshake");
            stream.read_u8().await.expect("a request");
            stream.write_all(answer).await.expect("written");
            stream.shutdown().await.expect("closed");
        }
    });
    (address, authority)
}

fn reply(status: u16, body: &'static str) -> http::Response<Full<Bytes>> {
    http::Response::builder().status(status).body(Full::from(body)).expect("a response")
}

#[tokio::test]
async fn http2_is_used_where_offered_and_the_connection_is_kept() {
    let (address, authority, connections) = serve(&["kv.test"], |request| {
        assert_eq!(request.version(), http::Version::HTTP_2);
        reply(200, "body")
    })
    .await;
    let transport = transport(&[("kv.test", address)], &authority);
    for _ in 0..5 {
        let answer = transport.send(get("https://kv.test/a?b=c")).await.expect("an answer");
        assert_eq!(answer.body.expose(), b"body");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn redirects_are_answers() {
    let (address, authority, _) = serve(&["kv.test"], |_| {
        let mut response = reply(302, "");
        response.headers_mut().insert("location", "https://elsewhere.test/".parse().expect("a value"));
        response
    })
    .await;
    let transport = transport(&[("kv.test", address)], &authority);
    let answer = transport.send(get("https://kv.test/")).await.expect("an answer");
    assert_eq!(answer.status, 302);
}

#[tokio::test]
async fn a_body_beyond_its_bound_is_an_error() {
    let (announced, authority, _) = serve(&["kv.test"], |_| reply(200, "0123456789")).await;
    let (until_it_ends, other) = speak(b"HTTP/1.1 200 OK\r\n\r\n0123456789").await;
    for (address, authority) in [(announced, authority), (until_it_ends, other)] {
        let transport = transport(&[("kv.test", address)], &authority);
        let error = transport.send(get("https://kv.test/").body_limit(9)).await.err().expect("an error");
        assert_eq!(error.cause, Cause::TooLarge { limit: 9 });
        assert!(transport.send(get("https://kv.test/").body_limit(10)).await.is_ok());
    }
}

/// A few bytes that unpack to gigabytes are no answer.
#[tokio::test]
async fn no_compressed_answer_is_asked_for() {
    let (address, authority, _) = serve(&["kv.test"], |request| {
        reply(if request.headers().contains_key("accept-encoding") { 400 } else { 200 }, "")
    })
    .await;
    let answer = transport(&[("kv.test", address)], &authority).send(get("https://kv.test/")).await;
    assert_eq!(answer.expect("an answer").status, 200);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let (address, authority, _) = serve(&["kv.test"], |_| reply(200, "")).await;
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let table = [("kv.test", address), ("other.test", address), ("closed.test", unused)];
    let trusting = transport(&table, &authority);
    let text = |result: Result<Answer, TransportError>| result.err().expect("an error").to_string();

    let unknown = text(trusting.send(get("https://absent.test/s")).await);
    assert_eq!(unknown, "Get \"https://absent.test/s\": dial tcp: lookup absent.test: no such host");
    let refused = text(trusting.send(get("https://closed.test/s")).await);
    assert!(refused.ends_with("dial tcp closed.test:443: connect: connection refused"), "{refused}");
    let misnamed = text(trusting.send(get("https://other.test/s")).await);
    assert!(misnamed.ends_with("x509: certificate is valid for kv.test, not other.test"), "{misnamed}");
    let (_, foreign) = identity(&["kv.test"]);
    let untrusted = text(transport(&table, &foreign).send(get("https://kv.test/s")).await);
    assert!(untrusted.ends_with("x509: certificate signed by unknown authority"), "{untrusted}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_unexpected_eof() {
    let (address, authority) = speak(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").await;
    let transport = transport(&[("kv.test", address)], &authority);
    let error = transport.send(get("https://kv.test/")).await.err().expect("an error");
    assert_eq!(error.cause, Cause::Truncated);
    assert_eq!(error.to_string(), "unexpected EOF");
}

#[tokio::test]
async fn another_authority_is_noticed_without_a_restart() {
    let (address, authority, _) = serve(&["kv.test"], |_| reply(200, "")).await;
    let (_, foreign) = identity(&["kv.test"]);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ca.crt");
    std::fs::write(&path, foreign).expect("written");
    let transport = Transport::new(TransportOptions {
        resolver: Resolver::Table(Arc::new(HashMap::from([("kv.test".to_owned(), address)]))),
        roots: Roots::only_file(&path),
        ..TransportOptions::default()
    });
    assert!(transport.send(get("https://kv.test/")).await.is_err());
    let next = dir.path().join("next.crt");
    std::fs::write(&next, authority).expect("written");
    std::fs::rename(&next, &path).expect("renamed");
    let expired = |built: &mut Built| built.checked -= ROOTS_CHECK_INTERVAL;
    transport.current.lock().expect("the lock").as_mut().map(expired);
    assert!(transport.send(get("https://kv.test/")).await.is_ok());
}

#[tokio::test]
async fn authorization_is_marked_sensitive() {
    let request = get("https://kv.test/").authorization("Bearer", &"t0ken".to_owned().into());
    assert!(request.headers()["authorization"].is_sensitive());
    let broken = get("https://kv.test/").authorization("Bearer", &"to\nken".to_owned().into());
    assert!(broken.headers().get("authorization").is_none());
}

/// A proxy that answers CONNECT with `status`; with 200 it leads to `server`. Says what it was asked.
async fn proxy(status: u16, server: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.expect("a request"));
            }
            record.lock().expect("the lock").push(String::from_utf8_lossy(&head).into_owned());
            client.write_all(format!("HTTP/1.1 {status} x\r\n\r\n").as_bytes()).await.expect("written");
            if status == 200 {
                let mut server = tokio::net::TcpStream::connect(server).await.expect("the server");
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        }
    });
    (address, asked)
}

fn through(proxy: SocketAddr, authority: &str) -> Transport {
    let value = format!("http://user:pa55@{proxy}");
    let rules = ProxyRules::from_environment(|name| (name == "HTTPS_PROXY").then(|| value.clone()));
    Transport::new(TransportOptions {
        roots: Roots::only_pem(authority.to_owned()),
        proxies: rules.expect("rules"),
        ..TransportOptions::default()
    })
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_with_its_credentials() {
    let (server, authority, _) = serve(&["kv.test"], |_| reply(200, "body")).await;
    let (address, asked) = proxy(200, server).await;
    let answer = through(address, &authority).send(get("https://kv.test/s")).await.expect("an answer");
    assert_eq!(answer.body.expose(), b"body");
    let head = asked.lock().expect("the lock")[0].clone();
    assert!(head.starts_with("CONNECT kv.test:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic dxnlcjpwytu1"), "{head}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_a_server_that_does() {
    let (address, _) = proxy(407, "127.0.0.1:9".parse().expect("an address")).await;
    let error = through(address, "").send(get("https://kv.test/s")).await.err().expect("an error");
    assert!(matches!(error.cause, Cause::Proxy(_)), "{error:?}");
    assert!(!error.to_string().contains("pa55"), "{error}");
}

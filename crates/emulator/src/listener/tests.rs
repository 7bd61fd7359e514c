use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::faults::{Action, Match, Rule, Service, TlsProblem};

struct Hello(Observer);

impl Handler for Hello {
    async fn answer(&self, request: Request<Body>, from: Connection) -> Result<Response<Body>, Reset> {
        let render = |_: &_| Response::new(Body::empty());
        let handle = |request: Request<Body>| async move { Response::new(host_of(&request).into()) };
        self.0.answer(Service::Vault, from, request, render, handle).await
    }
}

struct Running {
    server: Server,
    observer: Observer,
    ca: Vec<u8>,
}

async fn start() -> Running {
    let observer = Observer::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ca = Arc::new(tls::Ca::new().expect("an authority"));
    let addresses = [listener.local_addr().expect("an address").ip()];
    let acceptor = tls::acceptor(&ca, &addresses, observer.faults.clone()).expect("TLS");
    let handler = Hello(observer.clone());
    let server = Server::start(listener, "vault", Some(acceptor), observer.traffic.clone(), handler);
    Running { server: server.expect("a server"), observer, ca: ca.der().expect("DER") }
}

fn client(running: &Running) -> reqwest::Client {
    builder(running).build().expect("a client")
}

fn builder(running: &Running) -> reqwest::ClientBuilder {
    let tls = rustls::crypto::ring::default_provider().install_default();
    drop(tls); // another test may have been first
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_der(&running.ca).expect("a certificate")])
        .resolve("kv.vault.azure.net", running.server.address())
        .no_proxy()
}

const URL: &str = "https://kv.vault.azure.net/secrets/a";

#[tokio::test]
async fn names_and_addresses_have_certificates() {
    let running = start().await;
    let client = client(&running);
    let response = client.get(URL).send().await.expect("an answer");
    assert_eq!((response.status(), response.version()), (StatusCode::OK, http::Version::HTTP_2));
    assert_eq!(response.text().await.expect("a body"), "kv.vault.azure.net");
    let by_address = format!("https://{}/", running.server.address());
    assert_eq!(
        client.get(by_address).send().await.expect("an answer").text().await.expect("a body"),
        "127.0.0.1"
    );
    let counts = running.observer.traffic.connections("vault");
    assert_eq!((counts.handshakes, counts.http2, counts.failed_handshakes), (2, 2, 0));
    running.server.shutdown(Duration::from_secs(5)).await;
    assert!(client.get(URL).send().await.is_err());
}

#[tokio::test]
async fn tls_problems_are_seen_by_the_client() {
    let running = start().await;
    for problem in [TlsProblem::Expired, TlsProblem::WrongName, TlsProblem::Untrusted, TlsProblem::Refused] {
        let rule = running.observer.faults.add(Rule::on(Service::Vault, Action::Tls { problem }).host("kv"));
        assert!(client(&running).get(URL).send().await.is_err(), "{problem:?}");
        running.observer.faults.remove(rule);
    }
    client(&running).get(URL).send().await.expect("an answer");
    assert_eq!(running.observer.traffic.count(&Match::default()), 1);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let observer = Observer::default();
    observer.faults.add(Rule::on(Service::Vault, Action::Reset));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = Server::start(listener, "vault", None, Traffic::default(), Hello(observer.clone()));
    let server = server.expect("a server");
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: kv\r\n\r\n").await.expect("a request");
    let error = stream.read(&mut [0; 1]).await.expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(observer.traffic.count_status(&Match::default(), 0), 1);
}

#[tokio::test]
async fn truncated_and_mislabelled_bodies_break_the_client() {
    let running = start().await;
    let faults = &running.observer.faults;
    for action in [Action::Truncate { after: 3 }, Action::ContentLength { off_by: 10 }] {
        faults.clear();
        faults.add(Rule::on(Service::Vault, action));
        let http1 = builder(&running).http1_only().build().expect("a client");
        let response = http1.get(URL).send().await.expect("a head");
        assert!(response.bytes().await.is_err());
        // With HTTP/2 the end of the stream may overtake its head.
        let response = client(&running).get(URL).send().await;
        assert!(async { response?.bytes().await }.await.is_err());
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let running = start().await;
    running.observer.faults.add(Rule::on(Service::Vault, Action::Hang));
    let asking = tokio::spawn(client(&running).get(URL).send());
    while running.observer.faults.list()[0].applied == 0 {
        tokio::task::yield_now().await;
    }
    let ending = tokio::spawn(running.server.shutdown(Duration::from_secs(60)));
    running.observer.faults.release();
    assert_eq!(asking.await.expect("the task").expect("an answer").status(), StatusCode::OK);
    ending.await.expect("the end");
}

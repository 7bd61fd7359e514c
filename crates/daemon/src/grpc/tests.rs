use std::os::unix::fs::PermissionsExt as _;

use keymount_proto::health::health_client::HealthClient;
use keymount_proto::health::health_server::{Health, HealthServer};
use keymount_proto::health::{HealthCheckRequest, HealthCheckResponse};
use tonic::{Code, Request, Response, Status};

use super::*;

/// Panics when asked for the service "panic", says a lot about "long", otherwise answers.
struct Moody;

/// Much more than an HTTP/2 client takes that has not been told otherwise.
const LONG: usize = 200_000;

#[tonic::async_trait]
impl Health for Moody {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert!(request.get_ref().service != "panic", "as asked");
        if request.get_ref().service == "long" {
            return Err(Status::not_found("%".repeat(LONG)));
        }
        Ok(Response::new(HealthCheckResponse { status: 1 }))
    }
}

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[test]
fn endpoints() {
    for (text, expected) in [
        ("unix://tmp/csi.sock", Ok(Endpoint::Unix("/tmp/csi.sock".into()))),
        ("unix:///csi/csi.sock", Ok(Endpoint::Unix("/csi/csi.sock".into()))),
        ("UNIX:///csi/csi.sock", Ok(Endpoint::Unix("/csi/csi.sock".into()))),
        ("tcp://:7777", Ok(Endpoint::Tcp(":7777".to_owned()))),
        ("unix://", Err(())),
        ("tcp://", Err(())),
        ("udp:///x", Err(())),
        ("unix:/fake.sock/", Err(())),
        ("fake.sock", Err(())),
        ("://", Err(())),
        ("", Err(())),
    ] {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => assert_eq!(Ok(endpoint), expected, "{text}"),
            Err(error) => {
                assert_eq!(expected, Err(()), "{text}");
                assert!(error.to_string().starts_with(&format!("invalid endpoint: {text}")));
            }
        }
    }
}

#[tokio::test]
async fn a_failure_fails_one_request_and_the_socket_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.sock");
    // What an earlier process left behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());

    let listener = Listener::bind(&Endpoint::Unix(path.clone())).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let stop = CancellationToken::new();
    let routes = Routes::new(HealthServer::new(Moody));
    let server = tokio::spawn(serve(listener, routes, stop.clone(), Duration::from_secs(5)));

    let mut client = HealthClient::new(channel(&path));
    let failed = client.check(check("panic")).await.unwrap_err();
    assert_eq!(failed.code(), Code::Internal);
    assert!(!failed.message().contains("as asked"), "the panic's own text stays inside");
    let failed = client.check(check("long")).await.unwrap_err();
    assert_eq!((failed.code(), failed.message().len()), (Code::NotFound, LONG));
    assert_eq!(client.check(check("")).await.unwrap().get_ref().status, 1);

    drop(client);
    stop.cancel();
    server.await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn only_a_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let error = Listener::bind(&Endpoint::Unix(path.clone())).await.unwrap_err();
    assert!(matches!(error, ListenError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"data");
}

#[tokio::test]
async fn a_successors_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(directory.path().join("test.sock"));
    let first = Listener::bind(&endpoint).await.unwrap();
    let _second = Listener::bind(&endpoint).await.unwrap();
    drop(first);
    assert!(directory.path().join("test.sock").exists());
}

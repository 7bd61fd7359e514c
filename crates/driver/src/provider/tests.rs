use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use keymount_daemon::grpc::{Endpoint, Listener, serve};
use keymount_proto::provider::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use keymount_proto::provider::{File, ObjectVersion, VersionRequest, VersionResponse};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::Response;
use tonic::service::Routes;

use super::*;

/// Answers `Mount` as the given function says, and counts the calls.
struct Scripted<F> {
    calls: Arc<AtomicUsize>,
    answer: F,
}

#[tonic::async_trait]
impl<F> CsiDriverProvider for Scripted<F>
where
    F: Fn(usize, MountRequest) -> Result<MountResponse, Status> + Send + Sync + 'static,
{
    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        let runtime_version = "v1".to_owned();
        Ok(Response::new(VersionResponse { runtime_version, ..VersionResponse::default() }))
    }

    async fn mount(&self, request: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        (self.answer)(call, request.into_inner()).map(Response::new)
    }
}

struct Running {
    calls: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    async fn start<F>(directory: &Path, answer: F) -> Self
    where
        F: Fn(usize, MountRequest) -> Result<MountResponse, Status> + Send + Sync + 'static,
    {
        let listener = Listener::bind(&Endpoint::Unix(directory.join("test.sock"))).await.unwrap();
        let (calls, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let service = CsiDriverProviderServer::new(Scripted { calls: Arc::clone(&calls), answer });
        let task = tokio::spawn(serve(listener, Routes::new(service), stop.clone(), Duration::ZERO));
        Self { calls, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn file() -> Result<MountResponse, Status> {
    Ok(MountResponse {
        object_version: vec![ObjectVersion { id: "a".to_owned(), version: "1".to_owned() }],
        error: None,
        files: vec![File { path: "a".to_owned(), mode: 0o644, contents: b"x".to_vec() }],
    })
}

fn providers(directory: &TempDir, startup_timeout: Duration) -> Providers {
    let limits =
        ProviderLimits { max_reply_bytes: 1024, max_calls: 4, reply_memory: 1 << 20, startup_timeout };
    Providers::new(Directories::new(vec![directory.path().to_owned()]), limits)
}

async fn mount(providers: &Providers) -> Result<Reply, ProviderError> {
    let cancel = CancellationToken::new();
    let bounds = Bounds { deadline: Instant::now() + Duration::from_secs(60), cancel: &cancel };
    providers.mount("test", &MountRequest::default(), Lane::FirstMount, "default", bounds).await
}

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_provider_that_is_starting_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let providers = Arc::new(providers(&directory, Duration::from_secs(30)));
    let waiting = tokio::spawn({
        let providers = Arc::clone(&providers);
        async move { mount(&providers).await }
    });
    tokio::task::yield_now().await;
    let provider = Running::start(directory.path(), |_, _| file()).await;
    assert_eq!(waiting.await.unwrap().unwrap().files.len(), 1);
    provider.stop().await;
}

#[tokio::test]
async fn the_wait_is_bounded_and_the_error_says_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("azure.sock"), "").unwrap();
    let error = mount(&providers(&directory, SHORT)).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("provider not found: provider \"test\""), "{text}");
    assert!(text.contains("installed there: azure"), "{text}");
    // A socket file that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(directory.path().join("test.sock")).unwrap());
    let error = mount(&providers(&directory, SHORT)).await.err().unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains("connect: Connection refused"), "{error}");
}

/// users.md knows pauses of up to a minute here, from a client's reconnect back-off.
#[tokio::test]
async fn a_provider_that_was_replaced_or_killed_is_dialled_anew_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let providers = providers(&directory, Duration::from_secs(30));
    let first = Running::start(directory.path(), |_, _| file()).await;
    mount(&providers).await.unwrap();
    // Replaced under the same name while the old one still runs: the new socket counts.
    let second = Running::start(directory.path(), |_, _| file()).await;
    mount(&providers).await.unwrap();
    assert_eq!((first.calls.load(Ordering::SeqCst), second.calls.load(Ordering::SeqCst)), (1, 1));
    second.stop().await;
    let third = Running::start(directory.path(), |_, _| file()).await;
    mount(&providers).await.unwrap();
    assert_eq!(third.calls.load(Ordering::SeqCst), 1);
    first.stop().await;
    third.stop().await;
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_tried_three_times_and_nothing_else_is() {
    for (code, expected) in
        [(Code::Unavailable, 3), (Code::NotFound, 1), (Code::Internal, 1), (Code::DeadlineExceeded, 1)]
    {
        let directory = tempfile::tempdir().unwrap();
        let provider = Running::start(directory.path(), move |_, _| Err(Status::new(code, "boom"))).await;
        let began = Instant::now();
        let error = mount(&providers(&directory, SHORT)).await.err().unwrap();
        assert_eq!(error.code(), code);
        assert_eq!(provider.calls.load(Ordering::SeqCst), expected, "{code:?}");
        if expected == 3 {
            let paused = began.elapsed();
            assert!((1600..=2600).contains(&paused.as_millis()), "{paused:?}");
        }
        provider.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_succeeds_ends_the_retries() {
    let directory = tempfile::tempdir().unwrap();
    let answer = |call, _| if call == 0 { Err(Status::unavailable("starting")) } else { file() };
    let provider = Running::start(directory.path(), answer).await;
    mount(&providers(&directory, SHORT)).await.unwrap();
    assert_eq!(provider.calls.load(Ordering::SeqCst), 2);
    provider.stop().await;
}

#[tokio::test]
async fn a_reply_over_the_limit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let big = |_, _| {
        let mut response = file()?;
        response.files[0].contents = vec![0; 2000];
        Ok(response)
    };
    let provider = Running::start(directory.path(), big).await;
    let error = mount(&providers(&directory, SHORT)).await.err().unwrap();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.to_string().contains("grpc: received message larger than max ("), "{error}");
    provider.stop().await;
}

/// I8: a provider that never answers holds its own calls only, and a cancelled one ends at once.
#[tokio::test(start_paused = true)]
async fn i8_a_hanging_provider_ends_with_the_deadline_or_the_cancellation() {
    let directory = tempfile::tempdir().unwrap();
    // Accepts and never speaks.
    let listener = tokio::net::UnixListener::bind(directory.path().join("test.sock")).unwrap();
    let dialled = Arc::new(AtomicUsize::new(0));
    let dials = Arc::clone(&dialled);
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            dials.fetch_add(1, Ordering::SeqCst);
            held.push(stream);
        }
    });
    let providers = providers(&directory, SHORT);
    let cancel = CancellationToken::new();
    let bounds = Bounds { deadline: Instant::now() + Duration::from_secs(60), cancel: &cancel };
    let request = MountRequest::default();
    let call = providers.mount("test", &request, Lane::FirstMount, "default", bounds);
    let error = call.await.err().unwrap();
    assert!(matches!(error, ProviderError::Deadline(Stage::Mount)), "{error}");
    assert_eq!(dialled.load(Ordering::SeqCst), 1, "nothing is tried after the deadline");
    let bounds = Bounds { deadline: Instant::now() + Duration::from_secs(60), cancel: &cancel };
    let call = providers.mount("test", &request, Lane::FirstMount, "default", bounds);
    let cancelled = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    };
    let (error, ()) = tokio::join!(call, cancelled);
    assert!(matches!(error.err().unwrap(), ProviderError::Cancelled));
    silent.abort();
}

/// A class that names providers at random leaves nothing behind.
#[tokio::test]
async fn names_that_nobody_serves_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let providers = providers(&directory, Duration::ZERO);
    let cancel = CancellationToken::new();
    for number in 0..50 {
        let bounds = Bounds { deadline: Instant::now() + Duration::from_secs(60), cancel: &cancel };
        let name = format!("random-{number}");
        providers
            .mount(&name, &MountRequest::default(), Lane::FirstMount, "default", bounds)
            .await
            .err()
            .unwrap();
    }
    assert!(providers.known.lock().unwrap().len() <= 1);
    assert!(providers.states().is_empty());
}

//! A provider that answers as a test says.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_daemon::grpc::{Endpoint, Listener, serve};
use keymount_proto::provider::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use keymount_proto::provider::{
    File, MountRequest, MountResponse, ObjectVersion, VersionRequest, VersionResponse,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// What one call ends with.
pub type Reply = Result<MountResponse, Status>;

/// Says whether a call waits.
type Held = Option<fn(&MountRequest) -> bool>;

type Answer = Box<dyn Fn(&MountRequest) -> Reply + Send + Sync>;

/// A running provider.
pub struct Provider {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    calls: watch::Sender<Vec<MountRequest>>,
    /// Which calls wait.
    held: watch::Sender<Held>,
}

struct Service(Arc<Shared>);

/// A file of a reply.
#[must_use]
pub fn file(path: &str, contents: &str) -> File {
    File { path: path.to_owned(), mode: 0o644, contents: contents.as_bytes().to_vec() }
}

/// A reply with these files, all objects at this version.
///
/// # Errors
/// None; the type is that of a provider's answer.
pub fn reply(version: &str, files: &[(&str, &str)]) -> Reply {
    let version = |path: &str| ObjectVersion { id: format!("secret/{path}"), version: version.to_owned() };
    Ok(MountResponse {
        object_version: files.iter().map(|(path, _)| version(path)).collect(),
        error: None,
        files: files.iter().map(|(path, contents)| file(path, contents)).collect(),
    })
}

impl Provider {
    /// Starts one on `<directory>/<name>.sock`.
    ///
    /// # Panics
    /// If the socket cannot be opened.
    pub async fn start(
        directory: &Path,
        name: &str,
        answer: impl Fn(&MountRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let endpoint = Endpoint::Unix(directory.join(format!("{name}.sock")));
        let listener = Listener::bind(&endpoint).await.expect("a socket in the test's directory");
        let shared = Arc::new(Shared {
            answer: Mutex::new(Box::new(answer)),
            calls: watch::Sender::default(),
            held: watch::Sender::new(None),
        });
        let stop = CancellationToken::new();
        let routes = Routes::new(CsiDriverProviderServer::new(Service(Arc::clone(&shared))));
        let serving = serve(listener, routes, stop.clone(), Duration::ZERO);
        let task = tokio::spawn(async move { serving.await.expect("the provider's server") });
        Self { shared, stop, task }
    }

    /// Answers as this says from now on.
    pub fn answer(&self, answer: impl Fn(&MountRequest) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(answer);
    }

    /// Lets calls wait.
    pub fn hold(&self) {
        self.hold_if(|_| true);
    }

    /// Lets the calls wait of which this is true.
    pub fn hold_if(&self, held: fn(&MountRequest) -> bool) {
        self.shared.held.send_replace(Some(held));
    }

    /// Lets calls that wait go on.
    pub fn release(&self) {
        self.shared.held.send_replace(None);
    }

    /// Calls so far, answered or not.
    #[must_use]
    pub fn calls(&self) -> Vec<MountRequest> {
        self.shared.calls.borrow().clone()
    }

    /// Number of calls so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.calls.borrow().len()
    }

    /// Returns when there have been so many calls.
    pub async fn called(&self, times: usize) {
        let mut calls = self.shared.calls.subscribe();
        calls.wait_for(|calls| calls.len() >= times).await.expect("the sender lives as long as this");
    }

    /// Ends it; its socket goes away.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the provider's task");
    }
}

#[tonic::async_trait]
impl CsiDriverProvider for Service {
    async fn version(&self, _: Request<VersionRequest>) -> Result<Response<VersionResponse>, Status> {
        Ok(Response::new(VersionResponse {
            version: "v1alpha1".to_owned(),
            runtime_name: "test".to_owned(),
            runtime_version: "v0".to_owned(),
        }))
    }

    async fn mount(&self, request: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        let request = request.into_inner();
        self.0.calls.send_modify(|calls| calls.push(request.clone()));
        let mut held = self.0.held.subscribe();
        let is_free = |held: &Held| !held.is_some_and(|held| held(&request));
        held.wait_for(is_free).await.map_err(|_| Status::internal("the test ended"))?;
        let answer = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&request).map(Response::new)
    }
}

//! A provider that answers as a test says, held to what providers expect of the driver.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use keymount_proto::provider::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use keymount_proto::provider::{
    File, MountRequest, MountResponse, ObjectVersion, VersionRequest, VersionResponse,
};
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::util::MapRequestLayer;

use super::cluster::PATIENCE;

/// Where the service finds the HTTP/2 authority of a request.
const AUTHORITY: &str = "x-authority";

/// What one call ends with.
pub type Reply = Result<MountResponse, Status>;

type Answer = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

/// One call of `Mount`.
#[derive(Clone, Debug)]
pub struct Call {
    /// Parameters of the class and the volume context.
    pub attributes: BTreeMap<String, String>,
    /// Data of `nodePublishSecretRef`.
    pub secrets: BTreeMap<String, String>,
    /// When it came.
    pub at: Instant,
}

impl Call {
    /// An attribute; empty if there is none.
    #[must_use]
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// Name of the pod.
    #[must_use]
    pub fn pod(&self) -> &str {
        self.attribute("csi.storage.k8s.io/pod.name")
    }
}

/// A provider by name. While it does not run its socket is as the last run left it.
pub struct Provider {
    name: String,
    socket: PathBuf,
    shared: Arc<Shared>,
    /// Its own, so that it can be ended as a process is.
    runtime: Option<Runtime>,
}

struct Shared {
    answer: Mutex<Answer>,
    calls: watch::Sender<Vec<Call>>,
    /// Calls are answered while this is true.
    open: watch::Sender<bool>,
}

struct Service(Arc<Shared>);

/// A reply with these files with mode 0644, each an object at this version.
///
/// # Errors
/// None; the type is that of an answer.
pub fn files(version: &str, files: &[(&str, &str)]) -> Reply {
    let object = |path: &str| ObjectVersion { id: format!("secret/{path}"), version: version.to_owned() };
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        mode: 0o644,
        contents: text.as_bytes().to_vec(),
    };
    Ok(MountResponse {
        object_version: files.iter().map(|(path, _)| object(path)).collect(),
        error: None,
        files: files.iter().map(|(path, text)| file(path, text)).collect(),
    })
}

impl Provider {
    /// Starts one on `<directory>/<name>.sock` that answers with a file `foo`.
    pub fn start(directory: &Path, name: &str) -> Self {
        let first: Answer = Arc::new(|_| files("v1", &[("foo", "secret")]));
        let shared = Arc::new(Shared {
            answer: Mutex::new(first),
            calls: watch::Sender::default(),
            open: watch::Sender::new(true),
        });
        let socket = directory.join(format!("{name}.sock"));
        let mut provider = Self { name: name.to_owned(), socket, shared, runtime: None };
        provider.restart();
        provider
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it again, on a new socket. Calls so far are remembered.
    ///
    /// # Panics
    /// If the socket cannot be made.
    pub fn restart(&mut self) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let _ = std::fs::remove_file(&self.socket);
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&self.socket).expect("a socket")
        };
        std::fs::set_permissions(&self.socket, PermissionsExt::from_mode(0o600)).expect("its mode");
        let service = CsiDriverProviderServer::new(Service(Arc::clone(&self.shared)));
        let incoming = UnixListenerStream::new(listener);
        let server = Server::builder().layer(MapRequestLayer::new(show_authority)).add_service(service);
        runtime.spawn(server.serve_with_incoming(incoming));
        self.runtime = Some(runtime);
    }

    /// Ends it as SIGKILL does: connections break, the socket file stays.
    pub fn crash(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Answers as this says from now on.
    pub fn answer(&self, answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(answer);
    }

    /// Lets calls wait.
    pub fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    /// Lets calls that wait go on.
    pub fn release(&self) {
        self.shared.open.send_replace(true);
    }

    /// Calls so far, answered or not.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.borrow().clone()
    }

    /// Waits until a call is as the condition says, past ones included, and gives all calls.
    ///
    /// # Panics
    /// If none comes.
    pub async fn called(&self, condition: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        let mut calls = self.shared.calls.subscribe();
        let wait = calls.wait_for(|calls| condition(calls));
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(calls) => calls.expect("the sender lives as long as this").clone(),
            Err(_) => panic!("the provider was called {} times in all", self.calls().len()),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Puts the authority where the service finds it.
fn show_authority<B>(mut request: http::Request<B>) -> http::Request<B> {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    if let Some(Ok(value)) = authority.map(TryInto::try_into) {
        request.headers_mut().insert(AUTHORITY, value);
    }
    request
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
        // What upstream's mock provider insists on.
        if request.metadata().get(AUTHORITY).is_none_or(|authority| authority != "localhost") {
            return Err(Status::invalid_argument("the authority is not localhost"));
        }
        let request = request.into_inner();
        let parse = |text: &str| serde_json::from_str::<Option<BTreeMap<String, String>>>(text);
        let unreadable = |what| move |_| Status::invalid_argument(format!("{what} are no JSON object"));
        let attributes = parse(&request.attributes).map_err(unreadable("attributes"))?.unwrap_or_default();
        let secrets = parse(&request.secrets).map_err(unreadable("secrets"))?.unwrap_or_default();
        if request.target_path.is_empty() || request.permission != "420" {
            return Err(Status::invalid_argument("a target path and the permission 420 are expected"));
        }
        let call = Call { attributes, secrets, at: Instant::now() };
        self.0.calls.send_modify(|calls| calls.push(call.clone()));
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open).await.map_err(|_| Status::internal("the test ended"))?;
        let answer = Arc::clone(&self.0.answer.lock().unwrap_or_else(PoisonError::into_inner));
        answer(&call).map(Response::new)
    }
}

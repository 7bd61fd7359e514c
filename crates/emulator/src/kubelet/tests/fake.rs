//! A CSI driver that records what it is asked and answers what it is told.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use keymount_proto::csi::node_server::{Node, NodeServer};
use keymount_proto::csi::node_service_capability::rpc::Type as RpcType;
use keymount_proto::csi::node_service_capability::{Rpc, Type};
use keymount_proto::csi::*;
use keymount_proto::registration::registration_server::{Registration, RegistrationServer};
use keymount_proto::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

/// What the driver is told to do.
#[derive(Default)]
pub(super) struct Script {
    pub(super) info: PluginInfo,
    /// Answers to the next publishes; `None` and nothing left are success.
    pub(super) publishes: VecDeque<Option<Code>>,
    pub(super) unpublishes: VecDeque<Option<Code>>,
    pub(super) node_info_fails: bool,
    pub(super) capabilities: Vec<RpcType>,
    /// Leaves the target directory behind when a publish fails.
    pub(super) leaves_target: bool,
    pub(super) hangs: bool,
}

/// The driver and its plug-in.
pub(super) struct Fake {
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) published: Arc<Mutex<Vec<(NodePublishVolumeRequest, String)>>>,
    pub(super) calls: watch::Sender<(usize, usize)>,
    pub(super) verdicts: watch::Sender<Vec<RegistrationStatus>>,
    pub(super) registration: PathBuf,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Clone)]
struct Service {
    script: Arc<Mutex<Script>>,
    published: Arc<Mutex<Vec<(NodePublishVolumeRequest, String)>>>,
    calls: watch::Sender<(usize, usize)>,
    verdicts: watch::Sender<Vec<RegistrationStatus>>,
}

impl Fake {
    /// Starts a driver in the directories of a kubelet; kubelet has to find it by itself.
    pub(super) async fn start(root: &Path, name: &str) -> Self {
        let plugin = root.join("plugins").join(name);
        std::fs::create_dir_all(&plugin).expect("a directory");
        let (csi, registration) =
            (plugin.join("csi.sock"), root.join("plugins_registry").join(format!("{name}-reg.sock")));
        let info = PluginInfo {
            r#type: "CSIPlugin".to_owned(),
            name: name.to_owned(),
            endpoint: csi.to_string_lossy().into_owned(),
            supported_versions: vec!["1.0.0".to_owned()],
        };
        let service = Service {
            script: Arc::new(Mutex::new(Script { info, ..Script::default() })),
            published: Arc::default(),
            calls: watch::Sender::new((0, 0)),
            verdicts: watch::Sender::new(Vec::new()),
        };
        let serve = |path: &Path, router: tonic::transport::server::Router| {
            let _ = std::fs::remove_file(path);
            let listener = UnixListenerStream::new(UnixListener::bind(path).expect("a socket"));
            tokio::spawn(async move { router.serve_with_incoming(listener).await.expect("served") })
        };
        // The driver first: kubelet asks it as soon as it sees the registration socket.
        let tasks = vec![
            serve(&csi, Server::builder().add_service(NodeServer::new(service.clone()))),
            serve(&registration, Server::builder().add_service(RegistrationServer::new(service.clone()))),
        ];
        Self {
            script: service.script,
            published: service.published,
            calls: service.calls,
            verdicts: service.verdicts,
            registration,
            tasks,
        }
    }

    pub(super) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().expect("no panic"));
    }

    /// Waits for so many publishes and unpublishes.
    pub(super) async fn called(&self, publishes: usize, unpublishes: usize) {
        let mut calls = self.calls.subscribe();
        super::soon(calls.wait_for(|(p, u)| *p >= publishes && *u >= unpublishes))
            .await
            .expect("the driver lives");
    }

    /// The last publish and its `grpc-timeout`.
    pub(super) fn last(&self) -> (NodePublishVolumeRequest, String) {
        self.published.lock().expect("no panic").last().cloned().expect("a publish")
    }
}

fn told(code: Option<Option<Code>>) -> Result<(), Status> {
    code.flatten().map_or(Ok(()), |code| Err(Status::new(code, "as told")))
}

#[tonic::async_trait]
impl Node for Service {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let timeout =
            request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let timeout = timeout.to_owned();
        let message = request.into_inner();
        let target = message.target_path.clone();
        self.published.lock().expect("no panic").push((message, timeout));
        let (result, leaves, hangs) = {
            let mut script = self.script.lock().expect("no panic");
            (told(script.publishes.pop_front()), script.leaves_target, script.hangs)
        };
        if result.is_ok() || leaves {
            std::fs::create_dir_all(&target).map_err(|error| Status::internal(error.to_string()))?;
        }
        self.calls.send_modify(|calls| calls.0 += 1);
        if hangs {
            std::future::pending::<()>().await;
        }
        result.map(|()| Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let result = told(self.script.lock().expect("no panic").unpublishes.pop_front());
        if result.is_ok() {
            let _ = std::fs::remove_dir_all(request.into_inner().target_path);
        }
        self.calls.send_modify(|calls| calls.1 += 1);
        result.map(|()| Response::new(NodeUnpublishVolumeResponse {}))
    }

    async fn node_get_capabilities(
        &self,
        _: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        let types = self.script.lock().expect("no panic").capabilities.clone();
        let capability =
            |kind: RpcType| NodeServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: kind.into() })) };
        Ok(Response::new(NodeGetCapabilitiesResponse {
            capabilities: types.into_iter().map(capability).collect(),
        }))
    }

    async fn node_get_info(
        &self,
        _: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        if self.script.lock().expect("no panic").node_info_fails {
            return Err(Status::unavailable("not yet"));
        }
        Ok(Response::new(NodeGetInfoResponse {
            node_id: "node-1".to_owned(),
            ..NodeGetInfoResponse::default()
        }))
    }

    async fn node_stage_volume(
        &self,
        _: Request<NodeStageVolumeRequest>,
    ) -> Result<Response<NodeStageVolumeResponse>, Status> {
        Err(Status::unimplemented("inline volumes are not staged"))
    }

    async fn node_unstage_volume(
        &self,
        _: Request<NodeUnstageVolumeRequest>,
    ) -> Result<Response<NodeUnstageVolumeResponse>, Status> {
        Err(Status::unimplemented("inline volumes are not staged"))
    }

    async fn node_get_volume_stats(
        &self,
        _: Request<NodeGetVolumeStatsRequest>,
    ) -> Result<Response<NodeGetVolumeStatsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn node_expand_volume(
        &self,
        _: Request<NodeExpandVolumeRequest>,
    ) -> Result<Response<NodeExpandVolumeResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl Registration for Service {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Ok(Response::new(self.script.lock().expect("no panic").info.clone()))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        self.verdicts.send_modify(|verdicts| verdicts.push(request.into_inner()));
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}

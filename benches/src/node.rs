//! A driver with a provider that answers at once, called as kubelet calls it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use keymount_cluster_tests::stage::STATUSES;
use keymount_daemon::grpc;
use keymount_mount_namespace::Cgroup;
use keymount_proto::csi::identity_client::IdentityClient;
use keymount_proto::csi::node_client::NodeClient;
use keymount_proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use keymount_proto::csi::{
    GetPluginInfoRequest, NodeGetCapabilitiesRequest, NodePublishVolumeRequest, NodeUnpublishVolumeRequest,
    VolumeCapability,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::cluster::{Api, DRIVER_NAME};
use crate::peer::{FILES, Peer, file};
use crate::process::Process;
use crate::subject::Subject;

const METRICS: u16 = 18095;
/// Name of the node.
pub(crate) const NODE: &str = "bench-node";
/// The class that volumes have.
pub(crate) const CLASS: &str = "web";
/// Connections to the driver; kubelet uses one per call.
const CONNECTIONS: usize = 16;

/// A node with one driver.
pub(crate) struct Node {
    /// The API behind it.
    pub(crate) api: Api,
    /// The provider.
    pub(crate) peer: Peer,
    /// The driver.
    pub(crate) driver: Process,
    /// From its start to its first answer.
    pub(crate) started: Duration,
    clients: Vec<NodeClient<Channel>>,
    /// Of the pods, by number.
    uids: Vec<String>,
    directory: TempDir,
}

impl Node {
    /// Starts a driver with these flags beside those that it needs. `spec` is merged into that of the class.
    /// So many pods are there for its volumes.
    pub(crate) async fn start(
        subject: &Subject,
        flags: &[&str],
        spec: &Value,
        pods: usize,
    ) -> anyhow::Result<Arc<Self>> {
        Self::start_in(subject, flags, spec, pods, None).await
    }

    /// The same in a memory cgroup.
    pub(crate) async fn start_in(
        subject: &Subject,
        flags: &[&str],
        spec: &Value,
        pods: usize,
        group: Option<&Cgroup>,
    ) -> anyhow::Result<Arc<Self>> {
        let directory = tempfile::tempdir()?;
        let api = Api::start(directory.path()).await?;
        api.class(CLASS, spec).await;
        let uids = pods_of(&api, pods).await?;
        let providers = directory.path().join("providers");
        std::fs::create_dir_all(&providers)?;
        std::fs::create_dir_all(directory.path().join("pods"))?;
        let peer = Peer::start(&providers)?;
        let mut arguments = vec![
            format!("--endpoint=unix://{}", socket(directory.path()).display()),
            format!("--drivername={DRIVER_NAME}"),
            format!("--nodeid={NODE}"),
            format!("--provider-volume={}", providers.display()),
            format!("--additional-provider-volume-paths={}", directory.path().join("none").display()),
            format!("--metrics-addr=127.0.0.1:{METRICS}"),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let (driver, started) =
            run(subject.driver()?, &arguments, &api.kubeconfig, directory.path(), group).await?;
        let clients = (0..CONNECTIONS).map(|_| NodeClient::new(grpc::channel(&socket(directory.path()))));
        let clients = clients.collect();
        Ok(Arc::new(Self { api, peer, driver, started, clients, uids, directory }))
    }

    /// Where a volume is.
    pub(crate) fn target(&self, number: usize) -> PathBuf {
        self.directory
            .path()
            .join(format!("pods/{}/volumes/kubernetes.io~csi/secrets/mount", self.uid(number)))
    }

    /// Makes the directory that the volume comes into, as kubelet does.
    pub(crate) fn prepare(&self, number: usize) -> anyhow::Result<()> {
        Ok(std::fs::create_dir_all(self.target(number).parent().context("a parent")?)?)
    }

    /// Publishes the volume of the pod of this number.
    pub(crate) async fn publish(&self, caller: usize, number: usize) -> anyhow::Result<()> {
        self.publish_in(&self.api.namespace, caller, number).await
    }

    /// The same for a pod of another namespace.
    pub(crate) async fn publish_in(
        &self,
        namespace: &str,
        caller: usize,
        number: usize,
    ) -> anyhow::Result<()> {
        let target = self.target(number);
        let mut request = NodePublishVolumeRequest::default();
        request.volume_id = format!("csi-{number:040}");
        request.target_path = target.display().to_string();
        request.volume_capability = Some(VolumeCapability {
            access_type: Some(AccessType::Mount(MountVolume::default())),
            access_mode: Some(AccessMode { mode: 1 }),
        });
        request.readonly = true;
        request.volume_context = [
            ("secretProviderClass", CLASS),
            ("csi.storage.k8s.io/ephemeral", "true"),
            ("csi.storage.k8s.io/pod.name", &format!("pod-{number}")),
            ("csi.storage.k8s.io/pod.namespace", namespace),
            ("csi.storage.k8s.io/pod.uid", self.uid(number)),
            ("csi.storage.k8s.io/serviceAccount.name", "default"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        self.client(caller).node_publish_volume(request).await?;
        Ok(())
    }

    /// Unpublishes it.
    pub(crate) async fn unpublish(&self, caller: usize, number: usize) -> anyhow::Result<()> {
        let request = NodeUnpublishVolumeRequest {
            volume_id: format!("csi-{number:040}"),
            target_path: self.target(number).display().to_string(),
        };
        self.client(caller).node_unpublish_volume(request).await?;
        Ok(())
    }

    /// A call that needs nothing: what is left is the way to the driver and back.
    pub(crate) async fn capabilities(&self, caller: usize) -> anyhow::Result<()> {
        self.client(caller).node_get_capabilities(NodeGetCapabilitiesRequest {}).await?;
        Ok(())
    }

    fn uid(&self, number: usize) -> &str {
        self.uids.get(number).map_or("7e9a0000-0000-4000-8000-00000000ffff", String::as_str)
    }

    fn client(&self, caller: usize) -> NodeClient<Channel> {
        self.clients[caller % CONNECTIONS].clone()
    }

    /// Whether a volume holds all files of a version.
    pub(crate) fn holds(&self, number: usize, version: u64) -> bool {
        let target = self.target(number);
        (0..FILES).all(|index| {
            let (name, content) = file(index, version);
            std::fs::read(target.join(name)).is_ok_and(|held| held == content.as_bytes())
        })
    }

    /// Whether a volume holds the last file of a version, which is as good where versions come whole.
    pub(crate) fn is_at(&self, number: usize, version: u64) -> bool {
        let (name, content) = file(FILES - 1, version);
        std::fs::read(self.target(number).join(name)).is_ok_and(|held| held == content.as_bytes())
    }

    /// Status objects of this node's namespace that say mounted.
    pub(crate) async fn statuses(&self) -> anyhow::Result<usize> {
        let found = self.api.cluster.list(STATUSES, &self.api.namespace, "").await?;
        Ok(found.iter().filter(|found| found["status"]["mounted"] == true).count())
    }

    /// Ends the driver, and unmounts what is left.
    pub(crate) async fn stop(self: Arc<Self>) -> anyhow::Result<()> {
        let node = Arc::into_inner(self).context("somebody still uses the driver")?;
        node.driver.stop().await?;
        let root = node.directory.path().display().to_string();
        for mount in keymount_cluster_tests::stage::mounts(&root) {
            rustix::mount::unmount(&mount, rustix::mount::UnmountFlags::DETACH)?;
        }
        node.api.stop().await;
        Ok(())
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("csi.sock")
}

/// Makes pods with a volume of the class. Status objects are owned by them, and go with them.
async fn pods_of(api: &Api, count: usize) -> anyhow::Result<Vec<String>> {
    let pod = |number: usize| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("pod-{number}"), "namespace": api.namespace},
            "spec": {
                "nodeName": NODE,
                "containers": [{"name": "web", "image": "web"}],
                "volumes": [{"name": "secrets", "csi": {"driver": DRIVER_NAME, "readOnly": true,
                    "volumeAttributes": {"secretProviderClass": CLASS}}}],
            },
        })
    };
    futures::stream::iter(0..count)
        .map(|number| async move {
            let made = api.cluster.try_create(&pod(number)).await?;
            Ok(made["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
        })
        .buffered(32)
        .try_collect()
        .await
}

async fn run(
    program: &Path,
    arguments: &[String],
    kubeconfig: &Path,
    directory: &Path,
    group: Option<&Cgroup>,
) -> anyhow::Result<(Process, Duration)> {
    let socket = socket(directory);
    // Flag and variable: the Go driver has both.
    let mut driver = Process::start(
        program,
        arguments,
        &[("KUBECONFIG", kubeconfig)],
        &directory.join("driver.log"),
        group,
    )?;
    let answer = driver.answers(async || {
        let mut client = IdentityClient::new(grpc::channel(&socket));
        client.get_plugin_info(GetPluginInfoRequest {}).await.ok().map(drop)
    });
    match answer.await {
        Ok(((), started)) => Ok((driver, started)),
        Err(error) => {
            let log = std::fs::read_to_string(directory.join("driver.log")).unwrap_or_default();
            let end: Vec<_> = log.lines().rev().take(5).collect();
            Err(error.context(format!("the driver: {}", end.join("\n"))))
        }
    }
}

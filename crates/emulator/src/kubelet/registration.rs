//! The registration handshake with one plug-in, and the CSINode object.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::{CSINode, CSINodeDriver, CSINodeSpec, VolumeNodeResources};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use keymount_proto::csi::{NodeGetInfoRequest, NodeGetInfoResponse};
use keymount_proto::registration::registration_client::RegistrationClient;
use keymount_proto::registration::{InfoRequest, PluginInfo, RegistrationStatus};
use kube::api::{Api, PostParams};
use tokio::net::UnixStream;
use tonic::transport::Channel;

use super::driver::{bounded, channel, request};
use super::{Driver, Kubelet, RegistrationError};

/// How long a plug-in may take for its info, and for the verdict.
const GET_INFO: Duration = Duration::from_secs(1);
const NOTIFY: Duration = Duration::from_secs(5);

/// Attempts at an update of CSINode that others write too.
const ATTEMPTS: u32 = 5;

/// A plug-in that has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its registration socket.
    pub socket: PathBuf,
    /// The driver behind it.
    pub driver: Driver,
}

impl Kubelet {
    /// Goes through the handshake with the plug-in behind a registration socket: its info, the checks, the
    /// node info of the driver, the CSINode object, the verdict.
    ///
    /// # Errors
    /// What went wrong; where a plug-in can be told, it has been.
    pub async fn register(&self, socket: &Path) -> Result<Registration, RegistrationError> {
        let dialled = UnixStream::connect(socket).await;
        dialled.map_err(|error| RegistrationError::Dial { socket: socket.to_owned(), error })?;
        let mut plugin = RegistrationClient::new(channel(socket));
        let info = bounded(GET_INFO, plugin.get_info(request(InfoRequest {}, GET_INFO)))
            .await
            .map_err(|status| RegistrationError::NoInfo { socket: socket.to_owned(), status })?;
        let refusal = check(&info, socket);
        if let Err(why) = refusal {
            notify(&mut plugin, socket, Some(&why)).await?;
            return Err(RegistrationError::Refused(why));
        }
        let mut driver =
            Driver { name: info.name.clone(), endpoint: endpoint(&info, socket), node_id: String::new() };
        let installed = match self.node_info(&driver).await {
            Ok(node) => {
                driver.node_id.clone_from(&node.node_id);
                self.add_to_node(&driver.name, &node).await
            }
            Err(why) => Err(why),
        };
        if let Err(why) = installed {
            let text = format!("RegisterPlugin error -- plugin registration failed with err: {why}");
            notify(&mut plugin, socket, Some(&text)).await?;
            return Err(RegistrationError::Failed(why));
        }
        // From here on volumes can be published, before the plug-in has even been told.
        self.0.drivers.send_modify(|drivers| {
            drivers.insert(driver.name.clone(), driver.clone());
        });
        notify(&mut plugin, socket, None).await?;
        Ok(Registration { socket: socket.to_owned(), driver })
    }

    /// Forgets a driver, as kubelet does when its registration socket is gone.
    pub async fn deregister(&self, name: &str) {
        self.0.drivers.send_modify(|drivers| {
            drivers.remove(name);
        });
        // Kubelet tries no harder: the object is put right at the next registration.
        let _ = self.edit_node(|drivers| drivers.retain(|driver| driver.name != name)).await;
    }

    async fn node_info(&self, driver: &Driver) -> Result<NodeGetInfoResponse, String> {
        let timeout = self.options().timeout;
        let mut node = driver.node();
        let call = node.node_get_info(request(NodeGetInfoRequest {}, timeout));
        bounded(timeout, call).await.map_err(|status| status.to_string())
    }

    async fn add_to_node(&self, name: &str, info: &NodeGetInfoResponse) -> Result<(), String> {
        let topology = info.accessible_topology.as_ref();
        let mut keys: Vec<String> =
            topology.iter().flat_map(|topology| topology.segments.keys().cloned()).collect();
        keys.sort();
        let count = i32::try_from(info.max_volumes_per_node).unwrap_or(i32::MAX);
        let entry = CSINodeDriver {
            name: name.to_owned(),
            node_id: info.node_id.clone(),
            topology_keys: (!keys.is_empty()).then_some(keys),
            allocatable: (count > 0).then_some(VolumeNodeResources { count: Some(count) }),
        };
        let edit = |drivers: &mut Vec<CSINodeDriver>| {
            if !drivers.contains(&entry) {
                drivers.retain(|driver| driver.name != name);
                drivers.push(entry.clone());
            }
        };
        self.edit_node(edit).await.map_err(|error| error.to_string())
    }

    /// Changes the drivers of this node's CSINode object, which is made when it is missing.
    async fn edit_node(&self, edit: impl Fn(&mut Vec<CSINodeDriver>)) -> kube::Result<()> {
        let node = &self.options().node;
        let nodes: Api<CSINode> = Api::all(self.options().client.clone());
        for attempt in 1.. {
            let found = nodes.get_opt(node).await?;
            let mut object = match &found {
                Some(object) => object.clone(),
                None => self.new_csi_node().await?,
            };
            edit(&mut object.spec.drivers);
            let written = match &found {
                Some(before) if *before == object => return Ok(()),
                Some(_) => nodes.replace(node, &PostParams::default(), &object).await,
                None => nodes.create(&PostParams::default(), &object).await,
            };
            match written {
                Err(kube::Error::Api(status)) if status.code == 409 && attempt < ATTEMPTS => {}
                written => return written.map(drop),
            }
        }
        Ok(())
    }

    /// A CSINode object that goes with the node, when there is one.
    async fn new_csi_node(&self) -> kube::Result<CSINode> {
        let name = &self.options().node;
        let node = Api::<Node>::all(self.options().client.clone()).get_opt(name).await?;
        let owner = |node: Node| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: name.clone(),
            uid: node.metadata.uid.unwrap_or_default(),
            ..OwnerReference::default()
        };
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            owner_references: node.map(|node| vec![owner(node)]),
            ..ObjectMeta::default()
        };
        Ok(CSINode { metadata, spec: CSINodeSpec { drivers: Vec::new() } })
    }
}

/// Where the driver listens; the registration socket itself when the plug-in does not say.
fn endpoint(info: &PluginInfo, socket: &Path) -> PathBuf {
    if info.endpoint.is_empty() { socket.to_owned() } else { PathBuf::from(&info.endpoint) }
}

/// Is this a CSI driver of a version that kubelet speaks?
fn check(info: &PluginInfo, socket: &Path) -> Result<(), String> {
    if info.r#type != "CSIPlugin" {
        let (kind, socket) = (&info.r#type, socket.display());
        return Err(format!(
            "RegisterPlugin error -- no handler registered for plugin type: {kind} at socket {socket}"
        ));
    }
    let one = |version: &String| {
        let version = version.trim_start_matches('v');
        version.split('.').next() == Some("1") && version.split('.').all(|part| part.parse::<u32>().is_ok())
    };
    if info.supported_versions.iter().any(one) {
        return Ok(());
    }
    let (name, endpoint) = (&info.name, endpoint(info, socket));
    let why = if info.supported_versions.is_empty() {
        "Plugin returned an empty list for supported versions".to_owned()
    } else {
        format!("None of the versions specified {:?} are supported", info.supported_versions)
    };
    Err(format!(
        "RegisterPlugin error -- plugin validation failed with err: validation failed for CSI Driver {name} at endpoint {}: {why}",
        endpoint.display()
    ))
}

async fn notify(
    plugin: &mut RegistrationClient<Channel>,
    socket: &Path,
    error: Option<&str>,
) -> Result<(), RegistrationError> {
    let status = RegistrationStatus {
        plugin_registered: error.is_none(),
        error: error.unwrap_or_default().to_owned(),
    };
    let call = plugin.notify_registration_status(request(status, NOTIFY));
    let answer = bounded(NOTIFY, call).await;
    answer.map(drop).map_err(|status| RegistrationError::Notify { socket: socket.to_owned(), status })
}

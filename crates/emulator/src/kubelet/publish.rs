//! Publishing and unpublishing, one volume at a time.

use std::collections::HashMap;
use std::path::Path;

use k8s_openapi::api::core::v1::{CSIVolumeSource, Pod, Secret};
use k8s_openapi::api::storage::v1::CSIDriver;
use keymount_proto::csi::node_service_capability::rpc::Type as Rpc;
use keymount_proto::csi::volume_capability::access_mode::Mode;
use keymount_proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use keymount_proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};
use kube::api::Api;
use kube::core::{ApiResource, DynamicObject};

use super::directory::{self, VolumeData};
use super::driver::{bounded, request};
use super::{Driver, Kubelet, MountError, UnmountError};

/// The key under which tokens travel.
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

/// The CSI volumes of a pod, by name.
pub(super) fn csi_volumes(pod: &Pod) -> Vec<(String, CSIVolumeSource)> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| Some((volume.name.clone(), volume.csi.clone()?))).collect()
}

impl Kubelet {
    /// Publishes all CSI volumes of a pod, for the first time or again, side by side.
    ///
    /// # Errors
    /// The name of the first volume that fails and what went wrong; the others are tried all the same.
    pub async fn publish(&self, pod: &Pod) -> Result<(), (String, MountError)> {
        let volumes = csi_volumes(pod).into_iter().map(|(volume, _)| volume);
        for (volume, result) in self.publish_each(pod, volumes.collect()).await {
            result.map_err(|error| (volume, error))?;
        }
        Ok(())
    }

    /// Publishes some volumes of a pod side by side, as kubelet does: each is an operation of its own.
    pub(super) async fn publish_each(
        &self,
        pod: &Pod,
        volumes: Vec<String>,
    ) -> Vec<(String, Result<(), MountError>)> {
        let one = |volume: String| async move {
            let result = self.publish_volume(pod, &volume).await;
            (volume, result)
        };
        futures::future::join_all(volumes.into_iter().map(one)).await
    }

    /// Publishes one CSI volume of a pod, for the first time or again. After a failure the directories are
    /// what they are on a node: removed when the driver has certainly given up and nothing is mounted.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn publish_volume(&self, pod: &Pod, volume: &str) -> Result<(), MountError> {
        let source = csi_volumes(pod).into_iter().find(|(name, _)| name == volume);
        let (_, source) = source.ok_or_else(|| MountError::NoVolume(volume.to_owned()))?;
        let driver =
            self.driver(&source.driver).ok_or_else(|| MountError::NotRegistered(source.driver.clone()))?;
        let uid = text(pod.metadata.uid.as_ref());
        let directory = directory::volume(self.root(), &uid, volume);
        let result = self.call_publish(pod, volume, &source, &driver, &directory).await;
        if let Err(error) = &result
            && error.is_final()
        {
            // What cannot be removed stays and is tried again, as on a node.
            let _ = directory::remove(&directory);
        }
        result
    }

    async fn call_publish(
        &self,
        pod: &Pod,
        volume: &str,
        source: &CSIVolumeSource,
        driver: &Driver,
        directory: &Path,
    ) -> Result<(), MountError> {
        let timeout = self.options().timeout;
        let uid = text(pod.metadata.uid.as_ref());
        let (object, tokens_in_secrets) = self.csi_driver(&source.driver).await?;
        let file = |error| MountError::File { path: directory.to_owned(), error };
        directory::make(directory).map_err(file)?;
        let mut secrets = self.secret_data(pod, source).await?;
        let mut context: HashMap<String, String> =
            source.volume_attributes.clone().unwrap_or_default().into_iter().collect();
        if object.spec.pod_info_on_mount == Some(true) {
            context.extend(pod_info(pod));
        }
        if let Some(tokens) = self.tokens_for(pod, &object).await? {
            if tokens_in_secrets { &mut secrets } else { &mut context }.insert(TOKENS.to_owned(), tokens);
        }
        let capabilities = driver.capabilities(timeout).await.map_err(|status| {
            MountError::NotReady(format!(
                "failed to determine the capabilities of the node service: {}",
                status.message()
            ))
        })?;
        let data = VolumeData::ephemeral(&uid, volume, &source.driver, &self.options().node);
        data.save(directory).map_err(file)?;
        let mut message = NodePublishVolumeRequest::default();
        message.volume_id = data.volume_handle;
        message.target_path = directory.join("mount").to_string_lossy().into_owned();
        message.readonly = source.read_only.unwrap_or(false);
        message.secrets = secrets;
        message.volume_context = context;
        message.volume_capability = Some(capability(pod, source, &capabilities));
        let mut node = driver.node();
        let call = node.node_publish_volume(request(message, timeout));
        bounded(timeout, call).await.map(drop).map_err(MountError::Driver)
    }

    /// The CSIDriver object, which must allow inline volumes, and whether tokens travel in the secrets:
    /// a field of Kubernetes 1.35 that the compiled-in type does not have.
    async fn csi_driver(&self, name: &str) -> Result<(CSIDriver, bool), MountError> {
        let not_ready = |error: &dyn std::fmt::Display| MountError::NotReady(error.to_string());
        let resource = ApiResource::erase::<CSIDriver>(&());
        let drivers: Api<DynamicObject> = Api::all_with(self.options().client.clone(), &resource);
        let found = drivers.get_opt(name).await.map_err(|error| not_ready(&error))?;
        let in_secrets =
            found.as_ref().is_some_and(|driver| driver.data["spec"]["serviceAccountTokenInSecrets"] == true);
        let found = found
            .map(DynamicObject::try_parse::<CSIDriver>)
            .transpose()
            .map_err(|error| not_ready(&error))?;
        let modes = found.as_ref().and_then(|driver| driver.spec.volume_lifecycle_modes.clone());
        let modes = modes.unwrap_or_else(|| vec!["Persistent".to_owned()]);
        match found {
            Some(driver) if modes.iter().any(|mode| mode == "Ephemeral") => Ok((driver, in_secrets)),
            found => {
                let why = if found.is_some() {
                    format!("only supports {modes:?}")
                } else {
                    "no CSIDriver object".to_owned()
                };
                let text = format!("volume mode \"Ephemeral\" not supported by driver {name} ({why})");
                Err(MountError::NotReady(text))
            }
        }
    }

    /// The data of `nodePublishSecretRef`.
    async fn secret_data(
        &self,
        pod: &Pod,
        source: &CSIVolumeSource,
    ) -> Result<HashMap<String, String>, MountError> {
        let Some(reference) = &source.node_publish_secret_ref else { return Ok(HashMap::new()) };
        let namespace = text(pod.metadata.namespace.as_ref());
        let secrets: Api<Secret> = Api::namespaced(self.options().client.clone(), &namespace);
        let secret = secrets.get(&reference.name).await.map_err(|error| {
            let name = &reference.name;
            MountError::NotReady(format!("fetching NodePublishSecretRef {namespace}/{name} failed: {error}"))
        })?;
        let entries = secret.data.unwrap_or_default().into_iter();
        Ok(entries.map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).collect())
    }

    /// Unpublishes a volume by what is on disk, the pod may be gone. Without a trace on disk it is done.
    ///
    /// # Errors
    /// What went wrong; kubelet tries again.
    pub async fn unpublish_volume(&self, pod_uid: &str, volume: &str) -> Result<(), UnmountError> {
        let directory = directory::volume(self.root(), pod_uid, volume);
        let data = match VolumeData::load(&directory) {
            Ok(data) => data,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return directory::remove(&directory)
                    .map_err(|(path, error)| UnmountError::File { path, error });
            }
            Err(error) => return Err(UnmountError::File { path: directory, error }),
        };
        let driver = self.driver(&data.driver_name).ok_or(UnmountError::NotRegistered(data.driver_name))?;
        let message = NodeUnpublishVolumeRequest {
            volume_id: data.volume_handle,
            target_path: directory.join("mount").to_string_lossy().into_owned(),
        };
        let timeout = self.options().timeout;
        let mut node = driver.node();
        bounded(timeout, node.node_unpublish_volume(request(message, timeout)))
            .await
            .map_err(UnmountError::Driver)?;
        directory::remove(&directory).map_err(|(path, error)| UnmountError::File { path, error })
    }

    /// Unpublishes all CSI volumes of a pod and removes its directories.
    ///
    /// # Errors
    /// The name of the first volume that fails and what went wrong; the others are tried all the same.
    pub async fn unpublish(&self, pod_uid: &str) -> Result<(), (String, UnmountError)> {
        let mut failure = None;
        for volume in directory::all(self.root()).remove(pod_uid).unwrap_or_default() {
            if let Err(error) = self.unpublish_volume(pod_uid, &volume).await {
                failure.get_or_insert((volume, error));
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        directory::remove_pod(self.root(), pod_uid);
        self.tokens().forget(pod_uid);
        Ok(())
    }
}

/// What `podInfoOnMount` adds.
fn pod_info(pod: &Pod) -> [(String, String); 5] {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_ref());
    [
        ("pod.name", text(pod.metadata.name.as_ref())),
        ("pod.namespace", text(pod.metadata.namespace.as_ref())),
        ("pod.uid", text(pod.metadata.uid.as_ref())),
        ("serviceAccount.name", text(account)),
        ("ephemeral", "true".to_owned()),
    ]
    .map(|(key, value)| (format!("csi.storage.k8s.io/{key}"), value))
}

/// How the volume is to be accessed.
fn capability(pod: &Pod, source: &CSIVolumeSource, capabilities: &[Rpc]) -> VolumeCapability {
    let group = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref()?.fs_group);
    let delegated = capabilities.contains(&Rpc::VolumeMountGroup);
    let mode = if capabilities.contains(&Rpc::SingleNodeMultiWriter) {
        Mode::SingleNodeMultiWriter
    } else {
        Mode::SingleNodeWriter
    };
    let mount = MountVolume {
        fs_type: text(source.fs_type.as_ref()),
        mount_flags: Vec::new(),
        volume_mount_group: group.filter(|_| delegated).map(|group| group.to_string()).unwrap_or_default(),
    };
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        access_type: Some(AccessType::Mount(mount)),
    }
}

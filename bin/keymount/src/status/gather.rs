//! From the cluster: status objects, and pods of which nobody tells anything.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{CSIVolumeSource, Pod};
use keymount_api::{DRIVER_NAME, SecretProviderClass, SecretProviderClassPodStatus, volume_context};
use keymount_clock::WallClock;
use kube::api::{Api, ListParams};

use super::secrets::secrets_of;
use super::view::VolumeView;
use crate::access::{Cluster, explain};

/// Objects per request.
const PAGE: u32 = 500;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// None means all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) pod: Option<String>,
    pub(crate) class: Option<String>,
    /// Whether Secrets are looked at.
    pub(crate) secrets: bool,
}

/// What was found.
pub(crate) struct Gathered {
    pub(crate) volumes: Vec<VolumeView>,
    /// What could not be looked at.
    pub(crate) notes: Vec<String>,
    /// When that was.
    pub(crate) now: Timestamp,
}

impl Query {
    pub(crate) async fn gather(&self, cluster: &Cluster) -> anyhow::Result<Gathered> {
        let mut notes = Vec::new();
        let statuses = all(&self.api::<SecretProviderClassPodStatus>(cluster), &ListParams::default())
            .await
            .map_err(|error| explain(&error, "list SecretProviderClassPodStatuses"))?;
        let mut volumes: Vec<_> =
            statuses.iter().map(VolumeView::of).filter(|volume| self.wants(volume)).collect();
        let pods = match &self.node {
            Some(node) => ListParams::default().fields(&format!("spec.nodeName={node}")),
            None => ListParams::default(),
        };
        match all(&self.api::<Pod>(cluster), &pods).await {
            Ok(pods) => self.add_untold(&mut volumes, &pods),
            Err(error) => notes.push(format!(
                "{}; pods without a status object are not shown",
                explain(&error, "list pods")
            )),
        }
        volumes.sort_by(|one, other| one.key().cmp(&other.key()));
        if self.secrets {
            notes.extend(self.add_secrets(cluster, &mut volumes).await);
        }
        Ok(Gathered { volumes, notes, now: WallClock::system().now() })
    }

    pub(crate) fn wants(&self, volume: &VolumeView) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        is(&self.pod, &volume.pod)
            && is(&self.class, &volume.class)
            && self.node.as_ref().is_none_or(|node| Some(node) == volume.node.as_ref())
    }

    pub(crate) fn api<K>(&self, cluster: &Cluster) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
            None => Api::all(cluster.client.clone()),
        }
    }

    fn add_untold(&self, volumes: &mut Vec<VolumeView>, pods: &[Pod]) {
        let mut known: BTreeSet<(String, String, String)> = volumes
            .iter()
            .map(|volume| (volume.namespace.clone(), volume.pod.clone(), volume.class.clone()))
            .collect();
        for pod in pods.iter().filter(|pod| is_alive(pod)) {
            let namespace = pod.metadata.namespace.clone().unwrap_or_default();
            let name = pod.metadata.name.clone().unwrap_or_default();
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
            for (_, source) in csi_volumes(pod) {
                let class = class_of(source);
                if known.insert((namespace.clone(), name.clone(), class.to_owned())) {
                    let volume = VolumeView::untold(&namespace, &name, class, node);
                    volumes.extend(self.wants(&volume).then_some(volume));
                }
            }
        }
    }

    /// What could not be looked at comes back.
    async fn add_secrets(&self, cluster: &Cluster, volumes: &mut [VolumeView]) -> Option<String> {
        let classes = match all(&self.api::<SecretProviderClass>(cluster), &ListParams::default()).await {
            Ok(classes) => classes,
            Err(error) => {
                return Some(format!(
                    "{}; Secrets are not shown",
                    explain(&error, "list SecretProviderClasses")
                ));
            }
        };
        let name = |class: &SecretProviderClass| {
            (
                class.metadata.namespace.clone().unwrap_or_default(),
                class.metadata.name.clone().unwrap_or_default(),
            )
        };
        let classes: BTreeMap<_, _> = classes.iter().map(|class| (name(class), class)).collect();
        let mut known = BTreeMap::new();
        for volume in volumes {
            let key = (volume.namespace.clone(), volume.class.clone());
            if !known.contains_key(&key) {
                let found = match classes.get(&key) {
                    Some(class) => secrets_of(&cluster.client, class).await,
                    None => Vec::new(),
                };
                known.insert(key.clone(), found);
            }
            volume.secrets = known.get(&key).cloned();
        }
        None
    }
}

/// All objects of a kind, page by page.
pub(crate) async fn all<K>(api: &Api<K>, parameters: &ListParams) -> kube::Result<Vec<K>>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let mut parameters = parameters.clone().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = api.list(&parameters).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// The volumes of a pod that this driver serves, with their names.
pub(crate) fn csi_volumes(pod: &Pod) -> impl Iterator<Item = (&str, &CSIVolumeSource)> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .filter_map(|volume| Some((volume.name.as_str(), volume.csi.as_ref()?)))
        .filter(|(_, source)| source.driver == DRIVER_NAME)
}

/// The class that a volume names; empty if it names none.
pub(crate) fn class_of(source: &CSIVolumeSource) -> &str {
    let attributes = source.volume_attributes.as_ref();
    attributes.and_then(|all| all.get(volume_context::CLASS)).map_or("", String::as_str)
}

fn is_alive(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

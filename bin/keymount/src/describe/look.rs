//! What the cluster says of a pod's volumes.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{CSIVolumeSource, Event, Pod};
use k8s_openapi::api::storage::v1::CSINode;
use keymount_api::{DRIVER_NAME, SecretProviderClass, SecretProviderClassPodStatus};
use keymount_catalogue::{Entry, recognise};
use keymount_clock::WallClock;
use keymount_lint::{Severity, Source};
use kube::api::{Api, ListParams};
use serde::Serialize;

use super::chain::{Finding, Link, Mark, Part, marks};
use crate::access::{Cluster, explain};
use crate::status::{Problem, SecretState, VolumeView, all, class_of, csi_volumes, secrets_of};

/// A pod and its volumes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    pub(crate) service_account: String,
    pub(crate) volumes: Vec<Volume>,
    /// What was said of the pod last: newest first.
    pub(crate) events: Vec<Said>,
    #[serde(skip)]
    pub(crate) now: Timestamp,
}

/// One volume.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) class: String,
    pub(crate) chain: Vec<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<VolumeView>,
    /// What lint says of the class and the pod.
    pub(crate) findings: Vec<Finding>,
    pub(crate) errors: Vec<Explained>,
}

/// An error, and what the catalogue says of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<String>,
    pub(crate) code: String,
    /// What was said: the whole text of an event, else the message of the condition.
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<&'static str>,
}

/// An event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Said {
    pub(crate) reason: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
    pub(crate) warning: bool,
}

impl Description {
    pub(crate) fn is_well(&self) -> bool {
        self.volumes
            .iter()
            .all(|volume| volume.errors.is_empty() && volume.chain.iter().all(|link| link.mark != Mark::Bad))
    }
}

pub(crate) async fn look(cluster: &Cluster, namespace: &str, name: &str) -> anyhow::Result<Description> {
    let client = &cluster.client;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod =
        pods.get(name).await.map_err(|error| explain(&error, &format!("read the pod {namespace}/{name}")))?;
    anyhow::ensure!(
        csi_volumes(&pod).next().is_some(),
        "the pod {namespace}/{name} mounts no SecretProviderClass"
    );
    let spec = pod.spec.as_ref();
    let node = spec.and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty());
    let statuses: Api<SecretProviderClassPodStatus> = Api::namespaced(client.clone(), namespace);
    let statuses = all(&statuses, &ListParams::default())
        .await
        .map_err(|error| explain(&error, "list SecretProviderClassPodStatuses"))?;
    let views: Vec<_> = statuses.iter().map(VolumeView::of).filter(|view| view.pod == name).collect();
    let events = events(cluster, &pod, namespace).await;
    let registered = match &node {
        Some(node) => registered(cluster, node).await,
        None => None,
    };
    let account = spec.and_then(|spec| spec.service_account_name.clone()).filter(|name| !name.is_empty());
    let account = account.unwrap_or_else(|| "default".to_owned());
    let mut volumes = Vec::new();
    for (volume, source) in csi_volumes(&pod) {
        let view = views.iter().find(|view| view.class == class_of(source)).cloned();
        let looked = Look {
            cluster,
            pod: &pod,
            namespace,
            account: &account,
            node: node.as_deref(),
            registered,
            events: &events,
        };
        volumes.push(looked.at(volume, source, view).await);
    }
    Ok(Description {
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
        phase: pod
            .status
            .as_ref()
            .and_then(|status| status.phase.clone())
            .unwrap_or_else(|| "Pending".to_owned()),
        node,
        service_account: account,
        volumes,
        events,
        now: WallClock::system().now(),
    })
}

/// What is the same for all volumes of a pod.
struct Look<'a> {
    cluster: &'a Cluster,
    pod: &'a Pod,
    namespace: &'a str,
    account: &'a str,
    node: Option<&'a str>,
    /// Whether the driver is registered on the node; none: that may not be looked at.
    registered: Option<bool>,
    events: &'a [Said],
}

impl Look<'_> {
    async fn at(&self, name: &str, source: &CSIVolumeSource, view: Option<VolumeView>) -> Volume {
        let class_name = class_of(source).to_owned();
        let classes: Api<SecretProviderClass> = Api::namespaced(self.cluster.client.clone(), self.namespace);
        let class = classes.get_opt(&class_name).await;
        let errors = self.errors(name, view.as_ref());
        let broken: Vec<_> =
            errors.iter().filter_map(|(_, entry, stops)| Some((entry.clone()?, *stops))).collect();
        let marks = marks(view.as_ref(), &broken);
        let mut texts = Vec::new();
        for (part, mark) in Part::ALL.into_iter().zip(marks) {
            texts.push(match part {
                Part::Class => self.class(&class, &class_name, mark).await,
                Part::Driver => self.driver(mark),
                Part::Identity => (mark, identity(&class, source, self.account)),
                Part::Vault => (mark, vault(&class)),
                Part::Content => (mark, content(view.as_ref())),
                Part::Secrets => self.secrets(&class, mark).await,
            });
        }
        let chain = Part::ALL.into_iter().zip(texts).map(|(part, (mark, text))| Link { part, mark, text });
        // A class that asks for no Secrets has no such part.
        let chain = chain.filter(|link| link.part != Part::Secrets || !link.text.is_empty()).collect();
        let findings = match &class {
            Ok(Some(class)) => findings(class, self.pod, self.namespace),
            _ => Vec::new(),
        };
        let errors = errors.into_iter().map(|(explained, ..)| explained).collect();
        Volume { name: name.to_owned(), class: class_name, chain, status: view, findings, errors }
    }

    /// What the conditions say, each with the text of the newest event that is about it; without conditions what the
    /// newest event says. The last of each is whether it keeps the volume from being mounted.
    fn errors(&self, volume: &str, view: Option<&VolumeView>) -> Vec<(Explained, Option<Entry>, bool)> {
        let of = |problem: &Problem| {
            let entry = keymount_catalogue::find(&problem.reason);
            let about = |said: &&Said| entry.is_some() && said.warning && recognise(&said.message) == entry;
            let told = self.events.iter().find(about);
            let text = told.map_or(&problem.message, |said| &said.message);
            let explained = explained(entry.as_ref(), &problem.reason, text, problem.since);
            (explained, entry, problem.condition == "Mounted")
        };
        let mut errors: Vec<_> = view.iter().flat_map(|view| &view.problems).map(of).collect();
        let untold = view.is_none_or(|view| view.problems.is_empty() && view.state.is_bad());
        // Kubelet names the volume in its own events.
        let about = |said: &&Said| {
            said.warning && said.reason == "FailedMount" && said.message.contains(&format!("\"{volume}\""))
        };
        if untold && let Some(said) = self.events.iter().find(about) {
            let entry = recognise(&said.message);
            let code = entry.as_ref().map_or("FailedMount", |entry| entry.code);
            errors.push((explained(entry.as_ref(), code, &said.message, said.at), entry, true));
        }
        errors
    }

    async fn class(
        &self,
        class: &kube::Result<Option<SecretProviderClass>>,
        name: &str,
        mark: Mark,
    ) -> (Mark, String) {
        match class {
            _ if name.is_empty() => {
                (Mark::Bad, "the volume names no class (set volumeAttributes.secretProviderClass)".to_owned())
            }
            Ok(Some(class)) => {
                let provider = match class.spec.provider.as_str() {
                    "" => "no provider",
                    provider => provider,
                };
                // It is there, whatever the driver has to say.
                let mark = if mark == Mark::Unknown { Mark::Good } else { mark };
                (mark, format!("{}/{name}, provider {provider}", self.namespace))
            }
            Ok(None) => {
                let elsewhere = match self.elsewhere(name).await.as_slice() {
                    [] => String::new(),
                    found => format!(
                        "; there is one in {}: a class serves pods of its own namespace",
                        found.join(", ")
                    ),
                };
                (Mark::Bad, format!("there is no class {}/{name}{elsewhere}", self.namespace))
            }
            Err(error) => {
                (mark, explain(error, &format!("read the class {}/{name}", self.namespace)).to_string())
            }
        }
    }

    /// Other namespaces that have a class of this name.
    async fn elsewhere(&self, name: &str) -> Vec<String> {
        let classes: Api<SecretProviderClass> = Api::all(self.cluster.client.clone());
        let found = all(&classes, &ListParams::default()).await.unwrap_or_default();
        let same = found.into_iter().filter(|class| class.metadata.name.as_deref() == Some(name));
        same.filter_map(|class| class.metadata.namespace).collect()
    }

    fn driver(&self, mark: Mark) -> (Mark, String) {
        match (self.node, self.registered) {
            (None, _) => (Mark::Unknown, "the pod has no node yet".to_owned()),
            (Some(node), Some(false)) => (
                Mark::Bad,
                format!("not registered on {node}: is its DaemonSet there, and does its pod run?"),
            ),
            (Some(node), Some(true)) => {
                (if mark == Mark::Unknown { Mark::Good } else { mark }, format!("registered on {node}"))
            }
            (Some(node), None) => (mark, format!("on {node}")),
        }
    }

    async fn secrets(&self, class: &kube::Result<Option<SecretProviderClass>>, mark: Mark) -> (Mark, String) {
        let Ok(Some(class)) = class else { return (mark, String::new()) };
        let found = secrets_of(&self.cluster.client, class).await;
        let word = |state| match state {
            SecretState::Synced => "synced",
            SecretState::Missing => "missing",
            SecretState::Foreign => "not made by this driver",
            SecretState::OtherClass => "made of another class",
            SecretState::Hidden => "not to be seen by you",
        };
        let lacks =
            found.iter().any(|secret| !matches!(secret.state, SecretState::Synced | SecretState::Hidden));
        let text: Vec<_> =
            found.iter().map(|secret| format!("{} ({})", secret.name, word(secret.state))).collect();
        (if lacks && mark == Mark::Good { Mark::Doubtful } else { mark }, text.join(", "))
    }
}

fn explained(entry: Option<&Entry>, code: &str, text: &str, since: Option<Timestamp>) -> Explained {
    Explained {
        number: entry.map(|entry| entry.id.to_string()),
        code: code.to_owned(),
        text: text.trim().to_owned(),
        since,
        cause: entry.map(|entry| entry.cause),
        remedy: entry.map(|entry| entry.remedy),
    }
}

/// Whether the node knows the driver.
async fn registered(cluster: &Cluster, node: &str) -> Option<bool> {
    let nodes: Api<CSINode> = Api::all(cluster.client.clone());
    let found = nodes.get_opt(node).await.ok()??;
    Some(found.spec.drivers.iter().any(|driver| driver.name == DRIVER_NAME))
}

/// Newest first.
async fn events(cluster: &Cluster, pod: &Pod, namespace: &str) -> Vec<Said> {
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), namespace);
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let parameters = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let found = all(&events, &parameters).await.unwrap_or_default();
    let at = |event: &Event| {
        let time = event.last_timestamp.as_ref().map(|time| time.0);
        time.or(event.event_time.as_ref().map(|time| time.0)).or(event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0))
    };
    let mut said: Vec<_> = found
        .iter()
        .map(|event| Said {
            reason: event.reason.clone().unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
            at: at(event),
            warning: event.type_.as_deref() == Some("Warning"),
        })
        .collect();
    said.sort_by_key(|said| std::cmp::Reverse(said.at));
    said
}

fn parameter<'a>(class: &'a SecretProviderClass, name: &str) -> &'a str {
    class.spec.parameters.get(name).map_or("", String::as_str)
}

/// How the class says who the pod is.
fn identity(
    class: &kube::Result<Option<SecretProviderClass>>,
    source: &CSIVolumeSource,
    account: &str,
) -> String {
    let Ok(Some(class)) = class else { return "said by the class".to_owned() };
    if class.spec.provider != "azure" {
        return format!("as the provider {} does it", class.spec.provider);
    }
    let on = |name: &str| matches!(parameter(class, name), "1" | "t" | "T" | "true" | "TRUE" | "True");
    let tenant = [parameter(class, "tenantID"), parameter(class, "tenantId")]
        .into_iter()
        .find(|tenant| !tenant.is_empty());
    let tenant = tenant.map_or_else(|| "no tenant".to_owned(), |tenant| format!("tenant {tenant}"));
    let client = parameter(class, "clientID");
    let secret = source.node_publish_secret_ref.as_ref().map(|secret| secret.name.as_str());
    if on("useVMManagedIdentity") {
        let id = match parameter(class, "userAssignedIdentityID") {
            "" => "the node's own".to_owned(),
            id => format!("client {id}"),
        };
        return format!("managed identity, {id}");
    }
    match (on("usePodIdentity"), on("useAzureTokenProxy"), client, secret) {
        (true, ..) => "pod identity (deprecated)".to_owned(),
        (_, true, client, _) => format!("identity binding, client {client}, {tenant}"),
        (.., "", Some(secret)) => format!("service principal of the Secret {secret}, {tenant}"),
        (.., "", None) => format!("none: no clientID, no nodePublishSecretRef, {tenant}"),
        (.., client, _) => {
            format!("workload identity of the service account {account}, client {client}, {tenant}")
        }
    }
}

fn vault(class: &kube::Result<Option<SecretProviderClass>>) -> String {
    let Ok(Some(class)) = class else { return "said by the class".to_owned() };
    let cloud = match parameter(class, "cloudName") {
        "" => String::new(),
        cloud => format!(" in {cloud}"),
    };
    match (class.spec.provider.as_str(), parameter(class, "keyvaultName")) {
        ("azure", "") => "no vault is named".to_owned(),
        ("azure", name) => format!("{name}{cloud}"),
        _ => "as the provider says".to_owned(),
    }
}

fn content(view: Option<&VolumeView>) -> String {
    let objects = view.map(|view| view.objects.as_slice()).unwrap_or_default();
    let one = |object: &keymount_api::ObjectVersion| format!("{} at {}", object.id, object.version);
    if objects.is_empty() {
        "nothing is mounted".to_owned()
    } else {
        objects.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// What lint says of the class and the pod that mounts it.
fn findings(class: &SecretProviderClass, pod: &Pod, namespace: &str) -> Vec<Finding> {
    let source = |name: &str, value: serde_json::Result<String>| {
        value.ok().map(|text| Source { name: name.to_owned(), text })
    };
    let sources: Vec<_> =
        [source("class", serde_json::to_string(class)), source("pod", serde_json::to_string(pod))]
            .into_iter()
            .flatten()
            .collect();
    let found = keymount_lint::lint(&sources, namespace).diagnostics.into_iter();
    let finding = |found: keymount_lint::Diagnostic| Finding {
        code: found.code,
        severity: found.severity,
        message: found.message,
        hint: found.hint,
    };
    let mut findings: Vec<_> = found.map(finding).collect();
    findings.sort_by_key(|found| found.severity != Severity::Error);
    findings
}

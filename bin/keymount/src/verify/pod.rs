//! The same in the cluster: a short-lived pod with the workload's service account.
//!
//! The pod gets the parameters of the class, and by projection what kubelet would send for it: tokens of its service account for the
//! audiences of the CSIDriver object, and the Secret of nodePublishSecretRef. Its service account needs no right at the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, LogParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::ask::Question;
use super::report::Step;
use super::{Attempt, Report};
use crate::access::{Cluster, explain};

/// Where the pod finds its tokens, and the Secret.
const TOKENS: &str = "/var/run/keymount/tokens";
const SECRET: &str = "/var/run/keymount/secret";
/// Variable with the attributes, as JSON without anything secret.
const ATTRIBUTES: &str = "KEYMOUNT_VERIFY_ATTRIBUTES";
/// Variable with the audiences of the tokens, as a JSON array.
const AUDIENCES: &str = "KEYMOUNT_VERIFY_AUDIENCES";
/// Annotation with certificates of authorities, by which a file of the pod gets them: no other object is needed for that.
const AUTHORITIES: &str = "keymount.io/verify-authorities";
/// For pulling the image and starting, beyond the attempt itself.
const START: Duration = Duration::from_secs(90);

pub(crate) struct Options<'a> {
    pub(crate) image: &'a str,
    pub(crate) node: Option<&'a str>,
    pub(crate) cloud_name: &'a str,
    /// PEM of authorities to trust.
    pub(crate) authorities: Option<&'a str>,
    pub(crate) environment: &'a [(String, String)],
    pub(crate) host_network: bool,
    pub(crate) timeout: Duration,
}

/// The image of this version.
pub(crate) fn default_image() -> String {
    format!("ghcr.io/keymount/keymount:{}", crate::keymount_version())
}

/// Makes the pod, waits for its end, reads what it says, deletes it.
pub(crate) async fn run(
    cluster: &Cluster,
    question: &Question,
    options: &Options<'_>,
) -> anyhow::Result<Report> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &question.namespace);
    let audiences = question.audiences(cluster).await;
    let pod: Pod = serde_json::from_value(manifest(question, options, &audiences))?;
    let made = pods.create(&PostParams::default(), &pod).await;
    let made = made.map_err(|error| explain(&error, &format!("make a pod in {}", question.namespace)))?;
    let name = made.metadata.name.context("the pod has no name")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        outcome = outcome(&pods, &name, options) => outcome,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("interrupted")),
    };
    let deleted = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
    if let Err(error) = deleted {
        crate::output::note(&format!("the pod {}/{name} is left behind: {error}", question.namespace));
    }
    Ok(Report::of(question, "the cluster", outcome?))
}

async fn outcome(pods: &Api<Pod>, name: &str, options: &Options<'_>) -> anyhow::Result<Vec<Step>> {
    let ended = |pod: Option<&Pod>| pod.is_none_or(|pod| matches!(phase(pod), "Succeeded" | "Failed"));
    let waiting = await_condition(pods.clone(), name, ended);
    match tokio::time::timeout(options.timeout + START, waiting).await {
        Ok(ended) => drop(ended?),
        Err(_) => {
            let why = pods.get(name).await.ok().and_then(|pod| why_not_started(&pod));
            bail!(
                "the pod {name} did not end in time: {}",
                why.unwrap_or_else(|| "`kubectl describe pod` says more".to_owned())
            );
        }
    }
    let said = pods.logs(name, &LogParams::default()).await.context("cannot read what the pod says")?;
    let line = said.lines().rev().find(|line| line.starts_with('['));
    let line = line.with_context(|| format!("the pod said nothing that can be read: {}", said.trim()))?;
    serde_json::from_str(line).context("the pod said nothing that can be read: is its image of this version?")
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// `ErrImagePull: …` or what the scheduler says.
fn why_not_started(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let waiting =
        status.container_statuses.iter().flatten().find_map(|status| status.state.as_ref()?.waiting.as_ref());
    if let Some(waiting) = waiting {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        return Some(format!("{}: {}", text(&waiting.reason), text(&waiting.message)));
    }
    status.conditions.iter().flatten().find_map(|condition| condition.message.clone())
}

/// The pod. It fits the restricted pod security standard, but for --host-network.
fn manifest(question: &Question, options: &Options<'_>, audiences: &[String]) -> Value {
    let token = |(number, audience): (usize, &String)| json!({"serviceAccountToken": {"audience": audience, "expirationSeconds": 600, "path": format!("token-{number}")}});
    let mut sources: Vec<_> = audiences.iter().enumerate().map(token).collect();
    let variable = |(name, value): &(String, String)| json!({"name": name, "value": value});
    let mut environment: Vec<_> = options.environment.iter().map(variable).collect();
    let mut annotations = json!({});
    if let Some(authorities) = options.authorities {
        annotations[AUTHORITIES] = authorities.into();
        let path = format!("metadata.annotations['{AUTHORITIES}']");
        sources
            .push(json!({"downwardAPI": {"items": [{"path": "ca.pem", "fieldRef": {"fieldPath": path}}]}}));
        environment.push(json!({"name": "SSL_CERT_FILE", "value": format!("{TOKENS}/ca.pem")}));
    }
    environment.push(json!({"name": ATTRIBUTES, "value": question.attributes(None).to_string()}));
    environment.push(json!({"name": AUDIENCES, "value": json!(audiences).to_string()}));
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    if !sources.is_empty() {
        volumes.push(json!({"name": "tokens", "projected": {"sources": sources}}));
        mounts.push(json!({"name": "tokens", "mountPath": TOKENS, "readOnly": true}));
    }
    if let Some(secret) = &question.secret {
        volumes.push(json!({"name": "secret", "secret": {"secretName": secret}}));
        mounts.push(json!({"name": "secret", "mountPath": SECRET, "readOnly": true}));
    }
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "keymount-verify-",
            "namespace": question.namespace,
            "annotations": annotations,
            "labels": {"app.kubernetes.io/name": "keymount-verify", "app.kubernetes.io/managed-by": "keymount"},
        },
        "spec": {
            "serviceAccountName": question.service_account,
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": (options.timeout + START).as_secs(),
            "hostNetwork": options.host_network,
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "volumes": volumes,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "verify",
                "image": options.image,
                "args": ["internal", "verify", "--timeout", options.timeout.as_secs().to_string(), "--cloud-name", options.cloud_name],
                "env": environment,
                "volumeMounts": mounts,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    });
    if let Some(node) = options.node {
        pod["spec"]["nodeName"] = node.into();
        // As DaemonSets do it: where the driver is, this may be.
        pod["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    }
    pod
}

/// Inside the pod: prints the steps as one line of JSON.
pub(crate) async fn inside(timeout: Duration, cloud_name: String) -> anyhow::Result<()> {
    let read = |name: &str| crate::internal::environment(name).with_context(|| format!("{name} is not set"));
    let mut attributes: Value = serde_json::from_str(&read(ATTRIBUTES)?)?;
    let audiences: Vec<String> = serde_json::from_str(&read(AUDIENCES)?)?;
    let mut tokens = json!({});
    for (number, audience) in audiences.iter().enumerate() {
        let path = format!("{TOKENS}/token-{number}");
        let token = std::fs::read_to_string(path).context("the token of the service account")?;
        tokens[audience] = json!({"token": token.trim()});
    }
    if !audiences.is_empty() {
        attributes[keymount_api::volume_context::TOKENS] = tokens.to_string().into();
    }
    let attempt = Attempt { attributes, secrets: secret()?, cloud_name };
    let steps: Vec<Step> = attempt.make(timeout).await?.into_iter().map(Step::from).collect();
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&steps)?)?;
    Ok(())
}

/// The mounted Secret as kubelet would send it; `null` if there is none.
fn secret() -> anyhow::Result<String> {
    let Ok(entries) = std::fs::read_dir(SECRET) else { return Ok("null".to_owned()) };
    let mut data = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            data.insert(name, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(json!(data).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_holds_no_token_and_fits_the_restricted_standard() {
        let question = Question {
            namespace: "shop".into(),
            class: "web".into(),
            service_account: "app".into(),
            secret: Some("credential".into()),
            parameters: [
                ("clientID".to_owned(), "c".to_owned()),
                ("csi.storage.k8s.io/x".to_owned(), "y".to_owned()),
            ]
            .into(),
        };
        let options = Options {
            image: "i:1",
            node: Some("node-1"),
            cloud_name: "AzurePublicCloud",
            authorities: Some("PEM"),
            environment: &[("HTTPS_PROXY".to_owned(), "http://proxy".to_owned())],
            host_network: false,
            timeout: Duration::from_secs(60),
        };
        let pod = manifest(&question, &options, &["one".to_owned(), "two".to_owned()]);
        assert!(serde_json::from_value::<Pod>(pod.clone()).is_ok());
        let text = pod.to_string();
        assert!(!text.contains("csi.storage.k8s.io/x") && !text.contains("serviceAccount.tokens"), "{text}");
        let container = &pod["spec"]["containers"][0]["securityContext"];
        assert_eq!(container["capabilities"]["drop"][0], "ALL");
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        assert_eq!(pod["spec"]["activeDeadlineSeconds"], 150);
        let sources = &pod["spec"]["volumes"][0]["projected"]["sources"];
        assert_eq!(sources[1]["serviceAccountToken"]["audience"], "two");
        let path = &sources[2]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"];
        assert_eq!(path, "metadata.annotations['keymount.io/verify-authorities']");
        assert_eq!(pod["metadata"]["annotations"][AUTHORITIES], "PEM");
        let names = pod["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["HTTPS_PROXY", "SSL_CERT_FILE", ATTRIBUTES, AUDIENCES]);
        // A class of the machine's identity needs no token, and then there is no such volume.
        let options = Options { authorities: None, environment: &[], ..options };
        let pod = manifest(&Question { secret: None, ..question }, &options, &[]);
        assert_eq!(pod["spec"]["volumes"], json!([]));
    }
}

//! What the API server says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use keymount_api::{DRIVER_NAME, GROUP, SecretProviderClass, SecretProviderClassPodStatus};
use keymount_clock::WallClock;
use keymount_lint::{Severity, Source};
use kube::Client;
use kube::api::{Api, ListParams};
use kube::client::Body;

use super::check::Checks;
use super::{rights, vaults};
use crate::access::{Cluster, explain};
use crate::output::age;
use crate::status::{State, VolumeView, all};

/// Entra takes tokens from clocks that are off by five minutes at most; kubelet and API server live by theirs.
const SKEW_BAD: i64 = 300;
const SKEW_DOUBTFUL: i64 = 10;

/// Labels `app` of the DaemonSets, as the charts and those of the Go stack have them.
const DRIVER_APPS: &[&str] = &["secrets-store-csi-driver"];
const PROVIDER_APPS: &[&str] =
    &["csi-secrets-store-provider-azure", "secrets-store-csi-driver-provider-azure"];

pub(super) async fn look(cluster: &Cluster, cloud: &str, checks: &mut Checks) -> anyhow::Result<()> {
    let client = &cluster.client;
    server(client, checks).await?;
    definitions(client, checks).await;
    csi_driver(client, checks).await;
    let account = daemon_sets(client, checks).await;
    nodes(client, checks).await;
    let classes = all(&Api::<SecretProviderClass>::all(client.clone()), &ListParams::default()).await;
    for class in classes.iter().flatten() {
        checks.hide("namespace", class.metadata.namespace.as_deref().unwrap_or_default());
        checks.hide("class", class.metadata.name.as_deref().unwrap_or_default());
    }
    rights::look(client, account, classes.as_deref().unwrap_or_default(), checks).await;
    volumes(client, checks).await;
    match classes {
        Ok(classes) => {
            lint(&classes, checks);
            vaults::look(&classes, cloud, checks).await;
        }
        Err(error) => checks.area("Classes").not_seen("classes", &error),
    }
    Ok(())
}

/// Version and clock. The one thing without which there is nothing to look at.
async fn server(client: &Client, checks: &mut Checks) -> anyhow::Result<()> {
    let mut area = checks.area("API server");
    let request = http::Request::get("/version").body(Body::empty())?;
    let before = WallClock::system().now();
    let answer = client.send(request).await.map_err(|error| explain(&error, "ask for its version"))?;
    let after = WallClock::system().now();
    let date = answer.headers().get(http::header::DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()).map(|zoned| zoned.timestamp());
    match client.apiserver_version().await {
        Ok(version) => area.good("version", version.git_version),
        Err(error) => area.not_seen("version", &error),
    }
    let Some(date) = date else {
        area.unknown("clock", "the API server does not tell the time");
        return Ok(());
    };
    match skew(date, before, after) {
        seconds if seconds.abs() >= SKEW_BAD => area.bad(
            "clock",
            format!("this machine's clock and the API server's differ by {seconds} s"),
            "set the clock by NTP: tokens are not valid yet, or not any more, for whoever has another time",
        ),
        seconds if seconds.abs() >= SKEW_DOUBTFUL => area.doubtful(
            "clock",
            format!("this machine's clock and the API server's differ by {seconds} s"),
            "set the clock by NTP",
        ),
        _ => area.good("clock", "the same as this machine's"),
    }
    Ok(())
}

/// By how many seconds the server's clock is ahead. Its `Date` has whole seconds, and was made between the two.
fn skew(date: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let (date, before, after) = (date.as_second(), before.as_second(), after.as_second());
    if date > after {
        date - after
    } else if date < before {
        date - before
    } else {
        0
    }
}

async fn definitions(client: &Client, checks: &mut Checks) {
    let mut area = checks.area("Definitions");
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for (name, plural) in [("classes", "secretproviderclasses"), ("states", "secretproviderclasspodstatuses")]
    {
        let found = match api.get_opt(&format!("{plural}.{GROUP}")).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                area.bad(
                    name,
                    format!("{plural}.{GROUP} is not there"),
                    "install the chart secrets-store-csi-crds",
                );
                continue;
            }
            Err(error) => {
                area.not_seen(name, &error);
                continue;
            }
        };
        let versions = &found.spec.versions;
        let served: Vec<_> =
            versions.iter().filter(|version| version.served).map(|version| version.name.as_str()).collect();
        let stored =
            versions.iter().find(|version| version.storage).map_or("none", |version| version.name.as_str());
        let text = format!("{plural} in {}, stored as {stored}", served.join(" and "));
        let schema =
            serde_json::to_value(versions.iter().find(|version| version.name == "v1")).unwrap_or_default();
        let schema = &schema["schema"]["openAPIV3Schema"]["properties"];
        let ours =
            plural == "secretproviderclasses" || schema["status"]["properties"]["conditions"].is_object();
        if !served.contains(&"v1") {
            area.bad(
                name,
                text,
                "install the chart secrets-store-csi-crds: nothing reads another version than v1",
            );
        } else if !ours {
            area.doubtful(
                name,
                format!("{text}, without conditions"),
                "install the chart secrets-store-csi-crds: with these definitions failures are in events and logs only",
            );
        } else {
            area.good(name, text);
        }
    }
}

async fn csi_driver(client: &Client, checks: &mut Checks) {
    let mut area = checks.area("CSIDriver object");
    let found = match Api::<CSIDriver>::all(client.clone()).get_opt(DRIVER_NAME).await {
        Ok(Some(found)) => found.spec,
        Ok(None) => {
            return area.bad(
                "object",
                format!("there is no CSIDriver {DRIVER_NAME}"),
                "install the driver's chart",
            );
        }
        Err(error) => return area.not_seen("object", &error),
    };
    area.good("object", DRIVER_NAME);
    if found.pod_info_on_mount == Some(true) {
        area.good("podInfoOnMount", "true");
    } else {
        area.bad(
            "podInfoOnMount",
            "not true",
            "set it: without it the driver does not know whose volume it mounts",
        );
    }
    let modes = found.volume_lifecycle_modes.unwrap_or_default();
    if modes.iter().any(|mode| mode == "Ephemeral") {
        area.good("volumeLifecycleModes", modes.join(", "));
    } else {
        area.bad(
            "volumeLifecycleModes",
            format!("{modes:?}"),
            "add Ephemeral: pods have these volumes inline",
        );
    }
    if found.attach_required == Some(false) {
        area.good("attachRequired", "false");
    } else {
        area.bad(
            "attachRequired",
            "not false",
            "set it to false: there is nothing to attach, kubelet would wait for it",
        );
    }
    match found.requires_republish {
        Some(true) => area.good("requiresRepublish", "true: kubelet brings new tokens"),
        _ => area.doubtful(
            "requiresRepublish",
            "not true",
            "rotation needs it (enableSecretRotation in the chart): tokens end after an hour",
        ),
    }
    let audiences: Vec<_> =
        found.token_requests.unwrap_or_default().into_iter().map(|request| request.audience).collect();
    if audiences.iter().any(|audience| audience == keymount_identity::WORKLOAD_IDENTITY_AUDIENCE) {
        area.good("tokenRequests", audiences.join(", "));
    } else {
        let text = if audiences.is_empty() { "none".to_owned() } else { audiences.join(", ") };
        area.doubtful(
            "tokenRequests",
            text,
            "workload identity needs the audience api://AzureADTokenExchange (tokenRequests in the driver's chart)",
        );
    }
}

/// Also the service account of the driver: namespace and name.
async fn daemon_sets(client: &Client, checks: &mut Checks) -> Option<(String, String)> {
    let found = match all(&Api::<DaemonSet>::all(client.clone()), &ListParams::default()).await {
        Ok(found) => found,
        Err(error) => {
            checks.area("DaemonSets").not_seen("driver", &error);
            return None;
        }
    };
    let mut account = None;
    for (name, apps, remedy) in [
        ("driver", DRIVER_APPS, "install the chart secrets-store-csi-driver"),
        ("provider azure", PROVIDER_APPS, "install the chart csi-secrets-store-provider-azure"),
    ] {
        let is_it = |set: &&DaemonSet| {
            let labels = set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref());
            let value = |key| {
                labels.and_then(|labels: &BTreeMap<String, String>| labels.get(key)).map(String::as_str)
            };
            apps.iter().any(|app| value("app") == Some(app) || value("app.kubernetes.io/name") == Some(app))
        };
        let sets: Vec<_> = found.iter().filter(is_it).collect();
        for set in &sets {
            checks.hide("namespace", set.metadata.namespace.as_deref().unwrap_or_default());
            for image in images_of(set) {
                checks.hide(
                    "registry",
                    image.split('/').next().filter(|host| is_private(host)).unwrap_or_default(),
                );
            }
        }
        let mut area = checks.area("DaemonSets");
        if sets.is_empty() {
            area.bad(name, "not found", remedy);
        }
        for set in sets {
            let status = set.status.clone().unwrap_or_default();
            let namespace = set.metadata.namespace.clone().unwrap_or_default();
            let text = format!(
                "{namespace}/{}: {} of {} ready, {}",
                set.metadata.name.as_deref().unwrap_or_default(),
                status.number_ready,
                status.desired_number_scheduled,
                images_of(set).into_iter().collect::<Vec<_>>().join(", ")
            );
            if status.number_ready < status.desired_number_scheduled {
                area.bad(
                    name,
                    text,
                    "look at its pods: `kubectl get pods -o wide` and `kubectl describe pod`",
                );
            } else if status.desired_number_scheduled == 0 {
                area.doubtful(
                    name,
                    text,
                    "it runs on no node: look at nodeSelector, affinity and tolerations",
                );
            } else {
                area.good(name, text);
            }
            let of =
                set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()?.service_account_name.clone());
            if name == "driver" {
                account = Some((namespace, of.unwrap_or_else(|| "default".to_owned())));
            }
        }
    }
    account
}

fn images_of(set: &DaemonSet) -> BTreeSet<&str> {
    let containers =
        set.spec.iter().flat_map(|spec| spec.template.spec.iter()).flat_map(|spec| &spec.containers);
    containers.filter_map(|container| container.image.as_deref()).collect()
}

/// Whether the host of an image is somebody's own registry.
fn is_private(host: &str) -> bool {
    host.contains('.')
        && !["ghcr.io", "registry.k8s.io", "mcr.microsoft.com", "docker.io", "quay.io"].contains(&host)
}

/// Nodes on which the driver is not registered.
async fn nodes(client: &Client, checks: &mut Checks) {
    let nodes = all(&Api::<Node>::all(client.clone()), &ListParams::default()).await;
    let csi_nodes = all(&Api::<CSINode>::all(client.clone()), &ListParams::default()).await;
    let (nodes, csi_nodes) = match (nodes, csi_nodes) {
        (Ok(nodes), Ok(csi_nodes)) => (nodes, csi_nodes),
        (Err(error), _) | (_, Err(error)) => return checks.area("Nodes").not_seen("registration", &error),
    };
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    for node in &nodes {
        checks.hide("node", &name(&node.metadata.name));
    }
    let has = |node: &CSINode| node.spec.drivers.iter().any(|driver| driver.name == DRIVER_NAME);
    let registered: BTreeSet<_> =
        csi_nodes.iter().filter(|node| has(node)).map(|node| name(&node.metadata.name)).collect();
    let linux = |node: &&Node| {
        node.metadata
            .labels
            .as_ref()
            .and_then(|all| all.get("kubernetes.io/os"))
            .is_none_or(|os| os == "linux")
    };
    let missing: Vec<_> = nodes
        .iter()
        .filter(linux)
        .map(|node| name(&node.metadata.name))
        .filter(|node| !registered.contains(node))
        .collect();
    let mut area = checks.area("Nodes");
    match missing.as_slice() {
        [] if nodes.is_empty() => area.unknown("registration", "there are no nodes"),
        [] => {
            let nodes = match registered.len() {
                1 => "the one node".to_owned(),
                many => format!("all {many} nodes"),
            };
            area.good("registration", format!("the driver is registered on {nodes}"));
        }
        missing => area.doubtful(
            "registration",
            format!("the driver is not registered on {}", missing.join(", ")),
            "pods there stay in ContainerCreating; look at the driver's pod on that node, or keep such pods away from it",
        ),
    }
    let mut kernels: BTreeMap<String, usize> = BTreeMap::new();
    for node in &nodes {
        let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
        if let Some(info) = info {
            let text = format!(
                "{} {}, kubelet {}",
                info.operating_system, info.kernel_version, info.kubelet_version
            );
            *kernels.entry(text).or_default() += 1;
        }
    }
    for (text, number) in kernels {
        area.good("versions", format!("{number} × {text}"));
    }
}

/// Volumes that fail for one reason.
#[derive(Default)]
struct Failing {
    number: usize,
    /// Since when the first of them does.
    since: Option<Timestamp>,
    remedy: Option<&'static str>,
}

/// How volumes are, by reason.
async fn volumes(client: &Client, checks: &mut Checks) {
    let found =
        match all(&Api::<SecretProviderClassPodStatus>::all(client.clone()), &ListParams::default()).await {
            Ok(found) => found,
            Err(error) => return checks.area("Volumes").not_seen("states", &error),
        };
    let now = WallClock::system().now();
    let mut area = checks.area("Volumes");
    let views: Vec<_> = found.iter().map(VolumeView::of).collect();
    let well = views.iter().filter(|view| view.state == State::Mounted).count();
    area.good("mounted", format!("{well} of {} as they should be", views.len()));
    let mut reasons = BTreeMap::<(&'static str, String), Failing>::new();
    for view in views.iter().filter(|view| view.state.is_bad()) {
        let problem = view.problems.first();
        let reason = problem.map_or_else(
            || "no reason is told".to_owned(),
            |problem| {
                format!(
                    "{}{}",
                    problem.number.as_ref().map_or_else(String::new, |number| format!("{number} ")),
                    problem.reason
                )
            },
        );
        let entry = reasons.entry((view.state.name(), reason)).or_default();
        entry.number += 1;
        let since = problem.and_then(|problem| problem.since);
        entry.since = entry.since.into_iter().chain(since).min();
        entry.remedy = problem.and_then(|problem| problem.remedy);
    }
    for ((state, reason), Failing { number, since, remedy }) in reasons {
        let since = since.map_or_else(String::new, |since| format!(", the oldest since {}", age(since, now)));
        let remedy = remedy.unwrap_or("`keymount status --problems` names the pods");
        area.bad("failing", format!("{number} × {state}, {reason}{since}"), remedy);
    }
}

/// Mistakes that `keymount lint` would tell.
fn lint(classes: &[SecretProviderClass], checks: &mut Checks) {
    let mut area = checks.area("Classes");
    let mut wrong = BTreeMap::new();
    for class in classes {
        let Ok(text) = serde_json::to_string(class) else { continue };
        let namespace = class.metadata.namespace.clone().unwrap_or_default();
        let name = class.metadata.name.clone().unwrap_or_default();
        let report = keymount_lint::lint(&[Source { name: name.clone(), text }], &namespace);
        for found in report.diagnostics {
            if found.severity == Severity::Error {
                wrong
                    .entry((found.code, found.hint))
                    .or_insert_with(Vec::new)
                    .push(format!("{namespace}/{name}"));
            }
        }
    }
    if wrong.is_empty() {
        area.good(
            "lint",
            format!(
                "{} {}, none with an error",
                classes.len(),
                if classes.len() == 1 { "class" } else { "classes" }
            ),
        );
    }
    for ((code, hint), classes) in wrong {
        area.bad("lint", format!("{code} in {}", classes.join(", ")), &hint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_between_the_two_readings_is_no_skew() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (date, before, after, seconds) in
            [(100, 100, 100, 0), (100, 99, 101, 0), (90, 100, 101, -10), (120, 100, 102, 18)]
        {
            assert_eq!(skew(at(date), at(before), at(after)), seconds);
        }
    }
}

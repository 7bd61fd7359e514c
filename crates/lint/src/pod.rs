//! Pods, and whatever makes pods.

use crate::cluster::{Mount, PodSpec, SecretUse};
use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::fields::check_keys;
use crate::manifest::Manifest;
use crate::place::Nesting;
use crate::rule::Rule;
use crate::yaml::{Kind, Node};

/// Name of the CSI driver.
const DRIVER: &str = "secrets-store.csi.k8s.io";

/// Checks a pod or a pod template. Gives what it has to do with classes; nothing if it mounts none.
pub(crate) fn check(manifest: &Manifest, namespace: &str, found: &mut Vec<Diagnostic>) -> Option<PodSpec> {
    let path: &[&str] = match manifest.kind() {
        "Pod" => &["spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "Job"
        | "ReplicationController"
        | "Rollout" => &["spec", "template", "spec"],
        _ => return None,
    };
    let spec = manifest.root.at(path)?;
    let mut pod = PodSpec {
        file: manifest.file,
        namespace: manifest.namespace(namespace).to_owned(),
        service_account: match spec.text_at(&["serviceAccountName"]) {
            "" => "default".to_owned(),
            name => name.to_owned(),
        },
        mounts: Vec::new(),
        secrets: secrets(spec),
    };
    for volume in spec.items_at(&["volumes"]) {
        let Some(csi) = volume.get("csi").filter(|csi| csi.text_at(&["driver"]) == DRIVER) else { continue };
        check_volume(manifest, csi, &mut pod, found);
        check_sub_paths(manifest, spec, volume.text_at(&["name"]), found);
    }
    (!pod.mounts.is_empty()).then_some(pod)
}

fn check_volume(manifest: &Manifest, csi: &Node, pod: &mut PodSpec, found: &mut Vec<Diagnostic>) {
    let attributes = csi.get("volumeAttributes");
    if let Some(attributes) = attributes {
        for (key, _) in attributes.entries() {
            let Some(name) = key.text() else { continue };
            if name != "secretProviderClass" && name.eq_ignore_ascii_case("secretProviderClass") {
                check_keys(
                    manifest,
                    attributes,
                    &Nesting::default(),
                    &["secretProviderClass"],
                    Rule::UnknownField,
                    found,
                );
            }
        }
    }
    match attributes.and_then(|attributes| attributes.get("secretProviderClass")) {
        Some(class) if class.text().is_some_and(|name| !name.is_empty()) => pod.mounts.push(Mount {
            class: class.text().unwrap_or_default().to_owned(),
            start: class.start,
            end: class.end,
        }),
        _ => {
            let place = attributes.or_else(|| csi.key("driver")).unwrap_or(csi);
            found.push(manifest.found(Severity::Error, Rule::ClassNotSet, place));
        }
    }
    match csi.get("readOnly") {
        Some(node) if node.text() == Some("true") => {}
        Some(node) => {
            let edit = Edit { start: node.start, end: node.end, text: "true".to_owned() };
            let told = manifest.found(Severity::Error, Rule::VolumeNotReadOnly, node);
            found.push(told.fixed("write readOnly: true", vec![edit]));
        }
        None => {
            let mut told =
                manifest.found(Severity::Error, Rule::VolumeNotReadOnly, csi.key("driver").unwrap_or(csi));
            if let (Some(key), Some(value)) = (csi.key("driver"), csi.get("driver"))
                && matches!(csi.kind, Kind::Mapping { block: true, .. })
            {
                let text = format!("\n{}readOnly: true", " ".repeat(key.start.column - 1));
                told =
                    told.fixed("add readOnly: true", vec![Edit { start: value.end, end: value.end, text }]);
            }
            found.push(told);
        }
    }
}

fn containers(spec: &Node) -> impl Iterator<Item = &Node> {
    ["initContainers", "containers"].into_iter().flat_map(|key| spec.items_at(&[key]))
}

/// A file mounted by subPath is the one of the moment the container started.
fn check_sub_paths(manifest: &Manifest, spec: &Node, volume: &str, found: &mut Vec<Diagnostic>) {
    for mount in containers(spec).flat_map(|container| container.items_at(&["volumeMounts"])) {
        let sub_path = mount.get("subPath").or_else(|| mount.get("subPathExpr"));
        if mount.text_at(&["name"]) == volume
            && let Some(node) = sub_path
        {
            found.push(manifest.found(Severity::Warning, Rule::SubPathNotUpdated, node));
        }
    }
}

/// Secrets that the pod's containers read, or that its images are pulled with.
fn secrets(spec: &Node) -> Vec<SecretUse> {
    let used = |node: Option<&Node>| {
        node.and_then(|node| {
            Some(SecretUse { name: node.text()?.to_owned(), start: node.start, end: node.end })
        })
    };
    let variables = containers(spec).flat_map(|container| container.items_at(&["env"]));
    let variables =
        variables.filter_map(|variable| used(variable.at(&["valueFrom", "secretKeyRef", "name"])));
    let sources = containers(spec).flat_map(|container| container.items_at(&["envFrom"]));
    let sources = sources.filter_map(|source| used(source.at(&["secretRef", "name"])));
    let volumes =
        spec.items_at(&["volumes"]).iter().filter_map(|volume| used(volume.at(&["secret", "secretName"])));
    variables.chain(sources).chain(volumes).collect()
}

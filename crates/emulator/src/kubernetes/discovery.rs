//! Discovery documents: which groups, versions and resources there are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resource::{Registry, ResourceType};

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// `/version`. The version is that of the API server the contract suite compares with.
pub(crate) fn version() -> Value {
    json!({
        "major": "1", "minor": "33", "gitVersion": "v1.33.13+keymount-emulator", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
    })
}

/// `/api`.
pub(crate) fn core_versions(address: &str) -> Value {
    let addresses = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]);
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})
}

/// The versions of every named group, newest first.
fn groups(registry: &Registry) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in registry.all().filter(|resource| !resource.group.is_empty()) {
        let versions = groups.entry(&resource.group).or_default();
        for version in &resource.versions {
            if !versions.contains(&version.name.as_str()) {
                versions.push(&version.name);
            }
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions[0]})
}

/// `/apis`.
pub(crate) fn group_list(registry: &Registry) -> Value {
    let groups: Vec<Value> =
        groups(registry).into_iter().map(|(name, versions)| group(name, &versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`.
pub(crate) fn one_group(registry: &Registry, name: &str) -> Option<Value> {
    let groups = groups(registry);
    let mut found = group(name, groups.get(name)?);
    found["kind"] = "APIGroup".into();
    found["apiVersion"] = "v1".into();
    Some(found)
}

/// `/api/v1` and `/apis/<group>/<version>`.
pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    if !registry.serves(group, version) {
        return None;
    }
    let mut resources = Vec::new();
    for resource in registry.all().filter(|resource| resource.group == group) {
        let Some(served) = resource.version(version) else { continue };
        resources.push(entry(resource, "", &VERBS));
        if served.status {
            resources.push(entry(resource, "/status", &["get", "patch", "update"]));
        }
        if resource.is("", "serviceaccounts") {
            let mut token = entry(resource, "/token", &["create"]);
            token["kind"] = "TokenRequest".into();
            token["group"] = "authentication.k8s.io".into();
            token["version"] = "v1".into();
            resources.push(token);
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}),
    )
}

fn entry(resource: &ResourceType, subresource: &str, verbs: &[&str]) -> Value {
    let review = crate::kubernetes::verbs::is_review(resource);
    let mut entry = json!({
        "name": format!("{}{subresource}", resource.plural),
        "singularName": if subresource.is_empty() { resource.singular.as_str() } else { "" },
        "namespaced": resource.namespaced, "kind": resource.kind, "verbs": if review { &["create"] } else { verbs },
    });
    if subresource.is_empty() && !resource.short_names.is_empty() {
        entry["shortNames"] = resource.short_names.clone().into();
    }
    entry
}

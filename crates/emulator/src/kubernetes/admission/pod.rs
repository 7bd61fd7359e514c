//! Pods: the defaults and rules that controllers and kubelet rely on. Nothing schedules or runs them.

use serde_json::{Map, Value, json};

use crate::kubernetes::object;
use crate::kubernetes::resource::ResourceType;
use crate::kubernetes::status::{Cause, Failure};
use crate::kubernetes::store::Store;

const FROZEN: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn spec_mut(pod: &mut Value) -> &mut Map<String, Value> {
    object::map_mut(object::map_mut(pod).entry("spec").or_insert(Value::Null))
}

/// The defaults that decoding fills in. Those of other admission plugins (tolerations, priority) are left out.
pub(super) fn default(pod: &mut Value) {
    let spec = spec_mut(pod);
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
        ("enableServiceLinks", json!(true)),
    ] {
        spec.entry(field).or_insert(value);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
            let tag =
                image.rsplit('/').next().unwrap_or_default().split_once(':').map_or("latest", |(_, tag)| tag);
            let policy = if tag == "latest" { "Always" } else { "IfNotPresent" };
            let container = object::map_mut(container);
            for (field, value) in [
                ("resources", json!({})),
                ("terminationMessagePath", json!("/dev/termination-log")),
                ("terminationMessagePolicy", json!("File")),
                ("imagePullPolicy", json!(policy)),
            ] {
                container.entry(field).or_insert(value);
            }
        }
    }
}

/// The service account, which must be there, and the first status.
pub(super) fn admit(store: &Store, resource: &ResourceType, pod: &mut Value) -> Result<(), Failure> {
    let namespace = object::namespace(pod).to_owned();
    let name = object::name(pod).to_owned();
    let spec = spec_mut(pod);
    let account =
        spec.get("serviceAccountName").and_then(Value::as_str).filter(|account| !account.is_empty());
    let account = account.unwrap_or("default").to_owned();
    spec.insert("serviceAccountName".to_owned(), account.clone().into());
    spec.insert("serviceAccount".to_owned(), account.clone().into());
    pod["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
    let accounts = store.registry.get("", "serviceaccounts").map(|accounts| accounts.key());
    if accounts.is_some_and(|accounts| store.get(&accounts, &(namespace.clone(), account.clone())).is_some())
    {
        return Ok(());
    }
    let why = format!(
        "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
    );
    Err(Failure::forbidden(resource, &name, &why))
}

/// What is wrong with the pod.
pub(super) fn validate(old: Option<&Value>, pod: &Value, causes: &mut Vec<Cause>) {
    if pod["spec"]["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.containers", ""));
    }
    if let Some(old) = old
        && frozen(old) != frozen(pod)
    {
        causes.push(Cause::forbidden("spec", FROZEN));
    }
}

/// The spec without what may change.
fn frozen(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            object::map_mut(container).remove("image");
        }
    }
    let map = object::map_mut(&mut spec);
    for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
        map.remove(field);
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_few_fields_change() {
        let pod = |image: &str, node: &str| json!({"spec": {"nodeName": node, "containers": [{"name": "c", "image": image}]}});
        let causes = |old: &Value, new: &Value| {
            let mut causes = Vec::new();
            validate(Some(old), new, &mut causes);
            causes.len()
        };
        assert_eq!(causes(&pod("a:1", "n"), &pod("a:2", "n")), 0);
        assert_eq!(causes(&pod("a:1", "n"), &pod("a:1", "m")), 1);
    }
}

//! Roles, ClusterRoles and their bindings, evaluated as `rbac.authorization.k8s.io/v1` describes them.
//! Aggregated ClusterRoles are not put together; rules for non-resource URLs are not needed.

use std::sync::Arc;

use serde_json::Value;

use super::auth::{User, resource_name};
use super::object;
use super::request::Request;
use super::store::Store;

/// What a user wants to do.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With `/subresource` when there is one.
    pub(crate) resource: String,
    /// Empty at the cluster scope.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Question {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            verb: request.verb.as_str().to_owned(),
            group: request.route.group.clone(),
            resource: resource_name(request),
            namespace: request.route.namespace.clone(),
            name: request.route.name.clone(),
        }
    }
}

const GROUP: &str = "rbac.authorization.k8s.io";

/// May the user do it?
pub(crate) fn allows(store: &Store, user: &User, question: &Question) -> bool {
    if user.groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    // Everyone may ask what they may do.
    if question.group == "authorization.k8s.io"
        && question.verb == "create"
        && question.resource.starts_with("self")
    {
        return true;
    }
    let bindings = |plural: &str| -> Vec<Arc<Value>> {
        let key = store.registry.get(GROUP, plural).map(|resource| resource.key());
        key.into_iter()
            .flat_map(|key| store.all(&key).map(|(_, object)| Arc::clone(object)).collect::<Vec<_>>())
            .collect()
    };
    let cluster = bindings("clusterrolebindings");
    let local = bindings("rolebindings")
        .into_iter()
        .filter(|binding| !question.namespace.is_empty() && object::namespace(binding) == question.namespace);
    cluster.into_iter().chain(local).filter(|binding| binds(binding, user)).any(|binding| {
        role(store, &binding).is_some_and(|role| {
            role["rules"].as_array().into_iter().flatten().any(|rule| permits(rule, question))
        })
    })
}

fn binds(binding: &Value, user: &User) -> bool {
    binding["subjects"].as_array().into_iter().flatten().any(|subject| {
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
        match text("kind") {
            "User" => text("name") == user.name,
            "Group" => user.groups.iter().any(|group| group == text("name")),
            "ServiceAccount" => user.name == User::service_account(text("namespace"), text("name")).name,
            _ => false,
        }
    })
}

/// The role a binding refers to.
fn role(store: &Store, binding: &Value) -> Option<Arc<Value>> {
    let kind = object::text(binding, &["roleRef", "kind"]);
    let name = object::text(binding, &["roleRef", "name"]).to_owned();
    let resource = store.registry.by_kind(GROUP, kind)?;
    let namespace = if resource.namespaced { object::namespace(binding).to_owned() } else { String::new() };
    store.get(&resource.key(), &(namespace, name)).cloned()
}

fn permits(rule: &Value, question: &Question) -> bool {
    let has = |field: &str, wanted: &str| {
        rule[field]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|entry| entry == "*" || entry == wanted)
    };
    let names = rule["resourceNames"].as_array().map(Vec::as_slice).unwrap_or_default();
    let subresource = question.resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    has("verbs", &question.verb)
        && has("apiGroups", &question.group)
        && (has("resources", &question.resource) || subresource.is_some_and(|any| has("resources", &any)))
        && (names.is_empty() || names.iter().any(|name| name.as_str() == Some(&question.name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::builtin;

    fn store() -> Store {
        let mut store = Store::new(builtin::registry(), 10);
        let mut put = |plural: &str, object: Value| {
            let resource = Arc::clone(store.registry.get(GROUP, plural).expect(plural));
            store.put(&resource, object);
        };
        put(
            "clusterroles",
            json!({"metadata": {"name": "reader"}, "rules": [
            {"apiGroups": [""], "resources": ["pods", "serviceaccounts/token"], "verbs": ["get"]},
            {"apiGroups": ["storage.k8s.io"], "resources": ["csidrivers"], "resourceNames": ["mine"], "verbs": ["*"]}]}),
        );
        put(
            "clusterrolebindings",
            json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "kube-system", "name": "driver"}]}),
        );
        put(
            "roles",
            json!({"metadata": {"namespace": "a", "name": "r"}, "rules": [
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
        );
        put(
            "rolebindings",
            json!({"metadata": {"namespace": "a", "name": "b"}, "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "Group", "name": "system:serviceaccounts"}]}),
        );
        store
    }

    #[test]
    fn rules_are_exact() {
        let store = store();
        let driver = User::service_account("kube-system", "driver");
        let asks = |user: &User, text: &str| {
            let parts: Vec<String> = text.split(' ').map(|part| part.trim_matches('_').to_owned()).collect();
            let [verb, group, resource, namespace, name] =
                <[String; 5]>::try_from(parts).expect("five words");
            allows(&store, user, &Question { verb, group, resource, namespace, name })
        };
        for yes in [
            "get _ pods a p",
            "get _ serviceaccounts/token a s",
            "patch storage.k8s.io csidrivers _ mine",
            "get _ secrets a s",
        ] {
            assert!(asks(&driver, yes), "{yes}");
        }
        for no in [
            "list _ pods a _",
            "get _ pods/status a p",
            "get storage.k8s.io csidrivers _ other",
            "get _ secrets b s",
        ] {
            assert!(!asks(&driver, no), "{no}");
            assert!(asks(&User::admin(), no));
        }
        assert!(!asks(&User::anonymous(), "get _ pods a p"));
    }
}

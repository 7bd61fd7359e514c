//! The compiled-in resources.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SubjectAccessReview};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::{Resource, api::discovery::v1::EndpointSlice};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::resource::{Nature, Registry, ResourceType, Version};

/// Reads the object as its type and writes it again: unknown fields are gone, wrong types fail.
fn typed<T: DeserializeOwned + Serialize>(object: Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(object)?)
}

/// As [`typed`], with the one field of a later version that our own driver's object has (1.35).
fn csi_driver(object: Value) -> Result<Value, serde_json::Error> {
    const LATER: &str = "serviceAccountTokenInSecrets";
    let in_secrets = object["spec"].get(LATER).filter(|value| value.is_boolean()).cloned();
    let mut object = typed::<CSIDriver>(object)?;
    if let Some(value) = in_secrets {
        object["spec"][LATER] = value;
    }
    Ok(object)
}

struct Row {
    plural: &'static str,
    short: &'static str,
    namespaced: bool,
    generation: bool,
    status: bool,
}

const fn namespaced(plural: &'static str, short: &'static str) -> Row {
    Row { plural, short, namespaced: true, generation: false, status: false }
}

const fn cluster(plural: &'static str, short: &'static str) -> Row {
    Row { plural, short, namespaced: false, generation: false, status: false }
}

const fn workload(plural: &'static str, short: &'static str) -> Row {
    Row { plural, short, namespaced: true, generation: true, status: true }
}

/// Adds the type `T` as it stands in the Kubernetes API.
fn add<T: Resource + DeserializeOwned + Serialize>(registry: &mut Registry, row: &Row) {
    add_with::<T>(registry, row, typed::<T>);
}

fn add_with<T: Resource>(
    registry: &mut Registry,
    row: &Row,
    typed: fn(Value) -> Result<Value, serde_json::Error>,
) {
    registry.add(ResourceType {
        group: T::GROUP.to_owned(),
        plural: row.plural.to_owned(),
        singular: T::KIND.to_lowercase(),
        kind: T::KIND.to_owned(),
        list_kind: format!("{}List", T::KIND),
        short_names: row.short.split_whitespace().map(str::to_owned).collect(),
        namespaced: row.namespaced,
        nature: Nature::Builtin { typed, generation: row.generation },
        versions: vec![Version {
            name: T::VERSION.to_owned(),
            storage: true,
            schema: None,
            status: row.status,
            deprecation: None,
        }],
    });
}

/// A registry with every compiled-in resource.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    let r = &mut registry;
    add::<Namespace>(r, &Row { status: true, ..cluster("namespaces", "ns") });
    add::<Node>(r, &Row { status: true, ..cluster("nodes", "no") });
    add::<Pod>(r, &Row { status: true, ..namespaced("pods", "po") });
    add::<Secret>(r, &namespaced("secrets", ""));
    add::<ConfigMap>(r, &namespaced("configmaps", "cm"));
    add::<Service>(r, &Row { status: true, ..namespaced("services", "svc") });
    add::<ServiceAccount>(r, &namespaced("serviceaccounts", "sa"));
    add::<Event>(r, &namespaced("events", "ev"));
    add_with::<CSIDriver>(r, &cluster("csidrivers", ""), csi_driver);
    add::<CSINode>(r, &cluster("csinodes", ""));
    add::<Deployment>(r, &workload("deployments", "deploy"));
    add::<ReplicaSet>(r, &workload("replicasets", "rs"));
    add::<StatefulSet>(r, &workload("statefulsets", "sts"));
    add::<DaemonSet>(r, &workload("daemonsets", "ds"));
    add::<Job>(r, &workload("jobs", ""));
    add::<Lease>(r, &namespaced("leases", ""));
    add::<EndpointSlice>(r, &namespaced("endpointslices", ""));
    add::<ClusterRole>(r, &cluster("clusterroles", ""));
    add::<ClusterRoleBinding>(r, &cluster("clusterrolebindings", ""));
    add::<Role>(r, &namespaced("roles", ""));
    add::<RoleBinding>(r, &namespaced("rolebindings", ""));
    let definitions =
        Row { generation: true, status: true, ..cluster("customresourcedefinitions", "crd crds") };
    add::<CustomResourceDefinition>(r, &definitions);
    add::<SelfSubjectAccessReview>(r, &cluster("selfsubjectaccessreviews", ""));
    add::<SubjectAccessReview>(r, &cluster("subjectaccessreviews", ""));
    registry
}

/// Reads a `TokenRequest`, which is a subresource and no resource of its own.
pub(crate) fn token_request(object: Value) -> Result<TokenRequest, serde_json::Error> {
    serde_json::from_value(object)
}

//! `SecretProviderClassPodStatus`: what one pod's volumes of one class hold, as the driver tells it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// State of one pod's volumes of one class. Written by the driver of the pod's node and never read by
/// it: namespace users can edit these objects (CVE-2020-8568).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SecretProviderClassPodStatus {
    /// Standard object metadata. The name is `<pod>-<namespace>-<class>`.
    pub metadata: ObjectMeta,
    /// What the driver has to tell.
    #[serde(default)]
    pub status: PodVolumeStatus,
}

/// What the driver tells of the volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodVolumeStatus {
    /// Name of the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod_name: String,
    /// Name of the class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub secret_provider_class_name: String,
    /// Whether the volume is mounted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mounted: bool,
    /// Path of the volume on the node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_path: String,
    /// Objects in the volume and their versions, sorted by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectVersion>,
    /// PEM certificates in the volume and when they expire, the first to expire first; at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateExpiry>,
    /// When the content was last fetched with success (RFC 3339). Moves when a condition or a version
    /// changes, not with every fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_success_time: Option<Time>,
    /// Conditions Mounted, RotationSucceeded and SecretsSynced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Identifier and version of one object of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ObjectVersion {
    /// Identifier as the provider names it, for instance secret/db-password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Version in the store.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// A file with a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateExpiry {
    /// Path of the file below the volume's root.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// When its certificate expires (RFC 3339): the leaf's notAfter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub not_after: Option<Time>,
}

/// One condition, in the form Kubernetes conditions have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Name of the condition.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub type_: String,
    /// True, False or Unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Stable reason from the error catalogue, in CamelCase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Short text for people. Names no vault host, object id or client address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the status last changed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_transition_time: Option<Time>,
}

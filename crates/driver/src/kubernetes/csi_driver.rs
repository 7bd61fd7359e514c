//! The driver's own CSIDriver object: what it lets kubelet send.

use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::{Client, Resource};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Named, NamedError};
use crate::attributes::TokenPolicy;

/// The fields of `storage.k8s.io/v1 CSIDriver` that matter here; one of them is newer than the typed
/// API this is built with.
#[derive(Clone, Debug, Deserialize)]
struct CsiDriver {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    pod_info_on_mount: Option<bool>,
    token_requests: Vec<TokenRequest>,
    service_account_token_in_secrets: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TokenRequest {
    audience: String,
    expiration_seconds: Option<i64>,
}

/// A token that pods of this driver get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestedToken {
    /// For whom it is; empty for the API server.
    pub(crate) audience: String,
    /// How long it shall live; none leaves it to the API server.
    pub(crate) life: Option<SignedDuration>,
}

impl From<&TokenRequest> for RequestedToken {
    fn from(request: &TokenRequest) -> Self {
        let life = request.expiration_seconds.map(SignedDuration::from_secs);
        Self { audience: request.audience.clone(), life }
    }
}

impl Resource for CsiDriver {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "CSIDriver".into()
    }
    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "storage.k8s.io".into()
    }
    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1".into()
    }
    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "csidrivers".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Follows the CSIDriver object by name.
pub(crate) struct CsiDriverWatch(Named<CsiDriver>);

/// How long a mount waits for an answer about the object.
const PATIENCE: Duration = Duration::from_secs(10);

impl CsiDriverWatch {
    /// Starts reading the object of this driver.
    #[must_use]
    pub(crate) fn start(client: Client, driver_name: &str) -> Self {
        Self(Named::start(Api::all(client), driver_name.to_owned(), || {}))
    }

    /// Which tokens may be passed on.
    ///
    /// Without the object no kubelet mounts inline volumes through this driver, so the caller is an
    /// administrator and is trusted.
    ///
    /// # Errors
    /// The object could not be read: what kubelet may send is not known.
    pub(crate) async fn token_policy(&self, deadline: Instant) -> Result<TokenPolicy, NamedError> {
        match self.0.get(deadline.min(Instant::now() + PATIENCE)).await {
            Ok(object) => Ok(TokenPolicy {
                audiences: Some(object.spec.token_requests.iter().map(|r| r.audience.clone()).collect()),
                in_secrets: object.spec.service_account_token_in_secrets.unwrap_or_default(),
            }),
            Err(NamedError::NotFound(_)) => Ok(TokenPolicy::default()),
            Err(error) => Err(error),
        }
    }

    /// The tokens that pods of this driver get; none without the object.
    ///
    /// # Errors
    /// The object could not be read.
    pub(crate) async fn token_requests(&self, deadline: Instant) -> Result<Vec<RequestedToken>, NamedError> {
        match self.0.get(deadline.min(Instant::now() + PATIENCE)).await {
            Ok(object) => Ok(object.spec.token_requests.iter().map(RequestedToken::from).collect()),
            Err(NamedError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Whether the object is known to keep kubelet from telling whose pod it is: then what a request says
    /// about the pod is the tenant's own word.
    #[must_use]
    pub(crate) fn withholds_pod_info(&self) -> bool {
        matches!(self.0.known(), Some(Ok(object)) if !object.spec.pod_info_on_mount.unwrap_or_default())
    }
}

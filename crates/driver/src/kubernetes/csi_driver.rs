//! The driver's own CSIDriver object: what it lets kubelet send.

use std::time::Duration;

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
    token_requests: Vec<TokenRequest>,
    service_account_token_in_secrets: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TokenRequest {
    audience: String,
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

/// How long a mount waits for the first answer about the object.
const PATIENCE: Duration = Duration::from_secs(10);

impl CsiDriverWatch {
    /// Starts reading the object of this driver.
    #[must_use]
    pub(crate) fn start(client: Client, driver_name: &str) -> Self {
        Self(Named::start(Api::all(client), driver_name.to_owned(), |_| {}))
    }

    /// Which tokens may be passed on.
    ///
    /// Without the object no kubelet mounts inline volumes through this driver, so the caller is an
    /// administrator and is trusted. While it cannot be read, nothing is passed on.
    pub(crate) async fn token_policy(&self, deadline: Instant) -> TokenPolicy {
        let known = match self.0.known() {
            Some(known) => known,
            None => self.0.get(deadline.min(Instant::now() + PATIENCE)).await,
        };
        match known {
            Ok(object) => TokenPolicy {
                audiences: Some(object.spec.token_requests.iter().map(|r| r.audience.clone()).collect()),
                in_secrets: object.spec.service_account_token_in_secrets.unwrap_or_default(),
            },
            Err(NamedError::NotFound(_)) => TokenPolicy::default(),
            Err(error) => {
                tracing::warn!(err = %error, "cannot read the CSIDriver object, passing no tokens on to providers");
                TokenPolicy { audiences: Some(Vec::new()), in_secrets: false }
            }
        }
    }
}

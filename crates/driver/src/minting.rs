//! Tokens and secrets for rotations where kubelet does not call again (no `requiresRepublish`).
//!
//! Off unless the operator asks for it: the right to create tokens of service accounts is the right to be
//! any of them. Driver versions up to 1.5 worked this way: the token is bound to the pod, made when the last
//! fifth of its predecessor's life begins, and the Secret of nodePublishSecretRef is read by name.

mod pod;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use keymount_api::volume_context;
use keymount_clock::WallClock;
use keymount_sensitive::{SecretString, Sensitive};
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Map, json};
use zeroize::Zeroize as _;

pub(crate) use pod::PodVolume;

use crate::attributes::expiry;
use crate::error::reason;
use crate::kubernetes::{NamedError, RequestedToken, api_error, is_object_name};
use crate::request::{PodRef, PublishRequest, SecretEntries, SecretMap};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Life of a token for which the CSIDriver object states none.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// No token is used for longer.
const LONGEST_USE: SignedDuration = SignedDuration::from_hours(24);

/// Makes requests up to date.
pub(crate) struct Minting {
    client: Client,
    driver_name: String,
    clock: WallClock,
}

/// Why a request could not be made up to date. Texts begin as those of driver v1.5.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    /// The pod has finished, is being deleted, or is another one.
    #[error("the pod is gone")]
    PodGone,
    /// The pod could not be read.
    #[error("failed to get pod {pod}, err: {why}")]
    Pod {
        /// The pod.
        pod: PodRef,
        /// What the API server said.
        why: String,
    },
    /// The pod has no such volume.
    #[error("could not find secret provider class pod status volume for pod {0}")]
    VolumeNotFound(PodRef),
    /// The Secret of nodePublishSecretRef could not be read.
    #[error("failed to get node publish secret {namespace}/{secret}, err: {why}")]
    Secret {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the Secret.
        secret: String,
        /// What the API server said.
        why: String,
    },
    /// No token could be made.
    #[error(
        "failed to create a token of service account {namespace}/{account}, err: {why} \
         (the driver needs the right to create serviceaccounts/token)"
    )]
    Token {
        /// Namespace of the pod.
        namespace: String,
        /// Name of the service account.
        account: String,
        /// What the API server said.
        why: String,
    },
    /// Nobody knows which tokens are wanted.
    #[error(
        "failed to get the CSIDriver object, which says which service account tokens are wanted, error: {0}"
    )]
    CsiDriver(NamedError),
}

impl MintError {
    /// Metric reason, as driver v1.5 has it.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::PodGone | Self::Pod { .. } => reason::POD_NOT_FOUND,
            Self::VolumeNotFound(_) => reason::POD_VOLUME_NOT_FOUND,
            Self::Secret { .. } => reason::NODE_PUBLISH_SECRET_REF_NOT_FOUND,
            Self::Token { .. } | Self::CsiDriver(_) => reason::FAILED_TO_ROTATE,
        }
    }

    /// Reason of the status condition.
    pub(crate) const fn condition(&self) -> &'static str {
        match self {
            Self::PodGone | Self::Pod { .. } | Self::VolumeNotFound(_) => "PodNotReadable",
            Self::Secret { .. } => "NodePublishSecretNotReadable",
            Self::Token { .. } => "TokenNotCreated",
            Self::CsiDriver(_) => "CsiDriverNotReadable",
        }
    }
}

impl Minting {
    /// For pods that mount volumes of the CSI driver of this name.
    #[must_use]
    pub(crate) const fn new(client: Client, driver_name: String, clock: WallClock) -> Self {
        Self { client, driver_name, clock }
    }

    /// The request with new tokens if the old ones are about to expire, and with the Secret of
    /// nodePublishSecretRef as it is now if there is one. `pod_volume` is what is known of the pod.
    ///
    /// # Errors
    /// [`MintError`]; the old request is still what it was.
    pub(crate) async fn renew(
        &self,
        old: &Arc<PublishRequest>,
        pod_volume: Option<Arc<PodVolume>>,
        wanted: impl Future<Output = Result<Vec<RequestedToken>, NamedError>>,
    ) -> Result<(Arc<PublishRequest>, Option<Arc<PodVolume>>), MintError> {
        let wanted = wanted.await.map_err(MintError::CsiDriver)?;
        let fresh = self.are_fresh(old, &wanted);
        if fresh && old.secrets.is_none() {
            return Ok((Arc::clone(old), pod_volume));
        }
        let pod_volume = match pod_volume {
            Some(known) => known,
            None => Arc::new(self.pod_volume(&old.pod, &old.target).await?),
        };
        let tokens = match fresh {
            true => None,
            false => Some(self.tokens(&old.pod, &pod_volume.service_account, &wanted).await?),
        };
        let secrets = self.secrets(&old.pod.namespace, pod_volume.secret.as_deref()).await?;
        Ok((Arc::new(old.renewed(tokens, secrets)), Some(pod_volume)))
    }

    /// The whole request for a volume of which only the pod is known.
    ///
    /// # Errors
    /// [`MintError`].
    pub(crate) async fn request(
        &self,
        pod: &PodRef,
        target: &std::path::Path,
    ) -> Result<(Arc<PublishRequest>, Arc<PodVolume>), MintError> {
        let volume = self.pod_volume(pod, target).await?;
        let mut context = volume.attributes.clone();
        context.retain(|key, _| !key.starts_with(volume_context::RESERVED_PREFIX));
        for (key, value) in [
            (volume_context::POD_NAME, pod.name.as_str()),
            (volume_context::POD_NAMESPACE, &pod.namespace),
            (volume_context::POD_UID, &pod.uid),
            (volume_context::SERVICE_ACCOUNT, &volume.service_account),
            (volume_context::EPHEMERAL, "true"),
        ] {
            context.insert(key.to_owned(), value.to_owned());
        }
        let request = PublishRequest {
            target: target.to_owned(),
            pod: pod.clone(),
            class: context.get(volume_context::CLASS).cloned().unwrap_or_default(),
            context,
            context_tokens: None,
            secret_tokens: None,
            // Read when it is needed; that there is one is known by this.
            secrets: volume.secret.is_some().then(|| SecretMap::new(SecretEntries::default())),
            readonly: true,
            group: volume.group,
        };
        Ok((Arc::new(request), Arc::new(volume)))
    }

    /// Whether the tokens of the request last for a while, or none are wanted.
    fn are_fresh(&self, request: &PublishRequest, wanted: &[RequestedToken]) -> bool {
        let tokens = request.secret_tokens.as_ref().or(request.context_tokens.as_ref());
        wanted.iter().all(|wanted| {
            let expires = tokens.and_then(|tokens| expiry(tokens.expose(), &wanted.audience));
            expires.is_some_and(|expires| self.clock.now() < renewal(expires, wanted.life))
        })
    }

    async fn tokens(
        &self,
        pod: &PodRef,
        account: &str,
        wanted: &[RequestedToken],
    ) -> Result<SecretString, MintError> {
        let failed = |why: String| MintError::Token {
            namespace: pod.namespace.clone(),
            account: account.to_owned(),
            why,
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &pod.namespace);
        let mut all = Map::new();
        for wanted in wanted {
            let request = TokenRequest {
                spec: TokenRequestSpec {
                    audiences: Some(wanted.audience.clone()).filter(|a| !a.is_empty()).into_iter().collect(),
                    bound_object_ref: Some(BoundObjectReference {
                        api_version: Some("v1".to_owned()),
                        kind: Some("Pod".to_owned()),
                        name: Some(pod.name.clone()),
                        uid: Some(pod.uid.clone()),
                    }),
                    expiration_seconds: wanted.life.map(|life| life.as_secs()),
                },
                ..TokenRequest::default()
            };
            let parameters = PostParams::default();
            let made = accounts.create_token_request(account, &parameters, &request);
            let made = match tokio::time::timeout(TIMEOUT, made).await {
                Ok(Ok(made)) => made,
                // The pod to which it should be bound, or the account, is not there any more.
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Err(MintError::PodGone),
                Ok(Err(error)) => return Err(failed(api_error(&error))),
                Err(_) => return Err(failed("the Kubernetes API did not answer in time".to_owned())),
            };
            let Some(mut status) = made.status else {
                return Err(failed("the answer has no token".to_owned()));
            };
            let token = json!({
                "token": std::mem::take(&mut status.token),
                "expirationTimestamp": status.expiration_timestamp,
            });
            all.insert(wanted.audience.clone(), token);
        }
        let mut value = serde_json::Value::Object(all);
        let text = value.to_string();
        crate::attributes::erase(&mut value);
        Ok(Sensitive::new(text))
    }

    async fn secrets(&self, namespace: &str, name: Option<&str>) -> Result<Option<SecretMap>, MintError> {
        let Some(name) = name else { return Ok(None) };
        let failed =
            |why: String| MintError::Secret { namespace: namespace.to_owned(), secret: name.to_owned(), why };
        if !is_object_name(name) {
            return Err(failed(format!("secrets {name:?} not found")));
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let mut secret = match tokio::time::timeout(TIMEOUT, secrets.get(name)).await {
            Ok(secret) => secret.map_err(|error| failed(api_error(&error)))?,
            Err(_) => return Err(failed("the Kubernetes API did not answer in time".to_owned())),
        };
        let mut entries = BTreeMap::new();
        for (key, mut value) in secret.data.take().unwrap_or_default() {
            // As kubelet does: a value is text, whatever it is.
            entries.insert(key, String::from_utf8_lossy(&value.0).into_owned());
            value.0.zeroize();
        }
        Ok(Some(SecretMap::new(SecretEntries(entries))))
    }
}

/// When a token is to be replaced: at the beginning of the last fifth of its life, and after a day at most.
fn renewal(expires: Timestamp, life: Option<SignedDuration>) -> Timestamp {
    let life = life.unwrap_or(LIFE);
    let before = (life / 5).max(life - LONGEST_USE);
    expires.checked_sub(before).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced_in_the_last_fifth_of_their_life_and_after_a_day() {
        let expires: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (hours, expected) in [
            (None, "2026-11-24T11:48:00Z"),
            (Some(10), "2026-11-24T10:00:00Z"),
            (Some(48), "2026-11-23T12:00:00Z"),
        ] {
            let at = renewal(expires, hours.map(SignedDuration::from_hours));
            assert_eq!(at.to_string(), expected, "{hours:?}");
        }
    }
}

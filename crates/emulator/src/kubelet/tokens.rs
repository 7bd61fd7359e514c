//! Tokens of service accounts for drivers, kept as kubelet's token manager keeps them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{Api, PostParams};
use serde_json::{Map, Value, json};

use super::{Kubelet, MountError};

/// A token is renewed at the latest when it is this old.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// Namespace, service account, pod uid, audience, seconds asked for.
type Key = (String, String, String, String, Option<i64>);

struct Kept {
    token: String,
    issued: Timestamp,
    expires: Timestamp,
}

impl Kept {
    /// Older than 80 % of its life, or than a day.
    fn is_stale(&self, now: Timestamp) -> bool {
        let life = self.expires.duration_since(self.issued);
        let age = now.duration_since(self.issued);
        age > OLDEST || age.as_secs() * 5 > life.as_secs() * 4
    }
}

/// The tokens of one kubelet.
#[derive(Default)]
pub(super) struct Tokens(BTreeMap<Key, Kept>);

impl Tokens {
    /// Forgets the tokens of a pod.
    pub(super) fn forget(&mut self, pod_uid: &str) {
        self.0.retain(|key, _| key.2 != pod_uid);
    }
}

impl Kubelet {
    /// The tokens a driver asks for: JSON from audience to token and expiry; `None` when it asks for none.
    pub(super) async fn tokens_for(
        &self,
        pod: &Pod,
        driver: &CSIDriver,
    ) -> Result<Option<String>, MountError> {
        let requests = driver.spec.token_requests.clone().unwrap_or_default();
        if requests.is_empty() {
            return Ok(None);
        }
        let mut tokens = Map::new();
        for request in requests {
            let (token, expires) = self.token(pod, &request.audience, request.expiration_seconds).await?;
            let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            tokens.insert(request.audience, json!({"token": token, "expirationTimestamp": expires}));
        }
        Ok(Some(Value::Object(tokens).to_string()))
    }

    async fn token(
        &self,
        pod: &Pod,
        audience: &str,
        seconds: Option<i64>,
    ) -> Result<(String, Timestamp), MountError> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let namespace = text(&pod.metadata.namespace);
        let account =
            pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_default();
        let key = (namespace.clone(), account.clone(), text(&pod.metadata.uid), audience.to_owned(), seconds);
        let now = self.options().clock.now();
        let kept =
            self.tokens().0.get(&key).map(|kept| (kept.token.clone(), kept.expires, kept.is_stale(now)));
        if let Some((token, expires, false)) = kept {
            return Ok((token, expires));
        }
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: if audience.is_empty() { Vec::new() } else { vec![audience.to_owned()] },
                expiration_seconds: seconds,
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: pod.metadata.name.clone(),
                    uid: pod.metadata.uid.clone(),
                }),
            },
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.options().client.clone(), &namespace);
        let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await;
        let answer =
            answer.map(|answer| answer.status.map(|status| (status, answer.spec.expiration_seconds)));
        match (answer, kept) {
            (Ok(Some((status, life))), _) => {
                let expires = status.expiration_timestamp.0;
                let issued = life.and_then(|life| expires.checked_sub(SignedDuration::from_secs(life)).ok());
                let kept = Kept { token: status.token.clone(), issued: issued.unwrap_or(now), expires };
                self.tokens().0.insert(key, kept);
                Ok((status.token, expires))
            }
            // An old token is better than none.
            (_, Some((token, expires, _))) if expires > now => Ok((token, expires)),
            (Err(error), _) => Err(MountError::NotReady(format!("failed to fetch token: {error}"))),
            (Ok(None), _) => Err(MountError::NotReady("failed to fetch token: no status".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_after_four_fifths_of_their_life() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let kept = |life: i64| Kept { token: String::new(), issued: at(0), expires: at(life) };
        assert!(!kept(3600).is_stale(at(2880)) && kept(3600).is_stale(at(2881)));
        assert!(kept(1_000_000).is_stale(at(86_401)) && !kept(1_000_000).is_stale(at(86_400)));
    }
}

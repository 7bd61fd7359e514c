//! What the provider is told: class parameters overlaid with the volume context.
//!
//! Keys below `csi.storage.k8s.io/` belong to kubelet. Authors of classes and pods can write them too,
//! and a forged one could name another pod or carry another's token, so only what kubelet itself
//! sets is passed on.

use std::collections::BTreeMap;

use keymount_api::volume_context as key;
use keymount_sensitive::{SecretString, Sensitive};
use serde::Deserialize;
use zeroize::Zeroize as _;

use crate::request::{PublishRequest, SecretMap};

/// Keys that kubelet sets in every volume context when podInfoOnMount is on, overwriting the author's.
const FROM_KUBELET: [&str; 5] =
    [key::POD_NAME, key::POD_NAMESPACE, key::POD_UID, key::SERVICE_ACCOUNT, key::EPHEMERAL];

/// What the CSIDriver object lets kubelet send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenPolicy {
    /// Audiences of its tokenRequests; none while there is no CSIDriver object, when no kubelet mounts
    /// inline volumes and the caller is an administrator with access to the socket.
    pub(crate) audiences: Option<Vec<String>>,
    /// Whether tokens arrive in the secrets (serviceAccountTokenInSecrets).
    pub(crate) in_secrets: bool,
}

/// Attributes and secrets of a provider call, as JSON.
pub(crate) struct ProviderInput {
    /// JSON object, text to text.
    pub(crate) attributes: SecretString,
    /// JSON object, text to text, or `null`.
    pub(crate) secrets: SecretString,
    /// Earliest expiry among the tokens, as kubelet states it (RFC 3339).
    pub(crate) tokens_expire: Option<jiff::Timestamp>,
}

/// Tokens by audience, as kubelet writes them.
type Tokens = BTreeMap<String, Token>;

#[derive(Deserialize)]
struct Token {
    #[serde(default, rename = "expirationTimestamp")]
    expires: Option<jiff::Timestamp>,
}

/// Puts together what the provider is told.
#[must_use]
pub(crate) fn provider_input(
    parameters: &BTreeMap<String, String>,
    request: &PublishRequest,
    policy: &TokenPolicy,
) -> ProviderInput {
    let mut attributes: BTreeMap<&str, &str> = parameters
        .iter()
        .filter(|(name, _)| !name.starts_with(key::RESERVED_PREFIX))
        .chain(request.context.iter().filter(|(name, _)| {
            !name.starts_with(key::RESERVED_PREFIX) || FROM_KUBELET.contains(&name.as_str())
        }))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let (tokens, from_secrets) = match (&request.secret_tokens, &request.context_tokens) {
        (Some(tokens), _) if policy.in_secrets || policy.audiences.is_none() => (Some(tokens), true),
        (_, tokens) => (tokens.as_ref(), false),
    };
    let tokens = tokens.and_then(|tokens| admitted(tokens.expose(), policy));
    if let Some(tokens) = &tokens {
        attributes.insert(key::TOKENS, tokens.expose());
    }
    let in_secrets = tokens.as_ref().filter(|_| from_secrets);
    ProviderInput {
        attributes: Sensitive::new(json(&attributes)),
        secrets: Sensitive::new(secrets_json(request.secrets.as_ref(), in_secrets)),
        tokens_expire: tokens.as_ref().and_then(|tokens| earliest_expiry(tokens.expose())),
    }
}

/// The tokens of declared audiences; none if no audience is left.
fn admitted(tokens: &str, policy: &TokenPolicy) -> Option<SecretString> {
    if tokens.is_empty() {
        return None;
    }
    let Some(audiences) = &policy.audiences else { return Some(Sensitive::new(tokens.to_owned())) };
    // Anything else than kubelet's own form is somebody else's.
    let mut held: BTreeMap<String, serde_json::Value> = serde_json::from_str(tokens).ok()?;
    let all = held.keys().all(|audience| audiences.contains(audience));
    let admitted = if all {
        (!held.is_empty()).then(|| tokens.to_owned())
    } else {
        held.retain(|audience, token| {
            let keep = audiences.contains(audience);
            if !keep {
                erase(token);
            }
            keep
        });
        (!held.is_empty()).then(|| json(&held))
    };
    held.values_mut().for_each(erase);
    admitted.map(Sensitive::new)
}

/// Overwrites the texts in a value.
pub(crate) fn erase(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Object(object) => object.values_mut().for_each(erase),
        _ => {}
    }
}

/// When the token of an audience expires; none if there is no such token.
pub(crate) fn expiry(tokens: &str, audience: &str) -> Option<jiff::Timestamp> {
    let tokens: Tokens = serde_json::from_str(tokens).ok()?;
    tokens.get(audience)?.expires
}

fn earliest_expiry(tokens: &str) -> Option<jiff::Timestamp> {
    let tokens: Tokens = serde_json::from_str(tokens).ok()?;
    tokens.values().filter_map(|token| token.expires).min()
}

fn secrets_json(secrets: Option<&SecretMap>, tokens: Option<&SecretString>) -> String {
    let Some(secrets) = secrets else { return "null".to_owned() };
    let mut all: BTreeMap<&str, &str> =
        secrets.expose().0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if let Some(tokens) = tokens {
        all.insert(key::TOKENS, tokens.expose());
    }
    json(&all)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("a map with text keys is always JSON")
}

#[cfg(test)]
mod tests;

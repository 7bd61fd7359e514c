use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::request::{PodRef, SecretEntries};

fn map(value: Value) -> BTreeMap<String, String> {
    serde_json::from_value(value).unwrap()
}

fn request(context: Value) -> PublishRequest {
    PublishRequest {
        target: PathBuf::from("/t"),
        pod: PodRef::default(),
        class: "web".to_owned(),
        context: map(context),
        context_tokens: None,
        secret_tokens: None,
        secrets: None,
        readonly: true,
        group: None,
    }
}

fn tokens(audiences: &[&str]) -> String {
    let entries = audiences.iter().enumerate().map(|(hour, audience)| {
        let expires = format!("2026-11-24T1{hour}:00:00Z");
        ((*audience).to_owned(), json!({"token": format!("jwt-{audience}"), "expirationTimestamp": expires}))
    });
    Value::Object(entries.collect()).to_string()
}

fn declared(audiences: &[&str]) -> TokenPolicy {
    TokenPolicy { audiences: Some(audiences.iter().map(|a| (*a).to_owned()).collect()), in_secrets: false }
}

fn attributes(input: &ProviderInput) -> Value {
    serde_json::from_str(input.attributes.expose()).unwrap()
}

#[test]
fn context_wins_over_parameters_but_nobody_forges_kubelets_keys() {
    let parameters = map(json!({
        "keyvaultName": "class", "tenantId": "t",
        "csi.storage.k8s.io/pod.name": "forged", "csi.storage.k8s.io/serviceAccount.tokens": "forged",
    }));
    let request = request(json!({
        "keyvaultName": "pod", "secretProviderClass": "web",
        "csi.storage.k8s.io/pod.name": "real", "csi.storage.k8s.io/pod.namespace": "ns",
        "csi.storage.k8s.io/serviceAccount.name": "sa", "csi.storage.k8s.io/ephemeral": "true",
        "csi.storage.k8s.io/invented": "forged",
    }));
    let input = provider_input(&parameters, &request, &declared(&[]));
    assert_eq!(
        attributes(&input),
        json!({
            "keyvaultName": "pod", "tenantId": "t", "secretProviderClass": "web",
            "csi.storage.k8s.io/pod.name": "real", "csi.storage.k8s.io/pod.namespace": "ns",
            "csi.storage.k8s.io/serviceAccount.name": "sa", "csi.storage.k8s.io/ephemeral": "true",
        })
    );
    assert_eq!(input.secrets.expose(), "null");
}

/// Attack: without tokenRequests kubelet sets no tokens, so whatever stands there is the tenant's.
#[test]
fn tokens_pass_for_declared_audiences_only() {
    for (sent, policy, expected) in [
        (tokens(&["a", "b"]), declared(&[]), None),
        (tokens(&["a", "b"]), declared(&["a", "b"]), Some(tokens(&["a", "b"]))),
        (tokens(&["a", "b"]), declared(&["a"]), Some(tokens(&["a"]))),
        (tokens(&["x"]), declared(&["a"]), None),
        ("opaque".to_owned(), declared(&["a"]), None),
        ("{}".to_owned(), declared(&["a"]), None),
        (String::new(), TokenPolicy::default(), None),
        // No CSIDriver object: no kubelet, the caller is trusted with what it sends.
        ("opaque".to_owned(), TokenPolicy::default(), Some("opaque".to_owned())),
    ] {
        let mut request = request(json!({"secretProviderClass": "web"}));
        request.context_tokens = Some(Sensitive::new(sent.clone()));
        let input = provider_input(&BTreeMap::new(), &request, &policy);
        let passed = attributes(&input)[key::TOKENS].as_str().map(str::to_owned);
        assert_eq!(passed, expected, "{sent} under {policy:?}");
    }
}

/// Attack: a nodePublishSecretRef whose data holds the token key.
#[test]
fn tokens_in_secrets_count_only_where_kubelet_puts_them() {
    let mut request = request(json!({"secretProviderClass": "web"}));
    request.context_tokens = Some(Sensitive::new(tokens(&["a"])));
    request.secret_tokens = Some(Sensitive::new(tokens(&["a", "a2"])));
    request.secrets = Some(Sensitive::new(SecretEntries(map(json!({"clientid": "id"})))));
    let not_declared = provider_input(&BTreeMap::new(), &request, &declared(&["a", "a2"]));
    assert_eq!(attributes(&not_declared)[key::TOKENS], tokens(&["a"]));
    assert_eq!(not_declared.secrets.expose(), r#"{"clientid":"id"}"#);

    let policy = TokenPolicy { in_secrets: true, ..declared(&["a", "a2"]) };
    let input = provider_input(&BTreeMap::new(), &request, &policy);
    assert_eq!(attributes(&input)[key::TOKENS], tokens(&["a", "a2"]));
    // Both places hold them, as the Go driver has it.
    let secrets: Value = serde_json::from_str(input.secrets.expose()).unwrap();
    assert_eq!(secrets[key::TOKENS], tokens(&["a", "a2"]));
}

#[test]
fn expiry_is_that_of_the_first_token_to_expire() {
    let mut request = request(json!({"secretProviderClass": "web"}));
    request.context_tokens = Some(Sensitive::new(tokens(&["a", "b"])));
    let input = provider_input(&BTreeMap::new(), &request, &declared(&["a", "b"]));
    assert_eq!(input.tokens_expire.unwrap().to_string(), "2026-11-24T10:00:00Z");
}

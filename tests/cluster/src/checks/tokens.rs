//! Tokens of service accounts.

use http::Method;
use keymount_emulator::token::{Jwks, Parsed};
use serde_json::{Value, json};

use crate::Target;

async fn request(t: &Target, spec: Value) -> crate::Reply {
    t.post(&t.core("serviceaccounts/default/token"), &json!({"spec": spec})).await
}

/// Audiences, life, and what the token is bound to; signed with a key the server shows.
pub async fn claims(t: &Target) {
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n.test", "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}});
    let pod = t.post(&t.core("pods"), &pod).await.body_of(201);
    let account = t.get(&t.core("serviceaccounts/default")).await.body_of(200);
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"]});
    let reply =
        request(t, json!({"audiences": ["a", "b"], "expirationSeconds": 1200, "boundObjectRef": bound}))
            .await
            .body_of(201);
    assert_eq!(
        (&reply["kind"], &reply["spec"]["audiences"], &reply["spec"]["expirationSeconds"]),
        (&json!("TokenRequest"), &json!(["a", "b"]), &json!(1200))
    );
    let token = reply["status"]["token"].as_str().expect("a token");
    let parsed = Parsed::new(token).expect("a JWT");
    let claims = &parsed.claims;
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(["a", "b"]), &json!(format!("system:serviceaccount:{}:default", t.namespace)))
    );
    let seconds = |claim: &str| parsed.seconds(claim).expect("a time");
    assert_eq!((seconds("exp") - seconds("iat"), seconds("nbf")), (1200, seconds("iat")));
    let expires: jiff::Timestamp =
        reply["status"]["expirationTimestamp"].as_str().and_then(|text| text.parse().ok()).expect("a time");
    assert_eq!(expires.as_second(), seconds("exp"));
    let private = &claims["kubernetes.io"];
    assert_eq!(private["namespace"], t.namespace);
    assert_eq!(private["pod"], json!({"name": "p", "uid": pod["metadata"]["uid"]}));
    assert_eq!(private["serviceaccount"], json!({"name": "default", "uid": account["metadata"]["uid"]}));
    assert_eq!(private["node"], json!({"name": "n.test"}));
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() == 36));
    let keys = t.get("/openid/v1/jwks").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    let keys: Jwks = serde_json::from_value(keys.body_of(200)).expect("keys");
    assert!(keys.verifies(&parsed));
    let configuration = t.get("/.well-known/openid-configuration").await.body_of(200);
    assert_eq!(configuration["issuer"], claims["iss"]);
    assert!(configuration["jwks_uri"].as_str().is_some_and(|uri| uri.ends_with("/openid/v1/jwks")));
    assert_eq!(configuration["id_token_signing_alg_values_supported"], json!([parsed.alg]));
}

/// Without audiences a token is for the server itself, and lets its account in.
pub async fn for_the_server(t: &Target) {
    let reply = request(t, json!({})).await.body_of(201);
    assert_eq!(reply["spec"]["expirationSeconds"], 3600);
    let token = reply["status"]["token"].as_str().expect("a token").to_owned();
    let parsed = Parsed::new(&token).expect("a JWT");
    assert_eq!(parsed.claims["aud"], json!([parsed.claims["iss"]]));
    assert_eq!(parsed.claims["kubernetes.io"].get("pod"), None);
    let account = t.client_of(&token).await;
    let reply = t.send_as(&account, Method::GET, &t.core("secrets/a"), "", Vec::new()).await;
    let namespace = &t.namespace;
    let message = format!(
        "secrets \"a\" is forbidden: User \"system:serviceaccount:{namespace}:default\" cannot get resource \"secrets\" in API group \"\" in the namespace \"{namespace}\""
    );
    reply.fails(403, "Forbidden", &message);
    let stranger = t.client_of("junk").await;
    let reply = t.send_as(&stranger, Method::GET, &t.core("secrets/a"), "", Vec::new()).await;
    reply.fails(401, "Unauthorized", "Unauthorized");
}

/// Requests that are refused.
pub async fn refused(t: &Target) {
    let short = request(t, json!({"expirationSeconds": 1})).await;
    short.fails(422, "Invalid", "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes");
    let pod =
        request(t, json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}})).await;
    pod.fails(404, "NotFound", "pods \"none\" not found");
    let none = t.post(&t.core("serviceaccounts/none/token"), &json!({"spec": {}})).await;
    none.fails(404, "NotFound", "serviceaccounts \"none\" not found");
    let object = json!({"metadata": {"name": "p"}, "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i"}]}});
    t.post(&t.core("pods"), &object).await.expect(201);
    let other =
        request(t, json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "x"}}))
            .await;
    other.fails(409, "Conflict", "Operation cannot be fulfilled on Pod \"p\": the UID in the bound object reference (x) does not match the UID in record. The object might have been deleted and then recreated");
}

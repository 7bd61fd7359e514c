//! What only the double can do, or must do beside the contract that it shares with a real server.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::faults::{Action, Rule, Service};

const PATIENCE: Duration = Duration::from_secs(10);

async fn server() -> ApiServer {
    ApiServer::start(Options::default()).await.expect("the server starts")
}

fn http() -> reqwest::Client {
    // Another test of this process may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(PATIENCE).build().expect("a client")
}

async fn get(url: String) -> Result<(u16, Value), reqwest::Error> {
    let response = http().get(url).header("user-agent", "tests/1").send().await?;
    let code = response.status().as_u16();
    Ok((code, serde_json::from_slice(&response.bytes().await?).unwrap_or_default()))
}

fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"k": "v"}})
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

#[tokio::test]
async fn goes_down_and_comes_up_with_its_objects() {
    let server = server().await;
    server.create(&secret("a")).expect("created");
    let url = format!("{}/api/v1/namespaces/default/secrets/a", server.url());
    assert_eq!(get(url.clone()).await.expect("an answer").0, 200);
    server.down().await;
    assert!(get(url.clone()).await.expect_err("refused").is_connect());
    server.up().await.expect("the port is free");
    assert_eq!(get(url).await.expect("an answer").1["data"]["k"], "dg==");
}

#[tokio::test]
async fn counts_who_asked_for_what() {
    let server = server().await;
    let _ = get(format!("{}/api/v1/namespaces/default/secrets/none", server.url())).await.expect("an answer");
    let _ = get(format!("{}/version", server.url())).await.expect("an answer");
    let records = server.journal().records();
    let [record] = records.as_slice() else { panic!("one request for a resource: {records:?}") };
    assert_eq!((record.verb, record.resource.as_str(), record.status), (Verb::Get, "secrets", 404));
    assert_eq!((record.user.as_str(), record.user_agent.as_str()), ("kubernetes-admin", "tests/1"));
    assert_eq!((server.journal().count(Verb::Get, "secrets"), server.journal().writes()), (1, 0));
    server.journal().reset();
    assert_eq!(server.journal().count(Verb::Get, "secrets"), 0);
}

#[tokio::test]
async fn fails_as_fault_rules_say() {
    let server = server().await;
    let faults = server.state.options.observer.faults.clone();
    let url = format!("{}/api/v1/namespaces/default/secrets", server.url());
    let respond = Action::Respond {
        status: 503,
        code: None,
        inner: None,
        message: None,
        retry_after: Some("7".to_owned()),
        headers: std::collections::BTreeMap::new(),
        body: None,
    };
    faults.add(Rule::on(Service::Kubernetes, respond).path("/api/v1/namespaces/*/secrets").times(1));
    let response = http().get(&url).send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), response.headers()["retry-after"].to_str().expect("text")),
        (503, "7")
    );
    let body: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!((&body["kind"], &body["reason"]), (&json!("Status"), &json!("ServiceUnavailable")));
    faults.add(Rule::on(Service::Kubernetes, Action::Reset).times(1));
    assert!(get(url.clone()).await.is_err());
    assert_eq!(get(url).await.expect("an answer").0, 200);
    assert_eq!(
        server.journal().records().iter().map(|record| record.status).collect::<Vec<_>>(),
        [503, 0, 200]
    );
}

#[tokio::test]
async fn refuses_whom_a_denial_covers() {
    let server = server().await;
    server.deny(Denial { verb: Some(Verb::List), resource: Some("secrets".to_owned()), ..Denial::default() });
    let url = format!("{}/api/v1/namespaces/default/secrets", server.url());
    let (code, body) = get(url.clone()).await.expect("an answer");
    assert_eq!(code, 403);
    assert_eq!(
        body["message"],
        "secrets is forbidden: User \"kubernetes-admin\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\""
    );
    assert_eq!(get(format!("{url}/x")).await.expect("an answer").0, 404);
    server.allow_again();
    assert_eq!(get(url).await.expect("an answer").0, 200);
}

#[tokio::test]
async fn objects_go_with_their_owners() {
    let server = server().await;
    let owner = server.create(&pod("p")).expect("created");
    let mut owned = secret("s");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner["metadata"]["uid"]}]);
    server.create(&owned).expect("created");
    server.create(&secret("free")).expect("created");
    server.delete("pods", "default", "p").expect("deleted");
    let gone = server.wait_for("secrets", "default", "s", |found| found.is_none());
    tokio::time::timeout(PATIENCE, gone).await.expect("collected");
    assert_eq!(server.list("secrets", "default").len(), 1);
}

#[tokio::test]
async fn namespaces_are_emptied() {
    let server = server().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    server.create(&namespace).expect("created");
    assert!(server.get("serviceaccounts", "team", "default").is_some());
    let mut object = secret("a");
    object["metadata"]["namespace"] = "team".into();
    server.create(&object).expect("created");
    server.delete("namespaces", "", "team").expect("begun");
    let gone = server.wait_for("namespaces", "", "team", |found| found.is_none());
    tokio::time::timeout(PATIENCE, gone).await.expect("gone");
    assert_eq!(server.list("secrets", "team"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_watch_that_falls_out_of_the_window_expires() {
    let server =
        ApiServer::start(Options { watch_window: 3, ..Options::default() }).await.expect("the server starts");
    let from = server.revision();
    let url = format!(
        "{}/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=1&resourceVersion={from}",
        server.url()
    );
    for name in ["a", "b", "c"] {
        server.create(&secret(name)).expect("created");
    }
    let events =
        async |url: String| http().get(url).send().await.expect("an answer").text().await.expect("a stream");
    assert_eq!(events(url.clone()).await.lines().count(), 3);
    server.create(&secret("d")).expect("created");
    let expired = events(url).await;
    assert!(expired.contains("\"code\":410") && expired.lines().count() == 1, "{expired}");
}

#[tokio::test]
async fn is_seeded_with_yaml() {
    let server = server().await;
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: team}\nstringData: {k: v}\n";
    server.put_yaml(text).expect("taken");
    server.put_yaml(text).expect("taken again");
    assert_eq!(
        server.get("secrets", "team", "a").map(|secret| secret["data"]["k"].clone()),
        Some(json!("dg=="))
    );
    let patched = server.patch("secrets", "team", "a", &json!({"data": {"k": null}})).expect("patched");
    assert_eq!(patched.get("data"), None);
    let rejected =
        server.put_yaml("apiVersion: v1\nkind: Secret\nmetadata: {name: A_}\n").expect_err("a wrong name");
    assert_eq!(rejected.code, 422);
    assert_eq!(
        server.create(&json!({"apiVersion": "x/v1", "kind": "Y"})).map_err(|rejected| rejected.code),
        Err(404)
    );
}

#[tokio::test]
async fn service_accounts_are_let_in_by_their_tokens() {
    let options = Options { authorization: Authorization::Rbac, ..Options::default() };
    let server = ApiServer::start(options).await.expect("the server starts");
    server
        .put_yaml(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader}\nrules: [{apiGroups: [''], resources: [secrets], verbs: [list]}]\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: reader}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}\n\
             subjects: [{kind: ServiceAccount, namespace: default, name: default}]\n",
        )
        .expect("taken");
    let token = server.service_account_token("default", "default").expect("a token");
    let list = async |token: Option<&str>| {
        let request = http().get(format!("{}/api/v1/secrets", server.url()));
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(list(Some(&token)).await, 200);
    assert_eq!(list(None).await, 403);
    assert_eq!(list(Some("junk")).await, 401);
}

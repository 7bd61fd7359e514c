//! The end-to-end cases of driver v1.6.0 (its `test/bats/e2e-provider.bats`), with a provider that behaves as the
//! mock provider of that suite does. Waits are the suite's own or shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keymount_cluster_tests::stage::{
    CLASSES, Call, DEFINITIONS, DEPLOYMENTS, OLD_CLASSES, Options, Pod, SECRETS, Stage, class, files, text,
    with,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Status;

const PROVIDER: &str = "e2e-provider";
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nThis is mock key\n-----END PUBLIC KEY-----\n";
const AUDIENCES: [&str; 2] = ["aud1", "aud2"];

/// The mock provider's switches.
#[derive(Clone, Default)]
struct Mock {
    rotated: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

#[derive(Deserialize)]
struct Objects {
    array: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    object_name: String,
}

impl Mock {
    /// A pod that it has seen before gets new content once `rotated` is on. Files have mode 0.
    fn answer(&self, call: &Call) -> keymount_cluster_tests::stage::Reply {
        let tokens: BTreeMap<String, Value> =
            serde_json::from_str(call.attribute("csi.storage.k8s.io/serviceAccount.tokens"))
                .unwrap_or_default();
        if let Some(missing) = AUDIENCES.iter().find(|audience| !tokens.contains_key(**audience)) {
            return Err(Status::invalid_argument(format!("no token for the audience {missing}")));
        }
        let uid = call.attribute("csi.storage.k8s.io/pod.uid").to_owned();
        let is_new = self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
        let rotated = self.rotated.load(Ordering::SeqCst) && !is_new;
        let unreadable = |error: serde_saphyr::Error| Status::invalid_argument(error.to_string());
        let objects: Objects = serde_saphyr::from_str(call.attribute("objects")).map_err(unreadable)?;
        let mut contents = Vec::new();
        for object in &objects.array {
            let Object { object_name } = serde_saphyr::from_str(object).map_err(unreadable)?;
            let content = match object_name.as_str() {
                "foo" if rotated => "rotated",
                "foo" => "secret",
                "fookey" => KEY,
                other => return Err(Status::not_found(format!("there is no object {other}"))),
            };
            contents.push((object_name, content));
        }
        let named: Vec<_> = contents.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        let mut reply = files(if rotated { "v2" } else { "v1" }, &named)?;
        for file in &mut reply.files {
            file.mode = 0;
        }
        Ok(reply)
    }
}

fn parameters() -> Value {
    let objects = "array:\n  - |\n    objectName: foo\n    objectVersion: v1\n  - |\n    objectName: fookey\n    \
                   objectVersion: v1\n";
    json!({"parameters": {"objects": objects}})
}

/// `parameters` with a Secret that takes `foo` as `username`.
fn synced(secret: &str) -> Value {
    let objects = json!([{
        "secretName": secret, "type": "Opaque", "labels": {"environment": "test"},
        "data": [{"objectName": "foo", "key": "username"}],
    }]);
    with(parameters(), &json!({"secretObjects": objects}))
}

async fn stage(case: &str, options: Options) -> (Stage, Mock) {
    let audiences = AUDIENCES.map(|audience| json!({"audience": audience}));
    let options = Options {
        provider: Some(PROVIDER.to_owned()),
        csi_driver: json!({"tokenRequests": audiences}),
        ..options
    };
    let stage = Stage::on_node(case, options).await;
    let mock = Mock::default();
    let answering = mock.clone();
    stage.provider.answer(move |call| answering.answer(call));
    (stage, mock)
}

/// A pod's `spec` that takes `SECRET_USERNAME` from a Secret, and so starts only when there is one.
fn with_variable(mut spec: Value, variable: &str, secret: &str) -> Value {
    let source = json!({"secretKeyRef": {"name": secret, "key": "username"}});
    spec["containers"][0]["env"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"name": variable, "valueFrom": source}));
    spec
}

/// A pod of a Deployment: the scheduler finds its node.
fn template(stage: &Stage, class: &str, secret: &str) -> Value {
    let mut spec = with_variable(stage.pod_spec(&[("secrets", class)]), "SECRET_USERNAME", secret);
    spec.as_object_mut().expect("an object").remove("nodeName");
    // Deployments know no other time than this.
    spec["terminationGracePeriodSeconds"] = json!(1);
    spec
}

async fn sees_everything(stage: &Stage, pod: &Pod) {
    let look = stage.first_look(pod).await;
    assert_eq!(look.text("/secrets", "foo"), Some("secret"));
    assert_eq!(look.text("/secrets", "fookey"), Some(KEY));
}

fn owners(secret: &Value) -> usize {
    secret["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len)
}

fn is_whole(secret: &Value) -> bool {
    secret["data"]["username"] == "c2VjcmV0"
        && secret["metadata"]["labels"]["environment"] == "test"
        && secret["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"] == "true"
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_02_the_definitions_are_established() {
    let (stage, _) = stage("e2e-02", Options::default()).await;
    for plural in ["secretproviderclasses", "secretproviderclasspodstatuses"] {
        let name = format!("{plural}.secrets-store.csi.x-k8s.io");
        let definition = stage.cluster.get(DEFINITIONS, "", &name).await.expect("it is there");
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        assert!(conditions.iter().any(|it| it["type"] == "Established" && it["status"] == "True"));
    }
    stage.clear().await;
}

/// Case 1, tokens for every audience of the CSIDriver object, is in all that follow.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_04_a_class_of_v1alpha1() {
    let (stage, _) = stage("e2e-04", Options::default()).await;
    let mut old = class(&stage.namespace, "e2e-provider", PROVIDER, &parameters());
    old["apiVersion"] = json!(OLD_CLASSES.api_version);
    stage.cluster.create(&old).await;
    let pod = stage.pod("inline", "e2e-provider").await;
    stage.ready(&pod).await;
    sees_everything(&stage, &pod).await;
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_05_and_06_a_class_of_v1_and_the_end_of_its_pod() {
    let (mut stage, _) = stage("e2e-05", Options::default()).await;
    stage.class("e2e-provider", &parameters()).await;
    let pod = stage.pod("inline", "e2e-provider").await;
    stage.ready(&pod).await;
    sees_everything(&stage, &pod).await;
    stage.delete_pod(&pod).await;
    let log = stage.driver().log();
    let failed =
        |line: &&String| line.starts_with('E') && line.contains("failed to clean and unmount target path");
    assert_eq!(log.iter().find(failed), None);
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_07_to_09_one_secret_of_two_deployments() {
    let (stage, _) = stage("e2e-07", Options::default()).await;
    stage.class("e2e-provider-sync", &synced("foosecret")).await;
    let spec = template(&stage, "e2e-provider-sync", "foosecret");
    let (one, two) =
        tokio::join!(stage.deployment("busybox", 2, &spec), stage.deployment("busybox-two", 2, &spec));
    for pod in one.iter().chain(&two) {
        sees_everything(&stage, pod).await;
        let look = stage.first_look(pod).await;
        assert_eq!(look.environment["SECRET_USERNAME"], "secret");
    }
    stage.until(SECRETS, "foosecret", |secret| is_whole(secret) && owners(secret) == 2).await;
    stage.cluster.delete(DEPLOYMENTS, &stage.namespace, "busybox").await;
    stage.until(SECRETS, "foosecret", |secret| is_whole(secret) && owners(secret) == 1).await;
    stage.cluster.delete(DEPLOYMENTS, &stage.namespace, "busybox-two").await;
    stage.until(SECRETS, "foosecret", Value::is_null).await;
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_10_classes_of_one_name_in_two_namespaces() {
    let (stage, _) = stage("e2e-10", Options::default()).await;
    let name = format!("{}-sync", stage.namespace);
    stage.cluster.create(&class("default", &name, "invalidprovider", &synced("foosecret"))).await;
    stage.class(&name, &synced("foosecret")).await;
    let pods = stage.deployment("busybox", 1, &template(&stage, &name, "foosecret")).await;
    sees_everything(&stage, &pods[0]).await;
    assert_eq!(stage.first_look(&pods[0]).await.environment["SECRET_USERNAME"], "secret");
    stage.until(SECRETS, "foosecret", |secret| is_whole(secret) && owners(secret) == 1).await;
    stage.cluster.delete(DEPLOYMENTS, &stage.namespace, "busybox").await;
    stage.until(SECRETS, "foosecret", Value::is_null).await;
    stage.cluster.delete(CLASSES, "default", &name).await;
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_11_no_class_in_the_namespace_of_the_pod() {
    let (stage, _) = stage("e2e-11", Options::default()).await;
    let pod = stage.pod("busybox", "e2e-provider-sync").await;
    let begin = format!("failed to get secretproviderclass {}/e2e-provider-sync", stage.namespace);
    let message = stage.event(&pod, "FailedMount", &begin).await;
    let place = message.find(&begin).unwrap_or_else(|| panic!("{message}"));
    assert!(message[place..].contains("not found"), "{message}");
    stage.clear().await;
}

#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_12_two_classes_in_one_pod() {
    let (stage, _) = stage("e2e-12", Options::default()).await;
    let volumes = [("secrets-store-0", "e2e-provider-spc-0"), ("secrets-store-1", "e2e-provider-spc-1")];
    let mut spec = stage.pod_spec(&volumes);
    for number in 0..2 {
        stage.class(&format!("e2e-provider-spc-{number}"), &synced(&format!("foosecret-{number}"))).await;
        spec = with_variable(spec, &format!("SECRET_USERNAME_{number}"), &format!("foosecret-{number}"));
    }
    let pod = stage.pod_of("multiple", &spec).await;
    stage.ready(&pod).await;
    let look = stage.first_look(&pod).await;
    for number in 0..2 {
        let volume = format!("/secrets-store-{number}");
        assert_eq!((look.text(&volume, "foo"), look.text(&volume, "fookey")), (Some("secret"), Some(KEY)));
        assert_eq!(look.environment[&format!("SECRET_USERNAME_{number}")], "secret");
        let secret = format!("foosecret-{number}");
        stage.until(SECRETS, &secret, |secret| is_whole(secret) && owners(secret) == 1).await;
    }
    stage.clear().await;
}

/// The suite's interval is 30 s, and its wait 120 s.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn case_13_and_14_rotation_and_metrics() {
    let (mut stage, mock) = stage("e2e-13", Options::rotating("3s")).await;
    stage.class("e2e-provider-sync", &synced("rotationsecret")).await;
    let pod = stage.pod("rotation", "e2e-provider-sync").await;
    stage.ready(&pod).await;
    sees_everything(&stage, &pod).await;
    stage.until(SECRETS, "rotationsecret", is_whole).await;
    mock.rotated.store(true, Ordering::SeqCst);
    stage.sees(&pod, "foo", "rotated").await;
    let secret =
        stage.until(SECRETS, "rotationsecret", |secret| secret["data"]["username"] == "cm90YXRlZA==").await;
    assert_eq!(text(&secret, "/type"), "Opaque");
    stage.delete_pod(&pod).await;
    let metrics = stage.driver().metrics().await;
    for name in ["node_publish_total", "node_unpublish_total", "rotation_reconcile_total"] {
        assert!(
            metrics.lines().any(|line| line.starts_with(&format!("{name}{{"))),
            "{name} is missing:\n{metrics}"
        );
    }
    stage.clear().await;
}

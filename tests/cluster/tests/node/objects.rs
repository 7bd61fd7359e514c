//! What the driver does to objects that others made or changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keymount_cluster_tests::stage::{CONFIG_MAPS, Options, PODS, SECRETS, STATUSES, Stage, files, text};
use serde_json::{Value, json};

/// Driver v1.6.0 overwrites a Secret that happens to have the name, makes the pod its owner, and so has it deleted
/// with the pod: a typing error destroys a Secret.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn a_foreign_secret_is_left_alone_also_when_the_pod_is_gone() {
    let stage = Stage::on_node("foreign", Options::default()).await;
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "db", "namespace": stage.namespace, "labels": {"app": "db"}},
        "stringData": {"password": "precious"},
    });
    let foreign = stage.cluster.create(&foreign).await;
    let objects =
        json!([{"secretName": "db", "type": "Opaque", "data": [{"objectName": "foo", "key": "password"}]}]);
    stage.class("web", &json!({"secretObjects": objects})).await;
    let pod = stage.pod("web", "web").await;
    let look = stage.first_look(&pod).await;
    assert_eq!(look.text("/secrets", "foo"), Some("secret"), "the volume has nothing to do with it");
    let status = stage.status(&pod, "web", |_| true).await;

    // What the garbage collector deletes with the pod and its status object, and so shows that it has been there.
    for (kind, name, uid) in [
        ("v1/Pod", "web", pod.uid.as_str()),
        (
            "secrets-store.csi.x-k8s.io/v1/SecretProviderClassPodStatus",
            text(&status, "/metadata/name"),
            text(&status, "/metadata/uid"),
        ),
    ] {
        let (version, kind) = kind.rsplit_once('/').unwrap();
        let canary = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": kind.to_lowercase(), "namespace": stage.namespace,
                "ownerReferences": [{"apiVersion": version, "kind": kind, "name": name, "uid": uid}],
            },
        });
        stage.cluster.create(&canary).await;
    }
    stage.delete_pod(&pod).await;
    for canary in ["pod", "secretproviderclasspodstatus"] {
        stage.until(CONFIG_MAPS, canary, Value::is_null).await;
    }
    let left = stage.cluster.get(SECRETS, &stage.namespace, "db").await.expect("it is still there");
    assert_eq!(left["metadata"], foreign["metadata"]);
    assert_eq!(left["data"], foreign["data"]);
    stage.event(&pod, "FailedToCreateSecret", "db").await;
    stage.clear().await;
}

/// Driver v1.6.0 panics at the next republish, for all pods of the node.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i8_a_status_object_without_labels_harms_nobody() {
    let mut stage = Stage::on_node("stripped", Options::rotating("3s")).await;
    stage.class("web", &Value::Null).await;
    let rotated = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&rotated);
    stage.provider.answer(move |_| {
        if now.load(Ordering::SeqCst) {
            files("v2", &[("foo", "rotated")])
        } else {
            files("v1", &[("foo", "secret")])
        }
    });
    let pod = stage.pod("web", "web").await;
    stage.first_look(&pod).await;
    let status = stage.status(&pod, "web", |_| true).await;
    let name = text(&status, "/metadata/name");
    let patch = json!([{"op": "remove", "path": "/metadata/labels"}]);
    stage.cluster.json_patch(STATUSES, &stage.namespace, name, &patch).await;
    rotated.store(true, Ordering::SeqCst);
    stage.sees(&pod, "foo", "rotated").await;
    stage.status(&pod, "web", |status| status["objects"][0]["version"] == "v2").await;
    let other = stage.pod("other", "web").await;
    let look = stage.first_look(&other).await;
    assert_eq!(look.text("/secrets", "foo"), Some("rotated"));
    assert!(stage.driver().is_running());
    stage.clear().await;
}

/// A synced Secret that somebody deletes or edits comes back.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn issue_201_a_synced_secret_is_repaired() {
    let stage = Stage::on_node("repair", Options::own_flags(&["--secret-repair-interval=2s"])).await;
    let objects =
        json!([{"secretName": "db", "type": "Opaque", "data": [{"objectName": "foo", "key": "password"}]}]);
    stage.class("web", &json!({"secretObjects": objects})).await;
    let pod = stage.pod("web", "web").await;
    stage.first_look(&pod).await;
    let whole = |secret: &Value| secret["data"]["password"] == "c2VjcmV0";
    let made = stage.until(SECRETS, "db", whole).await;
    stage
        .cluster
        .patch(SECRETS, &stage.namespace, "db", &json!({"stringData": {"password": "edited"}}))
        .await;
    stage.until(SECRETS, "db", whole).await;
    stage.cluster.delete(SECRETS, &stage.namespace, "db").await;
    let again = stage
        .until(SECRETS, "db", |secret| whole(secret) && secret["metadata"]["uid"] != made["metadata"]["uid"])
        .await;
    assert_eq!(again["metadata"]["labels"], made["metadata"]["labels"]);
    stage.until(PODS, "web", |pod| text(pod, "/status/phase") == "Running").await;
    stage.clear().await;
}

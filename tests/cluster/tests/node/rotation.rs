//! Rotation, as containers and users see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use keymount_cluster_tests::stage::{CLASSES, Cluster, Options, STATUSES, Stage, files, kubeconfig_of, text};
use serde_json::{Value, json};
use tonic::Status;

/// Kubelet publishes again every few seconds here; driver v1.6.0 then asks the provider each time, once the first
/// interval is over.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i3_issue_2057_the_provider_is_called_once_per_interval() {
    const INTERVAL: Duration = Duration::from_secs(10);
    let mut stage = Stage::on_node("interval", Options::rotating("10s")).await;
    stage.class("web", &Value::Null).await;
    let pod = stage.pod("web", "web").await;
    stage.first_look(&pod).await;
    let mut calls = stage.provider.called(|calls| calls.len() >= 5).await;
    while publishes(&mut stage).await < 8 {
        assert!(calls.len() < 20, "kubelet does not publish again");
        calls = stage.provider.called(|now| now.len() > calls.len()).await;
    }
    // The first call is the mount, and the first rotation comes anywhere within one interval after it.
    for pair in calls[1..].windows(2) {
        let gap = pair[1].at - pair[0].at;
        // Volumes are early or late by up to a tenth.
        assert!(gap >= INTERVAL.mul_f64(0.89), "two calls within {gap:?}");
    }
    stage.clear().await;
}

/// How often kubelet has published volumes of this stage.
async fn publishes(stage: &mut Stage) -> u64 {
    let metrics = stage.driver().metrics().await;
    let counted = metrics.lines().filter(|line| line.starts_with("node_publish_total"));
    counted.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// All files of a look come from one generation, and none is missing while the next one is put in place.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i2_a_container_never_sees_two_generations_in_one() {
    const GENERATIONS: usize = 12;
    /// So many looks that some of them fall into a change.
    const LOOKS: u64 = 1000;
    let stage = Stage::on_node("generations", Options::rotating("1s")).await;
    stage.class("web", &Value::Null).await;
    let generation = AtomicU64::new(0);
    stage.provider.answer(move |_| {
        let number = generation.fetch_add(1, Ordering::SeqCst);
        let text = format!("{number} {}", "x".repeat(20_000));
        let names = ["a", "b", "dir/c", "dir/d", "e", "f"];
        files(&format!("v{number}"), &names.map(|name| (name, text.as_str())))
    });
    let mut spec = stage.pod_spec(&[("secrets", "web")]);
    spec["containers"][0]["args"] = json!(["--spin", "/secrets"]);
    let pod = stage.pod_of("web", &spec).await;
    let generation_of = |look: &keymount_cluster_tests::look::Look| {
        look.text("/secrets", "a").and_then(|text| text.split(' ').next()?.parse::<usize>().ok())
    };
    let enough = |look: &keymount_cluster_tests::look::Look| {
        look.number >= LOOKS && generation_of(look) >= Some(GENERATIONS)
    };
    stage.containers.look(&pod.uid, enough).await;
    let looks = stage.containers.looks(&pod.uid);
    for look in &looks {
        let volume = &look.volumes["/secrets"];
        assert_eq!(volume.errors, [""; 0], "in look {}", look.number);
        let first = &volume.files["a"].text;
        assert_eq!(volume.files.len(), 6, "in look {}", look.number);
        let mixed = volume.files.iter().find(|(_, file)| file.text != *first);
        assert!(mixed.is_none(), "{} in look {} is of another generation", mixed.unwrap().0, look.number);
    }
    stage.clear().await;
}

/// What fails is told to people who may read the objects of a namespace and nothing else.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn i9_a_failed_rotation_is_visible_to_a_user_of_the_namespace() {
    let stage = Stage::on_node("visible", Options::rotating("3s")).await;
    stage.class("web", &Value::Null).await;
    let well = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&well);
    stage.provider.answer(move |_| {
        if now.load(Ordering::SeqCst) {
            files("v1", &[("foo", "secret")])
        } else {
            Err(Status::not_found("it is gone"))
        }
    });
    let pod = stage.pod("web", "web").await;
    stage.first_look(&pod).await;
    let user = viewer(&stage).await;

    well.store(false, Ordering::SeqCst);
    let about_pod = |event: &Value| text(event, "/involvedObject/uid") == pod.uid;
    let event = user
        .event(&stage.namespace, |event| about_pod(event) && event["reason"] == "MountRotationFailed")
        .await;
    assert_eq!(event["type"], "Warning", "{event:#}");
    let name = format!("web-{}-web", stage.namespace);
    let condition = |status: &Value| {
        let conditions = status.pointer("/status/conditions")?.as_array()?;
        conditions.iter().find(|condition| condition["type"] == "RotationSucceeded").cloned()
    };
    let is =
        |value: &'static str| move |status: &Value| condition(status).is_some_and(|it| it["status"] == value);
    let status = user.until(STATUSES, &stage.namespace, &name, is("False")).await;
    let told = condition(&status).expect("just seen");
    assert!(!text(&told, "/reason").is_empty() && !text(&told, "/message").is_empty(), "{told:#}");
    assert!(!text(&status, "/status/lastSuccessTime").is_empty(), "{status:#}");
    assert_eq!(status["status"]["mounted"], true);

    well.store(true, Ordering::SeqCst);
    user.until(STATUSES, &stage.namespace, &name, is("True")).await;
    assert_eq!(stage.containers.looks(&pod.uid).len(), 1, "the old content stayed as it was");
    stage.clear().await;
}

/// The API as a user with the role `view` in the namespace of the test sees it.
async fn viewer(stage: &Stage) -> Cluster {
    let cluster = &stage.cluster;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {
            "name": "secretproviderclasspodstatuses-viewer-role",
            "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"},
        },
        "rules": [{"apiGroups": ["secrets-store.csi.x-k8s.io"], "resources": ["secretproviderclasspodstatuses"],
                   "verbs": ["get", "list", "watch"]}],
    });
    // Another test may have made it.
    let _ = cluster.try_create(&role).await;
    let meta = json!({"name": "viewer", "namespace": stage.namespace});
    cluster.create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})).await;
    cluster
        .create(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "viewer", "namespace": stage.namespace}],
        }))
        .await;
    Cluster::with_kubeconfig(&kubeconfig_of(cluster, &stage.namespace, "viewer").await).await
}

/// An hour is not waited for when the author of the class wants its content now.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn issue_2061_a_refresh_on_demand_reaches_the_container() {
    let stage = Stage::on_node("refresh", Options::rotating("1h")).await;
    stage.class("web", &Value::Null).await;
    let pod = stage.pod("web", "web").await;
    stage.first_look(&pod).await;
    stage.provider.answer(|_| files("v2", &[("foo", "rotated")]));
    let patch = json!({"metadata": {"annotations": {"keymount.io/refresh": "now"}}});
    stage.cluster.patch(CLASSES, &stage.namespace, "web", &patch).await;
    stage.sees(&pod, "foo", "rotated").await;
    assert_eq!(stage.provider.calls().len(), 2);
    stage.clear().await;
}

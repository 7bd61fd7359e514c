//! SecretProviderClassPodStatus: what it says, with either driver's definitions installed, and that nobody
//! believes it.

use std::time::Duration;

use keymount_emulator::kubernetes::Verb;
use keymount_stack_tests::{Mount, Node, NodeOptions, STATUSES, data, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::sleep;
use tonic::Status;

const HOUR: Duration = Duration::from_secs(3600);

fn condition<'a>(status: &'a Value, type_: &str) -> &'a Value {
    let conditions = status["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == type_).unwrap_or(&Value::Null)
}

fn patch(node: &Node, patch: &Value) {
    node.api.patch(STATUSES, "default", "web-default-web", patch).expect("a status object");
}

paused_stack_test!(a_mounted_volume_is_told_in_the_go_drivers_fields_and_ours, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=10m"])).await;
    node.provider.answer(|_| reply("v1", &[("b", "2"), ("a", "1")]));
    node.publish().await.unwrap();
    let object = node.status(|_| true).await;
    let metadata = &object["metadata"];
    assert_eq!(metadata["labels"], json!({"internal.secrets-store.csi.k8s.io/node-name": "node-1"}));
    assert_eq!(
        metadata["ownerReferences"],
        json!([{"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": node.pod_uid}])
    );
    let mut status = object["status"].clone();
    let conditions = status["conditions"].take();
    let success = status["lastSuccessTime"].take();
    assert!(success.as_str().unwrap().starts_with("2026-11-24T12:00:0"), "{success}");
    assert_eq!(
        status,
        json!({
            "podName": "web", "secretProviderClassName": "web", "mounted": true,
            "targetPath": node.target().display().to_string(),
            "objects": [{"id": "secret/a", "version": "v1"}, {"id": "secret/b", "version": "v1"}],
            "conditions": null, "lastSuccessTime": null,
        })
    );
    let types: Vec<_> =
        conditions.as_array().unwrap().iter().map(|c| (c["type"].clone(), c["status"].clone())).collect();
    assert_eq!(types, [(json!("Mounted"), json!("True")), (json!("RotationSucceeded"), json!("True"))]);
});

// The Go driver's definitions know neither conditions nor lastSuccessTime: the API server prunes them.
paused_stack_test!(with_the_go_drivers_definitions_everything_works_without_a_write_loop, |_| async {
    let mut node =
        Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m", "--secret-repair-interval=1m"]))
            .await;
    let mut definition =
        node.api.get("customresourcedefinitions.apiextensions.k8s.io", "", STATUSES).unwrap();
    for version in definition["spec"]["versions"].as_array_mut().unwrap() {
        let status = &mut version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
        for field in ["certificates", "conditions", "lastSuccessTime"] {
            status.as_object_mut().unwrap().remove(field).expect("a field of ours");
        }
    }
    node.put(&definition);
    node.put_class(
        "web",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]),
    );
    node.provider.answer(|_| reply("v1", &[("password", "first"), ("tls.crt", super::certificates::LEAF)]));
    node.publish().await.unwrap();
    let status = node.status(|status| status["status"]["mounted"] == true).await;
    assert_eq!(status["status"]["conditions"], Value::Null);
    assert_eq!(status["status"]["certificates"], Value::Null);
    node.secret("s", |secret| !secret.is_null()).await;
    let quiet = |node: &Node, most: u64| {
        let writes = node.api.journal().count(Verb::Create, "secretproviderclasspodstatuses")
            + node.api.journal().count(Verb::Update, "secretproviderclasspodstatuses");
        assert!(writes <= most, "{writes}");
        node.api.journal().reset();
    };
    node.api.journal().reset();
    sleep(HOUR).await;
    assert_eq!(node.api.journal().writes(), 0);
    // Failures cannot be told there: one attempt to, per change.
    node.provider.answer(|_| Err(Status::internal("boom")));
    sleep(HOUR).await;
    quiet(&node, 1);
    node.provider.answer(|_| reply("v2", &[("password", "second"), ("tls.crt", super::certificates::LEAF)]));
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    sleep(HOUR).await;
    quiet(&node, 2);
    // A restart looks once, and has nothing to say.
    node.stop_driver().await;
    node.start_driver().await;
    node.publish().await.unwrap();
    sleep(HOUR).await;
    quiet(&node, 0);
    assert_eq!(node.secret_data("s")["p"], "second");
    // A mount that fails is told as far as it can be.
    node.provider.answer(|_| Err(Status::internal("boom")));
    let failing = Mount::new("failing", &node.put_pod("failing"));
    for _ in 0..20 {
        node.publish_mount(&failing).await.unwrap_err();
        sleep(Duration::from_secs(60)).await;
    }
    let status = node.cluster.status("failing", "web", |_| true).await;
    assert_eq!(status["status"], json!({"podName": "failing", "secretProviderClassName": "web"}));
    // One for this pod, one for the rotation of the other that fails with it.
    quiet(&node, 2);
});

// Of a pod that waits for its volume people learn why without reading logs, and no more than they may know.
paused_stack_test!(a_failed_mount_is_told_when_its_reason_changes_and_forgotten_with_its_pod, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.provider.answer(|_| {
        Err(Status::unknown(
            "failed to get objectType:secret, objectName:db-password, objectVersion:: GET https://kv-prod.vault.azure.net/x\n\
             ERROR CODE: Forbidden\noid=11111111-2222; addr 10.0.0.4",
        ))
    });
    for _ in 0..10 {
        node.publish().await.unwrap_err();
        sleep(Duration::from_secs(30)).await;
    }
    let status = node.status(|_| true).await;
    assert_eq!(status["status"]["mounted"], Value::Null);
    let mounted = condition(&status, "Mounted");
    assert_eq!((&mounted["status"], &mounted["reason"]), (&json!("False"), &json!("ProviderError")));
    let message = mounted["message"].as_str().unwrap();
    assert!(message.contains("objectName: db-password, Forbidden"), "{message}");
    for hidden in ["kv-prod", "1111", "10.0.0.4"] {
        assert!(!status.to_string().contains(hidden), "{status}");
    }
    let updates = || node.api.journal().count(Verb::Update, "secretproviderclasspodstatuses");
    assert_eq!(updates(), 0, "ten times the same reason is one write");
    // Another reason is news, and success is.
    node.api
        .patch(keymount_stack_tests::CLASSES, "default", "web", &json!({"spec": {"provider": "absent"}}))
        .unwrap();
    sleep(Duration::from_secs(5)).await;
    node.publish().await.unwrap_err();
    node.status(|status| condition(status, "Mounted")["reason"] == "ProviderNotFound").await;
    node.api
        .patch(keymount_stack_tests::CLASSES, "default", "web", &json!({"spec": {"provider": "test"}}))
        .unwrap();
    node.provider.answer(|_| reply("v1", &[("password", "first")]));
    sleep(Duration::from_secs(5)).await;
    node.publish().await.unwrap();
    let status = node.status(|status| status["status"]["mounted"] == true).await;
    assert_eq!(condition(&status, "Mounted")["status"], "True");
    // A pod that never came to mount is not remembered for ever: its object is the collector's.
    let never = Mount::new("never", "uid-never").class("missing");
    node.publish_mount(&never).await.unwrap_err();
    node.cluster.status("never", "missing", |_| true).await;
    sleep(HOUR).await;
    node.api.delete(STATUSES, "default", "never-default-missing").unwrap();
    sleep(HOUR).await;
    assert!(node.api.get(STATUSES, "default", "never-default-missing").is_none());
});

// CVE-2020-8568: users of the namespace can write anything into these objects.
paused_stack_test!(i7_forged_status_objects_change_nothing, |_| async {
    let mut node =
        Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m", "--secret-repair-interval=1m"]))
            .await;
    node.put_class(
        "web",
        &json!([{"secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}]}]),
    );
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    let host = node.path("host");
    std::fs::create_dir(&host).unwrap();
    std::fs::write(host.join("password"), "precious").unwrap();
    let before = std::fs::metadata(host.join("password")).unwrap().modified().unwrap();
    let forgeries = [
        json!({"status": {"targetPath": host, "mounted": true}}),
        json!({"metadata": {"labels": null}}),
        json!({"metadata": {"labels": null, "annotations": {"x": "y"}, "ownerReferences": null}}),
        json!({"status": {"podName": "other", "secretProviderClassName": "other"}}),
        json!({"status": {"objects": [{"id": "../../etc/passwd", "version": "v9"}]}}),
        json!({"status": {"objects": null, "targetPath": null, "conditions": [{"type": "Mounted", "status": "False"}]}}),
        json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "other", "uid": "u"}]}}),
    ];
    for (round, forgery) in forgeries.iter().enumerate() {
        node.status(|_| true).await;
        patch(&node, forgery);
        if round % 2 == 1 {
            node.stop_driver().await;
            node.start_driver().await;
            node.publish().await.unwrap();
        }
        let (version, content) = (format!("v{round}+"), format!("content {round}"));
        let answer = (version.clone(), content.clone());
        node.provider.answer(move |_| reply(&answer.0, &[("password", &answer.1)]));
        node.secret("s", |secret| data(secret).get("p") == Some(&content)).await;
        assert_eq!(node.read("password").as_deref(), Some(content.as_str()), "{forgery}");
        let told = node.provider.calls().pop().unwrap();
        assert_eq!(told.target_path, node.target().display().to_string(), "{forgery}");
        // What the driver knows is what it tells, under either name.
        sleep(Duration::from_secs(120)).await;
        let all = node.api.list(STATUSES, "default");
        let right = all.iter().find(|status| {
            status["status"]["objects"][0]["version"] == version.as_str()
                && status["status"]["targetPath"] == node.target().display().to_string()
                && status["metadata"]["labels"]["internal.secrets-store.csi.k8s.io/node-name"] == "node-1"
        });
        assert!(right.is_some(), "{forgery}\n{all:#?}");
    }
    assert_eq!(std::fs::read_to_string(host.join("password")).unwrap(), "precious");
    assert_eq!(std::fs::metadata(host.join("password")).unwrap().modified().unwrap(), before);
    node.unpublish().await.unwrap();
    assert!(host.exists() && node.mounts().is_empty());
});

paused_stack_test!(what_others_add_to_the_object_stays_and_times_survive_a_restart, |_| async {
    let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.publish().await.unwrap();
    let first = node.status(|_| true).await;
    patch(
        &node,
        &json!({"metadata": {
            "labels": {"theirs": "1"}, "annotations": {"theirs": "2"}, "finalizers": ["example.com/keep"],
        }}),
    );
    sleep(HOUR).await;
    node.stop_driver().await;
    node.start_driver().await;
    node.publish().await.unwrap();
    node.provider.answer(|_| Err(Status::internal("boom")));
    let status = node.status(|status| condition(status, "RotationSucceeded")["status"] == "False").await;
    let metadata = &status["metadata"];
    assert_eq!(
        (&metadata["labels"]["theirs"], &metadata["annotations"]["theirs"], &metadata["finalizers"][0]),
        (&json!("1"), &json!("2"), &json!("example.com/keep"))
    );
    let since = |status: &Value, type_: &str| condition(status, type_)["lastTransitionTime"].clone();
    assert_eq!(since(&status, "Mounted"), since(&first, "Mounted"), "mounted since then");
    assert_ne!(since(&status, "RotationSucceeded"), since(&first, "RotationSucceeded"));
    assert_eq!(status["status"]["objects"], first["status"]["objects"], "versions are known from the volume");
});

paused_stack_test!(without_the_definitions_mounts_say_what_is_missing_and_volumes_go_on, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.publish().await.unwrap();
    let definitions = ["secretproviderclasses.secrets-store.csi.x-k8s.io", STATUSES];
    for name in definitions {
        node.api.delete("customresourcedefinitions.apiextensions.k8s.io", "", name).unwrap();
    }
    let other = Mount::new("other", "uid-other").class("other");
    let error = node.publish_mount(&other).await.unwrap_err();
    assert!(
        error.message().starts_with("failed to get secretproviderclass default/other, error: "),
        "{error}"
    );
    node.publish().await.unwrap();
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    sleep(HOUR).await;
    node.publish().await.unwrap();
    node.unpublish().await.unwrap();
});

paused_stack_test!(events_are_from_the_go_drivers_component_and_say_percent_as_it_is, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    let object = |name: &str, object: &str| json!({"secretName": name, "type": "Opaque", "data": [{"objectName": object, "key": "p"}]});
    node.put_class("web", &json!([object("s", "password"), object("t", "100%d%s")]));
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    node.secret("s", |secret| data(secret).get("p").is_some_and(|p| p == "second")).await;
    node.provider.answer(|_| Err(Status::internal("boom")));
    sleep(Duration::from_secs(120)).await;
    let events = node.api.list("events", "default");
    let find = |reason: &str| {
        let found = events.iter().find(|event| event["reason"] == reason);
        found.unwrap_or_else(|| panic!("no {reason} in {events:#?}"))
    };
    for (reason, type_, begin) in [
        (
            "FailedToCreateSecret",
            "Warning",
            "failed to get data in spc default/web for secret t, err: file matching objectName 100%d%s not found in the pod",
        ),
        ("MountRotationComplete", "Normal", "successfully rotated mounted contents for spc default/web"),
        ("SecretRotationComplete", "Normal", "successfully rotated K8s secret s"),
        ("MountRotationFailed", "Warning", "provider mount err: "),
    ] {
        let event = find(reason);
        assert_eq!(event["type"], type_);
        assert!(event["message"].as_str().unwrap().starts_with(begin), "{event:#}");
        assert_eq!(event["source"], json!({"component": "csi-secrets-store-controller", "host": "node-1"}));
        let about = &event["involvedObject"];
        assert_eq!(
            (&about["kind"], &about["name"], &about["uid"]),
            (&json!("Pod"), &json!("web"), &json!(node.pod_uid))
        );
    }
});

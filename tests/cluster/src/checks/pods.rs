//! Pods: defaults, what may change, graceful deletion.

use serde_json::{Value, json};

use crate::{Form, Target};

async fn make(t: &Target, name: &str, spec: Value) -> Value {
    let mut pod = json!({"metadata": {"name": name}, "spec": {"automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i:1"}]}});
    for (field, value) in spec.as_object().cloned().unwrap_or_default() {
        pod["spec"][field] = value;
    }
    t.post(&t.core("pods"), &pod).await.body_of(201)
}

/// What every pod has.
pub async fn defaults(t: &Target) {
    let pod = make(t, "a", json!({"volumes": [{"name": "v", "csi": {"driver": "d.test", "readOnly": true, "volumeAttributes": {"secretProviderClass": "c"}}}]})).await;
    let spec = &pod["spec"];
    assert_eq!(
        (&spec["serviceAccountName"], &spec["restartPolicy"], &spec["terminationGracePeriodSeconds"]),
        (&json!("default"), &json!("Always"), &json!(30))
    );
    assert_eq!(
        (&spec["dnsPolicy"], &spec["schedulerName"], &spec["securityContext"]),
        (&json!("ClusterFirst"), &json!("default-scheduler"), &json!({}))
    );
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(spec["volumes"][0]["csi"]["volumeAttributes"], json!({"secretProviderClass": "c"}));
    assert_eq!(
        (&pod["status"]["phase"], &pod["status"]["qosClass"]),
        (&json!("Pending"), &json!("BestEffort"))
    );
}

/// A pod needs containers and a service account.
pub async fn refused(t: &Target) {
    let reply =
        t.post(&t.core("pods"), &json!({"metadata": {"name": "a"}, "spec": {"containers": []}})).await;
    reply.fails(422, "Invalid", "Pod \"a\" is invalid: spec.containers: Required value");
    let pod = json!({"metadata": {"name": "a"}, "spec": {"serviceAccountName": "none", "containers": [{"name": "c", "image": "i"}]}});
    let message = format!(
        "pods \"a\" is forbidden: error looking up service account {}/none: serviceaccount \"none\" not found",
        t.namespace
    );
    t.post(&t.core("pods"), &pod).await.fails(403, "Forbidden", &message);
}

/// Little of a pod can change.
pub async fn specs_are_fixed(t: &Target) {
    make(t, "a", json!({})).await;
    let reply = t.patch(Form::Merge, &t.core("pods/a"), &json!({"spec": {"nodeName": "n"}})).await;
    reply.fails_with_prefix(422, "Invalid", "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,");
    let image = json!({"spec": {"containers": [{"name": "c", "image": "i:2"}]}});
    assert_eq!(
        t.patch(Form::Strategic, &t.core("pods/a"), &image).await.body_of(200)["spec"]["containers"][0]["image"],
        "i:2"
    );
    let status = t
        .patch(Form::Merge, &t.core("pods/a/status"), &json!({"status": {"phase": "Running"}}))
        .await
        .body_of(200);
    assert_eq!(status["status"]["phase"], "Running");
}

/// A pod on a node goes when its node says so, or at once when asked.
pub async fn graceful_deletion(t: &Target) {
    make(t, "a", json!({"nodeName": "n.test"})).await;
    let path = t.core("pods/a");
    let deleted = t.delete(&path, &json!(null)).await.body_of(200);
    assert_eq!(
        (&deleted["kind"], &deleted["metadata"]["deletionGracePeriodSeconds"]),
        (&json!("Pod"), &json!(30))
    );
    let shorter = t.delete(&path, &json!({"gracePeriodSeconds": 5})).await.body_of(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let longer = t.delete(&path, &json!({"gracePeriodSeconds": 60})).await.body_of(200);
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 5);
    t.get(&path).await.expect(200);
    assert_eq!(t.delete(&path, &json!({"gracePeriodSeconds": 0})).await.body_of(200)["kind"], "Pod");
    assert_eq!(t.get(&path).await.code, 404);
}

/// A pod that is nowhere, or has ended, goes at once.
pub async fn immediate_deletion(t: &Target) {
    make(t, "a", json!({})).await;
    assert_eq!(t.delete(&t.core("pods/a"), &json!(null)).await.body_of(200)["kind"], "Pod");
    assert_eq!(t.get(&t.core("pods/a")).await.code, 404);
    make(t, "b", json!({"nodeName": "n.test"})).await;
    t.patch(Form::Merge, &t.core("pods/b/status"), &json!({"status": {"phase": "Succeeded"}}))
        .await
        .expect(200);
    t.delete(&t.core("pods/b"), &json!(null)).await.expect(200);
    assert_eq!(t.get(&t.core("pods/b")).await.code, 404);
}

/// The pods of one node.
pub async fn by_node(t: &Target) {
    make(t, "a", json!({"nodeName": "n.test"})).await;
    make(t, "b", json!({})).await;
    let list = t.get(&format!("{}?fieldSelector=spec.nodeName%3Dn.test", t.core("pods"))).await.body_of(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["metadata"]["name"], "a");
    let mut watch =
        t.watch(&format!("{}?fieldSelector=spec.nodeName%3Dn.test&timeoutSeconds=30", t.core("pods"))).await;
    assert_eq!(watch.next_change().await, ("ADDED".to_owned(), "a".to_owned()));
    t.delete(&t.core("pods/a"), &json!({"gracePeriodSeconds": 0})).await.expect(200);
    let mut last = watch.next_change().await;
    // The server marks the pod before it removes it.
    if last.0 == "MODIFIED" {
        last = watch.next_change().await;
    }
    assert_eq!(last, ("DELETED".to_owned(), "a".to_owned()));
}

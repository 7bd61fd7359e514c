//! `keymount doctor` of a cluster and a node.

use k8s_openapi::api::apps::v1::DaemonSet;
use keymount_stack_tests::{csi_driver, stack_test};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::transcript::recorded;

fn daemon_set(name: &str, account: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": "platform"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "serviceAccountName": account, "containers": [{"name": "main", "image": format!("registry.test/{name}:v1")}],
            }},
        },
    })
}

async fn install(scene: &Scene) {
    let client = scene.api().client(None).await.expect("a client");
    let sets: Api<DaemonSet> = Api::namespaced(client, "platform");
    for (name, account) in [
        ("secrets-store-csi-driver", "secrets-store-csi-driver"),
        ("csi-secrets-store-provider-azure", "provider"),
    ] {
        scene.node.put(&daemon_set(name, account));
        let counts = json!({"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1});
        let status = Patch::Merge(json!({"status": counts}));
        sets.patch_status(name, &PatchParams::default(), &status).await.expect("a DaemonSet");
    }
    let group = "secrets-store.csi.x-k8s.io";
    scene.node.put(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "driver"},
        "rules": [
            {"apiGroups": [group], "resources": ["secretproviderclasses"], "verbs": ["get", "watch"]},
            {"apiGroups": [group], "resources": ["secretproviderclasspodstatuses"], "verbs": ["get", "create", "update"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
            {"apiGroups": ["storage.k8s.io"], "resources": ["csidrivers"], "verbs": ["get", "watch"]},
        ],
    }));
    scene.node.put(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "driver"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "driver"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "platform", "name": "secrets-store-csi-driver"}],
    }));
}

/// Verdicts by area and name.
fn verdict(report: &Value, area: &str, name: &str) -> String {
    let checks = report["checks"].as_array().expect("checks");
    let found: Vec<_> =
        checks.iter().filter(|check| check["area"] == area && check["name"] == name).collect();
    assert!(!found.is_empty(), "nobody looked at {area} {name}: {report:#}");
    found.iter().map(|check| check["verdict"].as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

stack_test!(what_is_well_is_said_to_be_and_what_is_not_is_found, async |_| {
    let scene = Scene::start().await;
    install(&scene).await;
    scene.put_class(|_| {});
    let web = scene.pod("web").await;
    assert!(scene.mount(&web).await);
    scene.condition("web", "Mounted", "True").await;
    let doctor = async |more: &[&str]| {
        let said = scene.run(&[&["doctor", "--no-node", "-o", "json"], more].concat()).await;
        (
            said.code,
            serde_json::from_str::<Value>(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.err)),
        )
    };
    let (code, report) = doctor(&[]).await;
    assert_eq!(code, Some(0), "{report:#}");
    for (area, name) in [
        ("API server", "version"),
        ("API server", "clock"),
        ("Definitions", "classes"),
        ("Definitions", "states"),
        ("CSIDriver object", "podInfoOnMount"),
        ("CSIDriver object", "tokenRequests"),
        ("DaemonSets", "driver"),
        ("DaemonSets", "provider azure"),
        ("Nodes", "registration"),
        ("Rights", "driver"),
        ("Rights", "secret sync"),
        ("Volumes", "mounted"),
        ("Classes", "lint"),
        ("Network", "vault"),
        ("Network", "issuer"),
    ] {
        assert_eq!(verdict(&report, area, name), "good", "{area} {name}: {report:#}");
    }

    let said = scene.run(&["doctor", "--no-node"]).await;
    recorded("cli.md", "doctor", &["doctor"], &said.out);

    scene.node.put(&csi_driver(&json!({"podInfoOnMount": false})));
    scene.put_class(|class| {
        Scene::with_secret(class, "pasword");
        class["spec"]["parameters"]["keyvaultName"] = "kv-of-shop".into();
    });
    scene.node.put(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "aks-pool-7", "labels": {"kubernetes.io/os": "linux"}}}));
    let (code, report) = doctor(&[]).await;
    assert_eq!(code, Some(1));
    for (area, name, expected) in [
        ("CSIDriver object", "podInfoOnMount", "bad"),
        ("CSIDriver object", "tokenRequests", "doubtful"),
        ("Rights", "secret sync", "bad"),
        ("Classes", "lint", "bad"),
        ("Nodes", "registration", "doubtful"),
        ("Network", "vault", "doubtful"),
    ] {
        assert_eq!(verdict(&report, area, name), expected, "{area} {name}: {report:#}");
    }
    // What goes into an issue names nobody.
    let said = scene.run(&["doctor", "--no-node", "-o", "report"]).await;
    for name in ["aks-pool-7", "kv-of-shop", "platform/", "registry.test", "keymount.test"] {
        assert!(!said.out.contains(name), "{name} is in\n{}", said.out);
    }
    assert!(said.out.contains("<node-") && said.out.contains("<host-"), "{}", said.out);
});

stack_test!(a_node_is_looked_at_through_its_sockets, async |_| {
    let mut scene = Scene::start().await;
    let root = scene.node.path("");
    let plugin = root.join("plugins/csi-secrets-store");
    std::fs::create_dir_all(&plugin).expect("a directory");
    std::os::unix::fs::symlink(scene.node.path("csi.sock"), plugin.join("csi.sock")).expect("a link");
    let (root, providers) = (root.display().to_string(), scene.node.path("providers").display().to_string());
    let arguments =
        ["doctor", "--only-node", "--kubelet-dir", &root, "--provider-dir", &providers, "-o", "json"];
    let said = scene.run(&arguments).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("azure: secrets-store-csi-driver-provider-azure"), "{}", said.out);
    assert!(said.out.contains("secrets-store.csi.k8s.io "), "{}", said.out);
    scene.stop_provider();
    scene.node.stop_driver().await;
    let said = scene.run(&arguments).await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    let report: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(verdict(&report, "This node", "driver"), "bad");
    assert_eq!(verdict(&report, "This node", "registration socket"), "bad");
});

//! Kubernetes Secrets made of mounted files, on one node.

use std::time::Duration;

use keymount_emulator::kubernetes::{Denial, Verb};
use keymount_proto::provider::{File, MountRequest};
use keymount_stack_tests::{Mount, Node, NodeOptions, Reply, data, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const HOUR: Duration = Duration::from_secs(3600);

fn object(secret: &str, type_: &str, data: &[(&str, &str)]) -> Value {
    let data: Vec<_> = data.iter().map(|(object, key)| json!({"objectName": object, "key": key})).collect();
    json!({"secretName": secret, "type": type_, "data": data})
}

fn password(secret: &str) -> Value {
    json!([object(secret, "Opaque", &[("password", "p")])])
}

/// A provider that sends these files.
fn files(files: &'static [(&'static str, &'static [u8])]) -> impl Fn(&MountRequest) -> Reply {
    move |_| {
        let mut response = reply("v1", &[("files", "")])?;
        let file = |(path, contents): &(&str, &[u8])| File {
            path: (*path).to_owned(),
            mode: 0o644,
            contents: contents.to_vec(),
        };
        response.files = files.iter().map(file).collect();
        Ok(response)
    }
}

fn owner_uids(secret: &Value) -> Vec<&str> {
    let owners = secret["metadata"]["ownerReferences"].as_array();
    let mut uids: Vec<_> = owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str()).collect();
    uids.sort_unstable();
    uids
}

/// Message of the condition about Secrets, once it is there.
async fn trouble(node: &Node) -> Value {
    let unsynced =
        |condition: &&Value| condition["type"] == "SecretsSynced" && condition["status"] == "False";
    let find = |status: &Value| {
        let conditions = status["status"]["conditions"].as_array();
        conditions.into_iter().flatten().find(unsynced).cloned()
    };
    find(&node.status(|status| find(status).is_some()).await).expect("a condition")
}

async fn no_trouble(node: &Node) {
    node.status(|status| {
        let conditions = status["status"]["conditions"].as_array();
        conditions.into_iter().flatten().all(|condition| condition["status"] == "True")
    })
    .await;
}

paused_stack_test!(every_type_of_secret_is_made, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.provider.answer(files(&[
        ("user", b"u"),
        ("dir/nested", b"n"),
        ("binary", b"\x00\xff\xfe"),
        ("docker", br#"{"auths":{}}"#),
        ("id", b"abcdef"),
        ("secret", b"0123456789abcdef"),
        ("empty", b""),
    ]));
    let wanted = [
        object("opaque", "Opaque", &[("user", "u"), ("dir/nested", "n"), ("binary", "b"), ("empty", "e")]),
        object("basic", "kubernetes.io/basic-auth", &[("user", "username"), ("user", "password")]),
        object("ssh", "kubernetes.io/ssh-auth", &[("user", "ssh-privatekey")]),
        object("dockerjson", "kubernetes.io/dockerconfigjson", &[("docker", ".dockerconfigjson")]),
        object("dockercfg", "kubernetes.io/dockercfg", &[("docker", ".dockercfg")]),
        object(
            "bootstrap",
            "bootstrap.kubernetes.io/token",
            &[("id", "token-id"), ("secret", "token-secret")],
        ),
        object("custom", "example.com/anything", &[(" user ", " key ")]),
    ];
    node.put_class("web", &json!(wanted));
    node.publish().await.unwrap();
    for object in &wanted {
        let name = object["secretName"].as_str().unwrap();
        let secret = node.secret(name, |secret| !secret.is_null()).await;
        assert_eq!(secret["type"], object["type"]);
        assert_eq!(secret["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"], "true");
        assert_eq!(owner_uids(&secret), ["uid-of-web"]);
    }
    let opaque = node.api.get("secrets", "default", "opaque").unwrap();
    assert_eq!(opaque["data"], json!({"u": "dQ==", "n": "bg==", "b": "AP/+", "e": ""}));
    let owner = &opaque["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["controller"], &owner["blockOwnerDeletion"]),
        (&json!("ReplicaSet"), &Value::Null, &Value::Null)
    );
    assert_eq!(node.secret_data("custom"), [("key".to_owned(), "u".to_owned())].into());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(node.metric("sync_k8s_secret_total", r#"provider="test""#), 7.0);
    assert_eq!(node.metric("total_sync_k8s_secret", r#"provider="test""#), 7.0);
});

macro_rules! fixture {
    ($path:literal) => {
        include_bytes!(concat!("../../../../crates/pem/tests/fixtures/", $path))
    };
}

// The Go driver writes empty keys, or fails, for most of these.
paused_stack_test!(tls_secrets_are_made_from_pem_and_pfx_and_never_of_nothing, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    const PEM: &[u8] = fixture!("certificates/leaf.pem");
    node.provider.answer(files(&[
        ("legacy", fixture!("pfx/legacy-rsa-chain.pfx")),
        ("modern", fixture!("pfx/modern-p256-chain.pfx")),
        ("ed25519", fixture!("pfx/modern-ed25519.pfx")),
        ("cert", PEM),
        ("key", fixture!("keys/ed25519.pem")),
        ("pkcs1", fixture!("keys/rsa-pkcs1.pem")),
        ("public", fixture!("keys/p256-public.pem")),
        ("junk", b"no certificate"),
    ]));
    let tls = |name: &str, certificate: &str, key: &str| {
        object(name, "kubernetes.io/tls", &[(certificate, "tls.crt"), (key, "tls.key")])
    };
    node.put_class(
        "web",
        &json!([
            tls("legacy", "legacy", "legacy"),
            object(
                "modern",
                "kubernetes.io/tls",
                &[("modern", "tls.crt"), ("modern", "tls.key"), ("modern", "ca.crt")]
            ),
            tls("ed25519", "ed25519", "ed25519"),
            tls("separate", "cert", "key"),
            tls("pkcs1", "cert", "pkcs1"),
            tls("public", "cert", "public"),
            tls("junk", "junk", "key"),
            object("half", "kubernetes.io/tls", &[("cert", "tls.crt")]),
            object("other", "kubernetes.io/tls", &[("cert", "tls.crt"), ("key", "tls.pem")]),
        ]),
    );
    node.publish().await.unwrap();
    for (name, certificates, key) in [
        ("legacy", 3, "RSA PRIVATE KEY"),
        ("modern", 3, "EC PRIVATE KEY"),
        ("ed25519", 1, "PRIVATE KEY"),
        ("separate", 1, "PRIVATE KEY"),
        ("pkcs1", 1, "RSA PRIVATE KEY"),
    ] {
        let data = data(&node.secret(name, |secret| !secret.is_null()).await);
        assert_eq!(data["tls.crt"].matches("BEGIN CERTIFICATE").count(), certificates, "{name}");
        assert!(data["tls.key"].starts_with(&format!("-----BEGIN {key}-----\n")), "{name}");
        assert_eq!(data.contains_key("ca.crt"), name == "modern");
    }
    sleep(Duration::from_secs(60)).await;
    let events = node.events("web");
    for (name, why) in [
        (
            "public",
            "failed to get data in spc default/web for secret public, err: failed to get cert data from file public, err: ",
        ),
        (
            "junk",
            "failed to get data in spc default/web for secret junk, err: failed to get cert data from file junk, err: ",
        ),
        (
            "half",
            "failed to validate secret object in spc default/web, err: a Secret of type kubernetes.io/tls needs both",
        ),
        (
            "other",
            "failed to get data in spc default/web for secret other, err: failed to get cert data from file key, err: key 'tls.pem' is not supported. Only 'tls.key' and 'tls.crt' are supported",
        ),
    ] {
        assert!(node.api.get("secrets", "default", name).is_none(), "{name}");
        let told = events.iter().any(|event| event.starts_with(&format!("FailedToCreateSecret: {why}")));
        assert!(told, "{why}\n{events:#?}");
    }
    assert_eq!(node.metric("keymount_sync_k8s_secret_error_total", ""), 4.0);
});

paused_stack_test!(mistakes_in_a_class_are_told_and_stop_no_other_secret, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    for (objects, reason, text) in [
        (json!([object("", "Opaque", &[("password", "p")])]), "SecretObjectInvalid", "secret name is empty"),
        (json!([object("a", "", &[("password", "p")])]), "SecretObjectInvalid", "secret type is empty"),
        (json!([object("a", "Opaque", &[])]), "SecretObjectInvalid", "data is empty"),
        (
            json!([object("a", "Opaque", &[("", "p")])]),
            "SecretDataMissing",
            "object name in secretObjects.data",
        ),
        (
            json!([object("a", "Opaque", &[("password", "")])]),
            "SecretDataMissing",
            "key in secretObjects.data is empty",
        ),
        (
            json!([object("a", "Opaque", &[("password", "a/b")])]),
            "SecretDataMissing",
            "key \"a/b\" in secretObjects.data is not valid",
        ),
        (json!([object("a", "Opaque", &[("password", "..a")])]), "SecretDataMissing", "is not valid"),
        (
            json!([object("a", "Opaque", &[("absent", "p")])]),
            "SecretDataMissing",
            "file matching objectName absent not found in the pod (mounted are: password",
        ),
        (
            json!([object("a", "Opaque", &[("password", "p")]), object("a", "Opaque", &[("password", "q")])]),
            "SecretObjectInvalid",
            "several secretObjects have the same secretName",
        ),
        (
            json!([object("a", "kubernetes.io/dockerconfigjson", &[("password", ".dockerconfigjson")])]),
            "SecretRefused",
            "the Kubernetes API refused secret a: Invalid (data[.dockerconfigjson] FieldValueInvalid)",
        ),
    ] {
        let mut all = objects.as_array().unwrap().clone();
        all.push(object("good", "Opaque", &[("password", "p")]));
        node.put_class("web", &json!(all));
        node.publish().await.unwrap();
        let condition = trouble(&node).await;
        assert_eq!(condition["reason"], reason, "{condition}");
        assert!(condition["message"].as_str().unwrap().contains(text), "{condition}\n{text}");
        assert!(node.api.get("secrets", "default", "a").is_none());
        node.secret("good", |secret| !secret.is_null()).await;
        // Put right, it is forgotten.
        node.put_class("web", &password("good"));
        no_trouble(&node).await;
        node.unpublish().await.unwrap();
        node.api.delete("secrets", "default", "good").unwrap();
    }
});

paused_stack_test!(a_secret_that_cannot_be_stored_is_an_error_before_it_is_sent, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    node.provider.answer(|_| reply("v1", &[("password", &"x".repeat(1024 * 1024 + 1))]));
    node.put_class("web", &password("s"));
    node.publish().await.unwrap();
    let condition = trouble(&node).await;
    assert_eq!(condition["reason"], "SecretTooLarge");
    assert!(condition["message"].as_str().unwrap().contains("1048577 bytes"), "{condition}");
    assert_eq!(node.api.journal().count(Verb::Create, "secrets"), 0);
    // One byte less is stored.
    node.unpublish().await.unwrap();
    node.provider.answer(|_| reply("v1", &[("password", &"x".repeat(1024 * 1024))]));
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
});

// The Go driver overwrites any Secret of that name, and has it deleted with the pod.
paused_stack_test!(foreign_secrets_are_refused_and_outlive_the_pod, |_| async {
    let node = Node::start(NodeOptions::default().with_controllers()).await;
    let foreign = |name: &str, labels: Value, annotations: Value| {
        node.put(&json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": name, "namespace": "default", "labels": labels, "annotations": annotations},
            "stringData": {"p": "precious"},
        }))
    };
    let before = [
        foreign("plain", json!({}), json!({})),
        foreign("labelled", json!({"secrets-store.csi.k8s.io/managed": "no"}), json!({})),
        foreign(
            "others",
            json!({"secrets-store.csi.k8s.io/managed": "true"}),
            json!({"keymount.io/secret-provider-class": "another"}),
        ),
    ];
    let objects: Vec<_> =
        ["plain", "labelled", "others"].map(|name| object(name, "Opaque", &[("password", "p")])).into();
    node.put_class("web", &json!(objects));
    node.publish().await.unwrap();
    trouble(&node).await;
    sleep(HOUR).await;
    for secret in &before {
        let name = secret["metadata"]["name"].as_str().unwrap();
        assert_eq!(node.api.get("secrets", "default", name).as_ref(), Some(secret));
    }
    let events = node.events("web");
    for text in [
        "plain exists and was not made by this driver",
        "labelled exists and was",
        "others holds the content of SecretProviderClass another",
    ] {
        assert!(events.iter().any(|event| event.contains(text)), "{text}: {events:#?}");
    }
    assert!(events.len() < 30, "hours of refusals are few events: {}", events.len());
    node.unpublish().await.unwrap();
    node.api.delete("pods", "default", "web").unwrap();
    sleep(HOUR).await;
    for secret in &before {
        let name = secret["metadata"]["name"].as_str().unwrap();
        assert_eq!(node.api.get("secrets", "default", name).as_ref(), Some(secret));
    }
});

paused_stack_test!(edits_and_deletions_are_repaired_and_what_others_added_stays, |_| async {
    let node = Node::start(NodeOptions::flags(&["--secret-repair-interval=1m"])).await;
    let mut wanted = object("s", "Opaque", &[("password", "p")]);
    wanted["labels"] = json!({"environment": "test"});
    wanted["annotations"] = json!({"team": "a"});
    node.put_class("web", &json!([wanted]));
    node.publish().await.unwrap();
    let first = node.secret("s", |secret| !secret.is_null()).await;
    assert_eq!(first["metadata"]["labels"]["environment"], "test");
    assert_eq!(first["metadata"]["annotations"]["team"], "a");
    let edit = |patch: Value| node.api.patch("secrets", "default", "s", &patch).unwrap();
    let edits = [
        json!({"data": {"p": "ZWRpdGVk"}}),
        json!({"data": {"p": null}}),
        json!({"data": {"more": "bW9yZQ=="}}),
        json!({"metadata": {"labels": {"environment": "edited"}}}),
        json!({"metadata": {"annotations": {"team": null}}}),
        json!({"metadata": {"labels": {"secrets-store.csi.k8s.io/managed": "true", "environment": null}}}),
    ];
    for patch in edits {
        edit(patch.clone());
        let repaired = node
            .secret("s", |secret| {
                secret["data"] == first["data"]
                    && secret["metadata"]["labels"]["environment"] == "test"
                    && secret["metadata"]["annotations"]["team"] == "a"
            })
            .await;
        assert_eq!(owner_uids(&repaired), ["uid-of-web"], "{patch}");
    }
    // Labels, annotations and owners of others are theirs.
    edit(json!({"metadata": {
        "labels": {"theirs": "1"}, "annotations": {"theirs": "2"}, "finalizers": ["example.com/keep"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "theirs"}],
    }, "data": {"p": "ZWRpdGVk"}}));
    let repaired = node.secret("s", |secret| secret["data"] == first["data"]).await;
    assert_eq!(repaired["metadata"]["labels"]["theirs"], "1");
    assert_eq!(repaired["metadata"]["annotations"]["theirs"], "2");
    assert_eq!(repaired["metadata"]["finalizers"][0], "example.com/keep");
    let repaired = node.secret("s", |secret| owner_uids(secret).len() == 2).await;
    assert_eq!(owner_uids(&repaired), ["theirs", "uid-of-web"]);
    edit(json!({"metadata": {"finalizers": null}}));
    // Deleted again and again: made again each time, within the interval.
    for _ in 0..5 {
        node.api.delete("secrets", "default", "s").unwrap();
        let gone = Instant::now();
        node.secret("s", |secret| !secret.is_null()).await;
        assert!(gone.elapsed() < Duration::from_secs(90), "{:?}", gone.elapsed());
    }
    // At rest it is looked at, and not written.
    sleep(Duration::from_secs(60)).await;
    node.api.journal().reset();
    sleep(HOUR).await;
    assert_eq!(node.api.journal().writes(), 0);
    let reads = node.api.journal().count(Verb::Get, "secrets");
    assert!((50..=75).contains(&reads), "{reads}");
    assert_eq!(
        node.api.journal().count(Verb::List, "secrets") + node.api.journal().count(Verb::Watch, "secrets"),
        0
    );
});

// What stands in a class while pods run is what the Secrets follow; the garbage collector does the rest.
paused_stack_test!(secrets_follow_the_class_while_pods_run, |_| async {
    let node = Node::start(NodeOptions::default().with_controllers()).await;
    node.provider.answer(|_| reply("v1", &[("a", "1"), ("b", "2")]));
    node.put_class("web", &json!([object("s", "Opaque", &[("a", "a")])]));
    node.publish().await.unwrap();
    node.secret("s", |secret| data(secret).len() == 1).await;
    let mut both = object("s", "Opaque", &[("a", "a"), ("b", "b")]);
    both["labels"] = json!({"one": "1"});
    node.put_class("web", &json!([both, object("t", "Opaque", &[("b", "b")])]));
    node.secret("s", |secret| data(secret).len() == 2 && secret["metadata"]["labels"]["one"] == "1").await;
    node.secret("t", |secret| !secret.is_null()).await;
    // A key and a label less, a Secret less.
    node.put_class("web", &json!([object("s", "Opaque", &[("b", "b")])]));
    let secret = node.secret("s", |secret| data(secret).len() == 1).await;
    assert_eq!((data(&secret)["b"].as_str(), &secret["metadata"]["labels"]["one"]), ("2", &Value::Null));
    sleep(HOUR).await;
    assert!(node.api.get("secrets", "default", "t").is_some(), "it has an owner still");
    assert_eq!(node.api.journal().count(Verb::Delete, "secrets"), 0, "the driver deletes none");
    // A type cannot be changed; deleted, the Secret is made with the new one.
    node.put_class("web", &json!([object("s", "example.com/new", &[("b", "b")])]));
    let condition = trouble(&node).await;
    assert_eq!(condition["reason"], "SecretTypeImmutable", "{condition}");
    node.api.delete("secrets", "default", "s").unwrap();
    node.secret("s", |secret| secret["type"] == "example.com/new").await;
    no_trouble(&node).await;
    // The class goes: nothing happens to a pod that runs.
    node.api.delete(keymount_stack_tests::CLASSES, "default", "web").unwrap();
    sleep(HOUR).await;
    assert_eq!(node.secret_data("s")["b"], "2");
    // The last pod goes: both Secrets go, also the one that had left the class.
    node.unpublish().await.unwrap();
    node.api.delete("pods", "default", "web").unwrap();
    node.secret("s", Value::is_null).await;
    node.secret("t", Value::is_null).await;
});

paused_stack_test!(an_immutable_secret_is_left_alone_and_made_again_when_deleted, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.put_class("web", &password("s"));
    node.publish().await.unwrap();
    node.secret("s", |secret| !secret.is_null()).await;
    node.api.patch("secrets", "default", "s", &json!({"immutable": true})).unwrap();
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    let condition = trouble(&node).await;
    assert_eq!(condition["reason"], "SecretImmutable", "{condition}");
    assert_eq!(node.secret_data("s")["p"], "first");
    node.api.delete("secrets", "default", "s").unwrap();
    let secret = node.secret("s", |secret| !secret.is_null()).await;
    assert_eq!(data(&secret)["p"], "second");
    no_trouble(&node).await;
});

paused_stack_test!(owners_of_several_pods_come_and_the_collector_takes_them_away, |_| async {
    let node = Node::start(NodeOptions::default().with_controllers()).await;
    node.put_class("web", &password("s"));
    let mut mounts = vec![node.mount()];
    node.publish().await.unwrap();
    node.secret("s", |secret| owner_uids(secret).len() == 1).await;
    for number in 2..5 {
        let name = format!("web-{number}");
        let mount = Mount::new(&name, &node.put_pod(&name));
        node.publish_mount(&mount).await.unwrap();
        let secret = node.secret("s", |secret| owner_uids(secret).len() == number).await;
        let kinds = secret["metadata"]["ownerReferences"].as_array().unwrap();
        assert!(kinds.iter().all(|owner| owner["kind"] == "SecretProviderClassPodStatus"), "{kinds:?}");
        mounts.push(mount);
    }
    for (left, mount) in mounts.iter().enumerate().map(|(gone, mount)| (3 - gone, mount)) {
        node.unpublish_mount(mount).await.unwrap();
        node.api.delete("pods", "default", &mount.pod).unwrap();
        node.secret("s", |secret| owner_uids(secret).len() == left).await;
    }
    assert!(node.api.get("secrets", "default", "s").is_none());
    // Nobody makes it again.
    sleep(HOUR).await;
    assert!(node.api.get("secrets", "default", "s").is_none());
});

// Deleted by hand, the status object that owns the Secret of a bare pod is made again, and so is the Secret.
paused_stack_test!(a_deleted_status_object_does_not_cost_the_secret, |_| async {
    let node = Node::start(NodeOptions::flags(&["--secret-repair-interval=1m"]).with_controllers()).await;
    node.put_class("web", &password("s"));
    node.publish().await.unwrap();
    node.secret("s", |secret| owner_uids(secret).len() == 1).await;
    node.api.delete(keymount_stack_tests::STATUSES, "default", "web-default-web").unwrap();
    node.secret("s", Value::is_null).await;
    sleep(Duration::from_secs(600)).await;
    let secret = node.secret("s", |secret| !secret.is_null()).await;
    let status = node.status(|_| true).await;
    assert_eq!(owner_uids(&secret), [status["metadata"]["uid"].as_str().unwrap()]);
});

paused_stack_test!(without_rights_syncing_costs_little_and_stalls_nothing, |_| async {
    let node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
    node.api.deny(Denial { resource: Some("secrets".to_owned()), ..Denial::default() });
    // No secretObjects: nobody asks.
    node.publish().await.unwrap();
    node.status(|status| status["status"]["mounted"] == true).await;
    sleep(HOUR).await;
    let asked = |node: &Node| node.api.journal().records().iter().filter(|r| r.resource == "secrets").count();
    assert_eq!(asked(&node), 0);
    // With them: a reason for people, and a request every few minutes.
    node.put_class("web", &password("s"));
    let condition = trouble(&node).await;
    assert_eq!(condition["reason"], "SecretForbidden");
    assert!(
        condition["message"].as_str().unwrap().contains("ensure syncSecret.enabled=true is set"),
        "{condition}"
    );
    node.api.journal().reset();
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    sleep(HOUR).await;
    assert!(asked(&node) < 25, "{}", asked(&node));
    assert_eq!(node.read("password").as_deref(), Some("second"));
    // Granted, it is made.
    node.api.allow_again();
    let secret = node.secret("s", |secret| !secret.is_null()).await;
    assert_eq!(data(&secret)["p"], "second");
    no_trouble(&node).await;
});

// What a mount without and with a Secret, an unchanged and a changed rotation cost at the API.
paused_stack_test!(each_step_costs_the_requests_that_are_counted_here, |_| async {
    let node =
        Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m", "--secret-repair-interval=0"]))
            .await;
    let requests = |node: &Node| {
        let all = node.api.journal().records();
        let mut all: Vec<_> = all
            .iter()
            .map(|record| format!("{} {} {}", record.verb.as_str(), record.resource, record.status))
            .collect();
        all.retain(|request| !request.starts_with("watch"));
        all.sort();
        node.api.journal().reset();
        all
    };
    sleep(Duration::from_secs(5)).await;
    requests(&node);
    node.publish().await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        requests(&node),
        ["create secretproviderclasspodstatuses 201", "get secretproviderclasses 200"]
    );
    // The class is known: nothing but the status of the next pod.
    let second = Mount::new("second", &node.put_pod("second"));
    node.publish_mount(&second).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(requests(&node), ["create secretproviderclasspodstatuses 201"]);
    node.put_class("web", &password("s"));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(requests(&node), ["create secrets 201", "get pods 200", "get pods 200", "get secrets 404"]);
    sleep(HOUR).await;
    assert_eq!(requests(&node), Vec::<String>::new());
    node.provider.answer(|_| reply("v2", &[("password", "second")]));
    sleep(Duration::from_secs(90)).await;
    assert_eq!(
        requests(&node),
        [
            "create events 201", // MountRotationComplete and SecretRotationComplete for each of two pods
            "create events 201",
            "create events 201",
            "create events 201",
            "get secrets 200",
            "update secretproviderclasspodstatuses 200",
            "update secretproviderclasspodstatuses 200",
            "update secrets 200",
        ]
    );
    node.unpublish().await.unwrap();
    node.unpublish_mount(&second).await.unwrap();
    sleep(HOUR).await;
    assert_eq!(requests(&node), Vec::<String>::new());
});

//! Whole mounts: over the socket, against the emulated Azure.

mod support;

use keymount_emulator::vault::{CertificateSpec, KeySpec, KeyType, SecretSpec};
use keymount_proto::provider::{MountResponse, ObjectVersion};
use serde_json::json;
use support::{Ask, VAULT, World};

fn key_type(kty: &str, curve: Option<&str>) -> KeyType {
    serde_json::from_value(match curve {
        Some(curve) => json!({ "type": kty, "curve": curve }),
        None => json!({ "type": kty }),
    })
    .expect("a key type")
}

fn file<'a>(reply: &'a MountResponse, path: &str) -> &'a str {
    let file = reply.files.iter().find(|file| file.path == path).expect(path);
    std::str::from_utf8(&file.contents).expect("text")
}

#[tokio::test]
async fn secrets_keys_and_certificates_become_files() {
    let world = World::with(&["--write-cert-and-key-in-separate-files"]).await;
    let vault = world.azure.vault(VAULT);
    let version = vault.set_secret("db", "pa55word").expect("a secret");
    vault.put_key(&KeySpec::new("sign", key_type("EC", Some("P-256")))).await.expect("a key");
    let chained =
        CertificateSpec { chain: true, key: key_type("EC", Some("P-256")), ..CertificateSpec::new("site") };
    vault.put_certificate(&chained).await.expect("a certificate");
    let ask = Ask::new(&[
        "objectName=db objectType=secret filePermission=0600",
        "objectName=sign objectType=key objectAlias=keys/sign.pem",
        "objectName=site objectType=cert objectAlias=leaf.pem",
        "objectName=site objectType=secret objectAlias=tls/site",
    ]);
    let reply = world.mount(&ask).await.expect("files");
    let paths: Vec<_> = reply.files.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    assert_eq!(
        paths,
        [
            ("db", 0o600),
            ("keys/sign.pem", 0o644),
            ("leaf.pem", 0o644),
            ("tls/site.crt", 0o644),
            ("tls/site.key", 0o644),
            ("tls/site", 0o644),
        ]
    );
    assert_eq!(reply.object_version.len(), reply.files.len());
    assert_eq!(reply.object_version[0], ObjectVersion { id: "secret/db".to_owned(), version });
    assert_eq!(file(&reply, "db"), "pa55word");
    assert!(file(&reply, "keys/sign.pem").starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let chain = file(&reply, "tls/site.crt");
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 3);
    assert!(chain.starts_with(file(&reply, "leaf.pem")), "the leaf comes first");
    assert_eq!(file(&reply, "tls/site"), format!("{}{chain}", file(&reply, "tls/site.key")));
}

#[tokio::test]
async fn a_history_has_one_more_version_than_its_number_newest_first() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    for value in ["one", "two", "three", "four"] {
        vault.put_secret(&SecretSpec::new("s", value)).expect("a secret");
    }
    let reply = world.mount(&Ask::new(&["objectName=s objectType=secret objectVersionHistory=2"])).await;
    let reply = reply.expect("files");
    let paths: Vec<_> = reply.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["s/0", "s/1", "s/2"]);
    let unknown = Ask::new(&["objectName=s objectType=secret objectVersionHistory=2 objectVersion=none"]);
    assert!(
        world.refused(&unknown).await.message().contains("version none is not among the enabled versions")
    );
}

#[tokio::test]
async fn every_way_to_be_known() {
    let world = World::new().await;
    world.azure.vault(VAULT).set_secret("s", "v").expect("a secret");
    let ask = Ask::new(&["objectName=s objectType=secret"]);
    let nobody = Ask { secrets: "null".to_owned(), ..ask.clone() };
    for (how, ask) in [
        ("service principal", ask.clone()),
        ("workload identity", ask.clone().workload("web-0")),
        ("system-assigned", nobody.clone().set("useVMManagedIdentity", "true")),
        (
            "user-assigned",
            nobody.clone().set("useVMManagedIdentity", "true").set("userAssignedIdentityID", "assigned"),
        ),
        ("pod identity", nobody.set("usePodIdentity", "true")),
    ] {
        let reply = world.mount(&ask).await.unwrap_or_else(|error| panic!("{how}: {error}"));
        assert_eq!(file(&reply, "s"), "v", "{how}");
    }
    let unassigned = Ask { secrets: "null".to_owned(), ..ask }
        .set("useVMManagedIdentity", "true")
        .set("userAssignedIdentityID", "nobody");
    let status = world.refused(&unassigned).await;
    let begin = "failed to mount objects, error: failed to get objectType:secret, objectName:s, objectVersion:: \
                 ManagedIdentityCredential authentication failed. the requested identity isn't assigned to this \
                 resource\nGET http://127.0.0.1:";
    assert!(status.message().starts_with(begin), "{}", status.message());
}

#[tokio::test]
async fn a_class_without_objects_mounts_nothing_and_asks_nobody() {
    let world = World::new().await;
    let reply = world.mount(&Ask::new(&[]).set("objects", "array: []")).await.expect("no files");
    assert!(reply.files.is_empty() && reply.object_version.is_empty());
    assert_eq!((world.vault_calls(), world.token_calls()), (0, 0));
}

#[tokio::test]
async fn files_that_conflict_are_refused_with_both_names() {
    let world = World::with(&["--write-cert-and-key-in-separate-files"]).await;
    let vault = world.azure.vault(VAULT);
    vault
        .put_certificate(&CertificateSpec { pem: true, ..CertificateSpec::new("site") })
        .await
        .expect("a certificate");
    vault.set_secret("s", "v").expect("a secret");
    let ask = Ask::new(&[
        "objectName=site objectType=secret",
        "objectName=s objectType=secret objectAlias=site.key",
    ]);
    let status = world.refused(&ask).await;
    assert!(
        status.message().contains(
            "objectName:s, objectVersion:: file site.key is also the file of objectType:secret, objectName:site at index 0"
        ),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn what_the_volume_holds_already_makes_it_a_rotation() {
    let world = World::new().await;
    world.azure.vault(VAULT).set_secret("s", "v").expect("a secret");
    let first = Ask::new(&["objectName=s objectType=secret"]);
    world.mount(&first).await.expect("files");
    assert!(!world.registry.text().contains("total_rotation_reconcile 1"));
    let held = ObjectVersion { id: "secret/s".to_owned(), version: "1".to_owned() };
    world.mount(&Ask { current: vec![held.clone()], ..first }).await.expect("files");
    let missing = Ask { current: vec![held], ..Ask::new(&["objectName=absent objectType=secret"]) };
    world.refused(&missing).await;
    let metrics = world.registry.text();
    assert!(metrics.contains("total_rotation_reconcile 2"), "{metrics}");
    assert!(metrics.contains("total_rotation_reconcile_error{error_type=\"ObjectNotFound\"} 1"), "{metrics}");
}

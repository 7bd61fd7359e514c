//! What objects may ask for that the Go provider does not know.

mod support;

use keymount_emulator::faults::{Action, Rule, Service};
use keymount_emulator::vault::{Access, Grant, Model};
use keymount_emulator::vault::{CertificateSpec, KeyType, Properties, SecretSpec};
use keymount_proto::provider::{MountResponse, ObjectVersion};
use serde_json::json;
use support::{Ask, VAULT, World};

/// A class with these items.
fn items(items: &str) -> Ask {
    Ask::new(&[]).set("objects", &format!("items:\n{items}"))
}

fn files(reply: &MountResponse) -> Vec<(&str, &str, i32)> {
    let text = |bytes| std::str::from_utf8(bytes).expect("text");
    reply.files.iter().map(|file| (file.path.as_str(), text(&file.contents), file.mode)).collect()
}

fn version<'a>(reply: &'a MountResponse, id: &str) -> &'a str {
    reply.object_version.iter().find(|version| version.id == id).map_or("", |found| &found.version)
}

fn disabled(name: &str) -> SecretSpec {
    let properties = Properties { enabled: Some(false), ..Properties::default() };
    SecretSpec { properties, ..SecretSpec::new(name, "v") }
}

#[tokio::test]
async fn an_optional_object_is_left_out_and_that_is_told() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    vault.set_secret("there", "v").expect("a secret");
    vault.put_secret(&disabled("off")).expect("a secret");
    let ask = items(
        "- {objectName: absent, objectType: secret, optional: true}\n\
         - {objectName: there, objectType: secret, optional: true}\n\
         - {objectName: off, objectType: secret, optional: true}\n\
         - {objectName: none, objectType: key, objectVersionHistory: 2, optional: true}\n\
         - {objectNamePattern: zz*, objectType: cert, optional: true}\n\
         - {objectName: there, objectType: secret, objectAlias: x, objectVersion: old, objectVersionHistory: 2, optional: true}\n",
    );
    let reply = world.mount(&ask).await.expect("files");
    assert_eq!(files(&reply), [("there", "v", 0o644)]);
    let told: Vec<_> =
        reply.object_version.iter().map(|told| (told.id.as_str(), told.version.as_str())).collect();
    assert_eq!(told[0].0, "secret/there", "files and versions stand at the same index");
    assert_eq!(
        told[1..],
        [
            ("secret/absent", "absent:ObjectNotFound"),
            ("secret/off", "absent:ObjectDisabled"),
            ("key/none", "absent:ObjectNotFound"),
            ("cert/zz*", "absent:NothingSelected"),
            ("secret/there", "absent:UnknownVersion"),
        ]
    );
    let metrics = world.registry.text();
    let line = "keyvault_objects_absent_total{object_type=\"secret\",reason=\"ObjectNotFound\"} 1";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn what_is_no_absence_is_an_error_also_of_an_optional_object() {
    for (status, code, reason) in [
        (403, "ForbiddenByFirewall", "VaultForbiddenByFirewall"),
        (403, "ForbiddenByConnection", "VaultForbiddenByConnection"),
        (400, "BadParameter", "VaultBadRequest"),
        (401, "Unauthorized", "VaultUnauthorized"),
    ] {
        let world = World::new().await;
        let action = Action::Respond {
            status,
            code: Some("Forbidden".to_owned()),
            inner: Some(code.to_owned()),
            message: None,
            retry_after: None,
            headers: Default::default(),
            body: None,
        };
        world.azure.faults().add(Rule::on(Service::Vault, action));
        let ask = items("- {objectName: s, objectType: secret, optional: true}\n");
        let status = world.refused(&ask).await;
        assert!(
            status.message().contains(&format!("\nreason: {}\n", keymount_reasons::numbered(reason))),
            "{}",
            status.message()
        );
    }
    let world = World::new().await;
    let password =
        items("- {objectName: s, objectType: secret, optional: true, pfxPasswordObject: absent}\n");
    world.azure.vault(VAULT).set_secret("s", "v").expect("a secret");
    let status = world.refused(&password).await;
    assert!(status.message().contains("objectName:s, objectVersion:: pfxPasswordObject absent: GET "));
    assert!(status.message().contains("reason: ObjectNotFound"), "{}", status.message());
}

#[tokio::test]
async fn i9_a_lost_permission_takes_no_optional_file_from_a_running_pod() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    vault.set_secret("s", "v").expect("a secret");
    vault.set_access(Access {
        model: Model::Rbac,
        grants: Some(vec![Grant::all("other")]),
        ..Access::default()
    });
    let first = items("- {objectName: s, objectType: secret, optional: true}\n");
    let reply = world.mount(&first).await.expect("no files");
    assert_eq!(version(&reply, "secret/s"), "absent:VaultForbiddenByRbac");
    let held = |version: &str| vec![ObjectVersion { id: "secret/s".to_owned(), version: version.to_owned() }];
    let rotation = Ask { current: held("0123"), ..first.clone() };
    assert!(world.refused(&rotation).await.message().contains("reason: VaultForbiddenByRbac"));
    let still_absent = Ask { current: held("absent:VaultForbiddenByRbac"), ..first };
    assert!(world.mount(&still_absent).await.expect("no files").files.is_empty());
}

#[tokio::test]
async fn one_class_reads_several_vaults_with_one_token() {
    let world = World::new().await;
    world.azure.vault(VAULT).set_secret("s", "one").expect("a secret");
    world.azure.vault("kv2").set_secret("s", "two").expect("a secret");
    let ask = items(
        "- {objectName: s, objectType: secret}\n\
         - {objectName: s, objectType: secret, keyvaultName: kv2, objectAlias: two}\n\
         - {objectName: s, objectType: secret, keyvaultName: kv2, objectAlias: all, objectVersionHistory: 2}\n",
    );
    let reply = world.mount(&ask).await.expect("files");
    assert_eq!(files(&reply), [("s", "one", 0o644), ("two", "two", 0o644), ("all/0", "two", 0o644)]);
    let ids: Vec<_> = reply.object_version.iter().map(|version| version.id.as_str()).collect();
    assert_eq!(ids, ["secret/s", "secret/s@kv2", "secret/s@kv2/0"]);
    assert_eq!(world.token_calls(), 1);
    let elsewhere = items("- {objectName: s, objectType: secret, keyvaultName: kv3}\n");
    let begin = "failed to mount objects, error: failed to get objectType:secret, objectName:s, objectVersion:: GET \
                 https://kv3.vault.azure.net/secrets/s/";
    assert!(world.refused(&elsewhere).await.message().starts_with(begin));
}

#[tokio::test]
async fn json_becomes_files_and_errors_say_nothing_of_it() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    vault.set_secret("j", r#"{"a":"x\ny","n":1.10,"c4n4ry":null}"#).expect("a secret");
    vault.set_secret("y", "a: {b: 0123}\n").expect("a secret");
    vault.set_secret("b", "eyJhIjoxfQ==").expect("a secret");
    let ask = items(
        "- {objectName: j, objectType: secret, filePermission: 0600, jsonPath: [{path: $.a, objectAlias: j/a}, \
           {path: $.n, objectAlias: j/n, filePermission: 0400}]}\n\
         - {objectName: y, objectType: secret, jsonPath: [{path: $.a.b, objectAlias: y}]}\n\
         - {objectName: b, objectType: secret, objectEncoding: base64, jsonPath: [{path: $, objectAlias: b}]}\n\
         - {objectName: j, objectType: secret, objectVersionHistory: 2, jsonPath: [{path: $.n, objectAlias: h}]}\n",
    );
    let reply = world.mount(&ask).await.expect("files");
    assert_eq!(
        files(&reply),
        [
            ("j/a", "x\ny", 0o600),
            ("j/n", "1.10", 0o400),
            ("y", "0123", 0o644),
            ("b", "{\"a\":1}", 0o644),
            ("h/0", "1.10", 0o644),
        ]
    );
    for path in ["$.none", "$.c4n4ry", "$[*]"] {
        let ask = items(&format!(
            "- {{objectName: j, objectType: secret, jsonPath: [{{path: \"{path}\", objectAlias: f}}]}}\n"
        ));
        let status = world.refused(&ask).await;
        let begin = format!(
            "failed to mount objects, error: failed to get objectType:secret, objectName:j, objectVersion:: \
             jsonPath: {path} selects "
        );
        assert!(status.message().starts_with(&begin), "{}", status.message());
        assert!(status.message().contains("reason: ContentUnusable (KM0504)\nhint: compare the path"));
        assert!(!status.message().contains("x\ny"));
    }
}

#[tokio::test]
async fn a_certificate_in_parts() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    let key: KeyType = serde_json::from_value(json!({"type": "EC", "curve": "P-256"})).expect("a key type");
    for pem in [true, false] {
        let name = if pem { "pem" } else { "pfx" };
        let spec = CertificateSpec { chain: true, pem, key: key.clone(), ..CertificateSpec::new(name) };
        vault.put_certificate(&spec).await.expect("a certificate");
        let ask = items(&format!(
            "- {{objectName: {name}, objectType: secret, pemFiles: {{bundle: all, certificates: crt, leaf: leaf, \
             ca: ca, key: key}}}}\n"
        ));
        let reply = world.mount(&ask).await.expect("files");
        let [all, crt, leaf, ca, key] = [0, 1, 2, 3, 4].map(|index| files(&reply)[index].1);
        assert_eq!(crt.matches("BEGIN CERTIFICATE").count(), 3);
        assert_eq!(crt, format!("{leaf}{ca}"), "the leaf, then its issuers");
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----") && !key.contains("CERTIFICATE"));
        assert!(all.contains(key) && all.contains(leaf));
    }
    vault.set_secret("text", "c4n4ry").expect("a secret");
    for (part, cause) in [("key", "no private key"), ("ca", "no certificate"), ("leaf", "no certificate")] {
        let ask = items(&format!("- {{objectName: text, objectType: secret, pemFiles: {{{part}: f}}}}\n"));
        let message = world.refused(&ask).await.message().to_lowercase();
        assert!(
            message.contains(&format!("objectname:text, objectversion:: pemfiles.{part}: ")),
            "{message}"
        );
        assert!(message.contains(cause) && !message.contains("c4n4ry"), "{message}");
    }
}

#[tokio::test]
async fn a_pfx_with_a_password_becomes_pem() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    vault.set_secret("p", support::PFX).expect("a secret");
    vault.set_secret("right", support::PFX_PASSWORD).expect("a secret");
    vault.set_secret("wrong", "c4n4ry").expect("a secret");
    let ask = |password: &str| {
        items(&format!("- {{objectName: p, objectType: secret, pfxPasswordObject: {password}}}\n"))
    };
    let reply = world.mount(&ask("right")).await.expect("files");
    let [(path, pem, _)] = files(&reply)[..] else { panic!("one file") };
    assert!(
        path == "p" && pem.starts_with("-----BEGIN PRIVATE KEY-----") && pem.contains("BEGIN CERTIFICATE")
    );
    assert_eq!(reply.object_version.len(), 1);
    let message = world.refused(&ask("wrong")).await.message().to_owned();
    assert!(
        message.contains("objectName:p, objectVersion:: pkcs12: decryption password incorrect"),
        "{message}"
    );
    assert!(!message.contains("c4n4ry"));
}

#[tokio::test]
async fn all_that_match_within_bounds() {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    for n in 0..60 {
        let mut spec = SecretSpec::new(&format!("app-{n:02}"), "v");
        if n % 20 == 0 {
            spec.properties.tags.insert("tier".to_owned(), "1".to_owned());
        }
        vault.put_secret(&spec).expect("a secret");
    }
    vault.put_secret(&disabled("app-off")).expect("a secret");
    let ask = items("- {objectNamePattern: APP-*, tags: {tier: 1}, objectType: secret, objectAlias: d}\n");
    let reply = world.mount(&ask).await.expect("files");
    let paths: Vec<_> = files(&reply).iter().map(|(path, ..)| *path).collect();
    assert_eq!(paths, ["d/app-00", "d/app-20", "d/app-40"], "from all pages");
    assert_eq!(world.vault_calls(), 3 + 3, "three pages, three secrets");
    let reply = world.mount(&items("- {objectNamePattern: '*', objectType: secret}\n")).await.expect("files");
    assert_eq!(reply.files.len(), 60, "without the disabled one");
    let nothing = items(
        "- {objectName: x, objectType: secret, optional: true}\n- {objectNamePattern: x-*, objectType: secret}\n",
    );
    let message = world.refused(&nothing).await.message().to_owned();
    assert!(
        message.contains(
            "failed to get objectType:secret, objectName:, objectVersion:: secret/x-*: no enabled object of the vault \
             matches\nreason: NothingSelected (KM0502)\nhint: object at index 1 in objects: check objectNamePattern"
        ),
        "{message}"
    );
    for n in 0..150 {
        vault.set_secret(&format!("more-{n}"), "v").expect("a secret");
    }
    let many = items("- {objectNamePattern: '*', objectType: secret}\n").principal("other");
    let message = world.refused(&many).await.message().to_owned();
    assert!(
        message.contains("210 objects of the vault match, more than 200\nreason: TooManySelected"),
        "{message}"
    );
}

#[tokio::test]
async fn files_of_chosen_objects_may_not_conflict_either() {
    let world = World::new().await;
    world.azure.vault(VAULT).set_secret("a", "v").expect("a secret");
    let ask =
        items("- {objectName: a, objectType: secret}\n- {objectNamePattern: '?', objectType: secret}\n");
    let message = world.refused(&ask).await.message().to_owned();
    assert!(
        message.contains("file a is also the file of objectType:secret, objectName:a at index 0"),
        "{message}"
    );
}

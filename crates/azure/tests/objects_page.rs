//! The examples of `docs/azure-objects.md`, run against the emulated Azure.

mod support;

use std::collections::BTreeMap;

use keymount_emulator::vault::{CertificateSpec, KeySpec, KeyType, SecretSpec};
use serde::Deserialize;
use serde_json::json;
use support::{Ask, VAULT, World};

const PAGE: &str = include_str!("../../../docs/azure-objects.md");

#[derive(Deserialize)]
struct Example {
    parameters: BTreeMap<String, String>,
}

/// Each example with the files that the page says it gives.
fn examples() -> Vec<(Example, Vec<&'static str>)> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    let example = |block: &'static str| {
        let (yaml, after) = block.split_once("```").expect("a block has an end");
        let files = after.lines().find_map(|line| line.strip_prefix("Files: ")).expect("files of a block");
        let files = files.split(", ").map(|file| file.trim_matches('`')).collect();
        (serde_saphyr::from_str(yaml).expect("an example is YAML"), files)
    };
    blocks.map(example).collect()
}

async fn world() -> World {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    vault.set_secret("password", "v").expect("a secret");
    let database = r#"{"host":"db","users":[{"name":"app","password":"s3"},{"name":"ops","password":"x"}]}"#;
    vault.set_secret("database", database).expect("a secret");
    for name in ["app-user", "app-key"] {
        vault.set_secret(name, "v").expect("a secret");
    }
    let mut tagged = SecretSpec::new("token", "v");
    tagged.properties.tags.insert("team".to_owned(), "payments".to_owned());
    vault.put_secret(&tagged).expect("a secret");
    vault.set_secret("partner-pfx", support::PFX).expect("a secret");
    vault.set_secret("partner-pfx-password", support::PFX_PASSWORD).expect("a secret");
    let key: KeyType = serde_json::from_value(json!({"type": "EC", "curve": "P-256"})).expect("a key type");
    vault.put_key(&KeySpec::new("sign", key.clone())).await.expect("a key");
    let site = CertificateSpec { chain: true, key, ..CertificateSpec::new("site") };
    vault.put_certificate(&site).await.expect("a certificate");
    world.azure.vault("kv2").set_secret("password", "w").expect("a secret");
    world
}

#[tokio::test]
async fn every_example_gives_the_files_it_promises() {
    let world = world().await;
    let examples = examples();
    assert_eq!(examples.len(), PAGE.matches("\n## ").count(), "each section has an example");
    for (example, files) in examples {
        let ask = example.parameters.iter().fold(Ask::new(&[]), |ask, (key, value)| ask.set(key, value));
        let reply = world.mount(&ask).await.unwrap_or_else(|error| panic!("{files:?}: {error}"));
        let paths: Vec<_> = reply.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, files);
        assert!(reply.files.iter().all(|file| !file.contents.is_empty()));
    }
}

#[test]
fn every_field_stands_in_the_table() {
    for field in keymount_objects::OBJECT_FIELDS {
        let in_a_row = |line: &str| line.starts_with("| `") && line.contains(&format!("`{field}`"));
        assert!(PAGE.lines().any(in_a_row), "{field}");
    }
}

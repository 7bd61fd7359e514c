use keymount_emulator::vault::{Listing, Properties, SecretSpec};
use serde_json::Value;

use crate::Bench;

/// All items of a list, and the sizes of its pages.
async fn pages(bench: &Bench, path: &str) -> (Vec<Value>, Vec<usize>) {
    let mut items = Vec::new();
    let mut sizes = Vec::new();
    let mut page = bench.ok("GET", path, None).await;
    loop {
        let list = page["value"].as_array().expect("a list").clone();
        sizes.push(list.len());
        items.extend(list);
        let Some(next) = page["nextLink"].as_str() else { return (items, sizes) };
        assert!(next.starts_with("https://kv1.vault.azure.net/secrets"), "{next}");
        page = bench.send("GET", next, None).await.1;
    }
}

#[tokio::test]
async fn names_and_versions_come_in_pages() {
    let bench = Bench::start().await;
    let vault = bench.emulator.vault("kv1");
    for n in 0..60 {
        vault.set_secret(&format!("s{n:02}"), "v").expect("a secret");
        vault.set_secret("many", &format!("v{n}")).expect("a secret");
    }
    let (items, sizes) = pages(&bench, "/secrets").await;
    assert_eq!((items.len(), sizes), (61, vec![25, 25, 11]));
    assert!(items.iter().all(|item| item.get("value").is_none() && item["attributes"].is_object()));

    let (items, sizes) = pages(&bench, "/secrets/many/versions?maxresults=20").await;
    assert_eq!(sizes, [20, 20, 20]);
    let ids: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
    assert!(ids.is_sorted() && ids.len() == 60, "by version id");

    vault.set_listing(Listing { page_size: Some(7), empty_first_page: true });
    let (items, sizes) = pages(&bench, "/secrets").await;
    assert_eq!((items.len(), sizes), (61, vec![0, 7, 7, 7, 7, 7, 7, 7, 7, 5]));
}

#[tokio::test]
async fn versions_keep_their_own_times_and_state() {
    let bench = Bench::start().await;
    let vault = bench.emulator.vault("kv1");
    for (version, created, enabled) in
        [("0", "2026-01-02T00:00:00Z", false), ("f", "2026-01-01T00:00:00Z", true)]
    {
        let properties = Properties {
            created: Some(created.parse().expect("a time")),
            version: Some(version.repeat(32)),
            enabled: Some(enabled),
            ..Properties::default()
        };
        vault.put_secret(&SecretSpec { properties, ..SecretSpec::new("s", version) }).expect("a secret");
    }
    let list = bench.ok("GET", "/secrets/s/versions", None).await["value"].clone();
    let facts: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| (item["attributes"]["created"].as_i64(), item["attributes"]["enabled"].as_bool()))
        .collect();
    assert_eq!(facts, [(Some(1_767_312_000), Some(false)), (Some(1_767_225_600), Some(true))]);
    assert_eq!(bench.ok("GET", "/secrets/s", None).await["value"], "f", "the newest is the last made");
    assert_eq!(bench.get("/secrets/none/versions").await.0, 404);
}

//! How much a mount asks of Azure.

mod support;

use std::sync::Arc;

use futures::future::join_all;
use keymount_emulator::faults::{Action, Rule, Service};
use support::{Ask, VAULT, World};

async fn world() -> World {
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    for n in 0..20 {
        vault.set_secret(&format!("s{n}"), "v").expect("a secret");
    }
    world
}

fn objects(count: usize) -> Ask {
    let objects: Vec<String> = (0..count).map(|n| format!("objectName=s{n} objectType=secret")).collect();
    Ask::new(&objects.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn one_secret_costs_one_token_and_one_call() {
    let world = world().await;
    world.mount(&objects(1)).await.expect("files");
    assert_eq!((world.token_calls(), world.vault_calls()), (1, 1));
    world.mount(&objects(1)).await.expect("files");
    assert_eq!((world.token_calls(), world.vault_calls()), (1, 1), "within the time content is shared");
}

#[tokio::test]
async fn with_the_cache_off_every_mount_reads_for_itself_but_tokens_are_kept() {
    let world = World::with(&["--object-cache-ttl=0s"]).await;
    world.azure.vault(VAULT).set_secret("s0", "v").expect("a secret");
    for _ in 0..3 {
        world.mount(&objects(1)).await.expect("files");
    }
    assert_eq!((world.token_calls(), world.vault_calls()), (1, 3));
}

#[tokio::test]
async fn twenty_secrets_come_over_one_connection() {
    let world = world().await;
    world.mount(&objects(20)).await.expect("files");
    assert_eq!((world.token_calls(), world.vault_calls()), (1, 20));
    let connections = world.azure.traffic().connections("vault");
    // The emulator serves vaults and issuers on one port: one connection each.
    assert_eq!((connections.handshakes, connections.http2), (2, 2));
}

#[tokio::test]
async fn a_hundred_equal_pods_that_start_together_cost_one_call_per_object() {
    let world = world().await;
    let pods: Vec<Ask> = (0..100).map(|n| objects(5).workload(&format!("web-{n}"))).collect();
    let mounts = pods.iter().map(|pod| async { world.mount(pod).await.map(|reply| reply.files.len()) });
    for files in join_all(mounts).await {
        assert_eq!(files.expect("files"), 5);
    }
    assert_eq!(world.vault_calls(), 5);
    assert_eq!(world.token_calls(), 100, "each pod's token has to be accepted once");
    world.mount(&pods[7]).await.expect("files");
    assert_eq!((world.token_calls(), world.vault_calls()), (100, 5));
}

#[tokio::test]
async fn i6_pods_of_two_service_accounts_read_for_themselves() {
    let world = world().await;
    world.mount(&objects(1).workload("web-0")).await.expect("files");
    let tokens = |namespace: &str| {
        let token = support::service_account_token(namespace, "web", "web-0");
        serde_json::json!({ "api://AzureADTokenExchange": { "token": token } }).to_string()
    };
    let bank = objects(1)
        .workload("web-0")
        .set("csi.storage.k8s.io/pod.namespace", "bank")
        .set("csi.storage.k8s.io/serviceAccount.tokens", &tokens("bank"));
    world.mount(&bank).await.expect("files");
    assert_eq!((world.token_calls(), world.vault_calls()), (2, 2));
    // The token of `shop` in the hands of a pod of `bank`: served, as upstream does, from no cache.
    let smuggled = bank.set("csi.storage.k8s.io/serviceAccount.tokens", &tokens("shop"));
    for calls in [3, 4] {
        world.mount(&smuggled).await.expect("files");
        assert_eq!((world.token_calls(), world.vault_calls()), (calls, calls));
    }
}

#[tokio::test]
async fn a_throttled_vault_is_probed_and_everybody_is_served_in_the_end() {
    let world = Arc::new(world().await);
    let throttled = Action::Respond {
        status: 429,
        code: Some("Throttled".to_owned()),
        inner: None,
        message: None,
        retry_after: Some("1".to_owned()),
        headers: Default::default(),
        body: None,
    };
    world.azure.faults().add(Rule::on(Service::Vault, throttled).times(3));
    let mounts = (0..40).map(|n| {
        let world = Arc::clone(&world);
        let client = if n < 20 { "app" } else { "other" };
        let ask = Ask::new(&[&format!("objectName=s{} objectType=secret", n % 20)]).principal(client);
        async move { world.mount(&ask).await.is_ok() }
    });
    assert!(join_all(mounts).await.into_iter().all(|served| served));
    assert_eq!(world.vault_calls(), 40 + 3, "three were refused, none was sent in vain besides");
}

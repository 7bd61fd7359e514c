//! One node with both daemons, counted at the vault: what `benches/scale` says about such a node must be true, or its word
//! about five thousand of them is worth nothing.

#![allow(clippy::print_stdout, reason = "the figures of a run")]

use std::time::Duration;

use keymount_daemon::grpc::channel;
use keymount_emulator::DEFAULT_TENANT;
use keymount_emulator::faults::{Match, Service};
use keymount_mount_namespace::isolated;
use keymount_proto::csi::node_client::NodeClient;
use keymount_scale::{Measured, Shape};
use keymount_stack_tests::Mount;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::azure::{MACHINE, VAULT};
use crate::place::Place;

/// Until pods that started together have drifted apart.
const WARM_UP: Duration = Duration::from_secs(50);
/// How long is counted.
const COUNTED: Duration = Duration::from_secs(180);

#[test]
#[ignore = "takes four minutes: .ci/run model"]
fn the_model_of_a_cluster_says_what_one_node_does() {
    isolated(|_| {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let measured = runtime.block_on(measure());
        let model = measured.modelled();
        println!("{} {model:?}", serde_json::to_string(&measured).expect("JSON"));
        assert!(measured.agrees(&model), "measured {measured:?}, the model says {model:?}");
    });
}

async fn measure() -> Measured {
    let shape = Shape::one_node();
    let place = Place::new().await;
    for class in 0..shape.classes {
        for object in 0..shape.objects {
            place.vault().set_secret(&format!("secret-{class}-{object}"), "x").expect("a secret");
        }
        place.put(&class_of(class, shape.objects));
    }
    let cache = format!("--object-cache-ttl={}s", shape.cache_seconds);
    let interval = format!("--rotation-poll-interval={}s", shape.interval_seconds);
    let _provider = place.start_provider(&[&cache]).await;
    let _driver = place.start_driver(&["--enable-secret-rotation", &interval]).await;
    let mut kubelet = NodeClient::new(channel(&place.path("csi.sock")));
    for volume in 0..shape.volumes_per_node {
        let name = format!("pod-{volume}");
        let mount =
            Mount::new(&name, &place.put_pod(&name)).class(&format!("class-{}", volume % shape.classes));
        kubelet.node_publish_volume(mount.request(&place.pods())).await.expect("a mount");
    }
    let vault = Match { service: Some(Service::Vault), ..Match::default() };
    let requests = || place.emulator.traffic().count_status(&vault, 200);
    // What is compared is a rate over minutes: nothing happens that could be waited for instead.
    sleep(WARM_UP).await;
    let before = requests();
    sleep(COUNTED).await;
    Measured { seconds: COUNTED.as_secs(), vault: requests() - before }
}

fn class_of(number: usize, objects: usize) -> Value {
    let object =
        |object: usize| format!("  - |\n    objectName: secret-{number}-{object}\n    objectType: secret\n");
    let objects: String = (0..objects).map(object).collect();
    json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": format!("class-{number}"), "namespace": "default"},
        "spec": {"provider": "azure", "parameters": {
            "keyvaultName": VAULT, "tenantId": DEFAULT_TENANT, "objects": format!("array:\n{objects}"),
            "useVMManagedIdentity": "true", "userAssignedIdentityID": MACHINE,
        }},
    })
}

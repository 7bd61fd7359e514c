//! The driver as the Go driver's manifests start it.

use keymount_cluster_tests::stage::{Environment, Options, Program, Stage, files};
use serde_json::Value;

/// No flag of our own, registration by a sidecar.
#[tokio::test]
#[ignore = "needs a node: tests/cluster/run-node.sh"]
async fn the_go_drivers_flags_and_a_registrar_are_enough() {
    let program = Program { is_ours: false, ..Environment::read().driver };
    let flags = ["--enable-secret-rotation", "--rotation-poll-interval=3s", "--v=5"];
    let mut stage =
        Stage::on_node("flags", Options { program: Some(program), ..Options::flags(&flags) }).await;
    stage.class("web", &Value::Null).await;
    let pod = stage.pod("web", "web").await;
    let look = stage.first_look(&pod).await;
    assert_eq!(look.text("/secrets", "foo"), Some("secret"), "{look:?}");
    stage.status(&pod, "web", |status| status["mounted"] == true).await;
    stage.provider.answer(|_| files("v2", &[("foo", "rotated")]));
    stage.sees(&pod, "foo", "rotated").await;
    stage.status(&pod, "web", |status| status["objects"][0]["version"] == "v2").await;
    stage.delete_pod(&pod).await;
    let log = stage.driver().log();
    assert!(log.iter().any(|line| line.contains("csi.storage.k8s.io/serviceAccount.tokens")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("eyJ")), "a token is in the log");
    stage.clear().await;
}

//! The whole exposition after a day in the life of a node, as monitoring sees it.

use std::time::Duration;

use keymount_stack_tests::{Node, NodeOptions, paused_stack_test, reply};
use serde_json::json;
use tokio::time::sleep;
use tonic::Status;

/// What the Go driver's exporter puts on every series of its own.
const SCOPE: &str = r#"otel_scope_name="sigs.k8s.io/secrets-store-csi-driver",otel_scope_schema_url="",otel_scope_version="""#;

/// The exposition with times, sizes and what depends on the machine blotted out, and the buckets of a series in
/// one line. Names, texts, labels, bounds and counts stay.
fn without_measurements(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some((series, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else {
            kept.push(line.to_owned());
            continue;
        };
        let name = series.split('{').next().unwrap_or(series);
        let series = series.replace(SCOPE, "SCOPE").replace(keymount_daemon::build::BUILD.version, "VERSION");
        if let Some((bucket, bound)) = series.split_once(",le=").filter(|_| name.ends_with("_bucket")) {
            let bound = bound.trim_end_matches('}');
            match kept.last_mut().filter(|last| last.starts_with(bucket)) {
                Some(last) => *last += &format!(" {bound}"),
                None => kept.push(format!("{bucket},le=}} {bound}")),
            }
            continue;
        }
        // How often something is tried again depends on chance.
        let measured = ["_sum", "_seconds", "_bytes"].iter().any(|end| name.ends_with(end))
            || ["process_", "keymount_api_convergence", "keymount_sync"]
                .iter()
                .any(|begin| name.starts_with(begin));
        kept.push(format!("{series} {}", if measured { "…" } else { value }));
    }
    kept.join("\n")
}

paused_stack_test!(the_exposition_after_all_that_can_happen, |_| async {
    let node = Node::start(NodeOptions::rotating(&[
        "--rotation-poll-interval=1000h",
        "--secret-repair-interval=0",
        "--provider-health-check",
        "--provider-startup-timeout=10ms",
    ]))
    .await;
    let refresh = async |value: &str| {
        let calls = node.provider.count();
        node.annotate_class("web", "keymount.io/refresh", value);
        node.provider.called(calls + 1).await;
        sleep(Duration::from_secs(30)).await;
    };
    let secret = |name: &str, object: &str| json!({"secretName": name, "type": "Opaque", "data": [{"objectName": object, "key": "p"}]});
    node.put_class("web", &json!([secret("made", "password"), secret("not-made", "absent")]));
    // Mounts that fail, one that does not, and kubelet's republishing.
    node.provider.answer(|_| Err(Status::permission_denied("boom")));
    node.publish().await.unwrap_err();
    node.provider.answer(|_| reply("v1", &[("../password", "x")]));
    node.publish().await.unwrap_err();
    node.publish_mount(&node.mount().class("absent")).await.unwrap_err();
    node.provider.answer(|_| reply("v1", &[("password", "first")]));
    node.publish().await.unwrap();
    node.publish().await.unwrap();
    sleep(Duration::from_secs(300)).await;
    // Rotations: unchanged, changed, failed.
    refresh("unchanged").await;
    node.provider.answer(|_| reply("v2", &[("password", "second"), ("tls.crt", super::certificates::LEAF)]));
    refresh("changed").await;
    // A volume that goes, and one that cannot.
    let other = node.mount().volume("other");
    node.publish_mount(&other).await.unwrap();
    node.unpublish_mount(&other).await.unwrap();
    node.unpublish_at(&node.path("elsewhere")).await.unwrap_err();
    node.provider.answer(|_| Err(Status::internal("boom")));
    refresh("failed").await;
    insta::assert_snapshot!(without_measurements(&node.metrics()));
    // Everything is of the driver's own making: no text, no object, no pod in any label.
    for unbounded in ["boom", "pods/", "secret/", "..", &node.pod_uid] {
        let held =
            node.metrics().lines().filter(|line| !line.starts_with('#')).any(|line| line.contains(unbounded));
        assert!(!held, "{unbounded}: {}", node.metrics());
    }
});

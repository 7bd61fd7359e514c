//! Flags whose effect shows on a whole node.

use std::path::Path;
use std::time::Duration;

use keymount_emulator::kubernetes::Verb;
use keymount_stack_tests::{Mount, Node, NodeOptions, STATUSES, paused_stack_test, reply, stack_test};
use tokio::time::{Instant, sleep};

/// Mount options and file system options of what is mounted there.
fn options(at: &Path) -> String {
    let all = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let at = at.display().to_string();
    let line = all.lines().find(|line| line.split(' ').nth(4) == Some(&at)).expect("a mount");
    let fields: Vec<_> = line.split(' ').collect();
    format!("{},{}", fields[5], fields[fields.len() - 1])
}

stack_test!(flags_of_volumes_reach_the_mount, |_| async {
    for (flags, expected) in [
        // Two replies of the largest size and what their files take beyond that.
        (&[][..], "size=12288k"),
        (&["--max-call-recv-msg-size=1048576"], "size=6144k"),
        (&["--volume-size-limit=1048576", "--volume-noexec"], "size=1024k"),
    ] {
        let node = Node::start(NodeOptions::flags(flags)).await;
        node.publish().await.unwrap();
        let options = options(&node.target());
        let has = |option: &str| options.split(',').any(|held| held == option);
        assert!(has(expected) && has("nosuid") && has("nodev") && has("mode=755"), "{flags:?}: {options}");
        assert_eq!(has("noexec"), flags.contains(&"--volume-noexec"), "{options}");
    }
});

stack_test!(a_volume_over_its_limit_is_refused_with_a_clear_error, |_| async {
    let node = Node::start(NodeOptions::flags(&["--volume-size-limit=262144"])).await;
    node.provider.answer(|_| reply("v1", &[("big", &"x".repeat(300_000))]));
    let error = node.publish().await.unwrap_err();
    assert!(error.message().contains("262144"), "{error}");
    assert!(node.mounts().is_empty());
    node.provider.answer(|_| reply("v1", &[("big", &"x".repeat(100_000))]));
    node.publish().await.unwrap();
});

// Behind the answers writes are paced, in front of them nothing is.
paused_stack_test!(writes_are_paced_and_no_mount_waits_for_them, |_| async {
    let node = Node::start(NodeOptions::flags(&["--kube-api-qps=1", "--kube-api-burst=5"])).await;
    let began = Instant::now();
    for number in 0..35 {
        let mount = Mount::new(&format!("pod-{number}"), &format!("uid-{number}"));
        node.publish_mount(&mount).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    sleep(Duration::from_secs(10)).await;
    let written = node.api.journal().count(Verb::Create, "secretproviderclasspodstatuses");
    assert!((12..=22).contains(&written), "{written}");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(node.api.list(STATUSES, "default").len(), 35);
});

// The operator's minimum holds whatever a tenant writes into a class.
paused_stack_test!(a_class_cannot_go_below_the_operators_shortest_interval, |_| async {
    let flags = ["--rotation-poll-interval=1h", "--rotation-min-interval=5m"];
    let node = Node::start(NodeOptions::rotating(&flags)).await;
    for (wanted, at_least, at_most) in [("1s", 10, 14), ("-5m", 0, 2), ("soon", 0, 2), ("10m", 5, 7)] {
        node.annotate_class("web", "keymount.io/rotation-poll-interval", wanted);
        node.publish().await.unwrap();
        sleep(Duration::from_secs(1)).await;
        let before = node.provider.count();
        sleep(Duration::from_secs(3600)).await;
        let calls = node.provider.count() - before;
        assert!((at_least..=at_most).contains(&calls), "{wanted}: {calls}");
        node.unpublish().await.unwrap();
    }
});

paused_stack_test!(without_an_interval_secrets_are_not_repaired_and_otherwise_in_time, |_| async {
    for (flag, repaired) in [("--secret-repair-interval=0", false), ("--secret-repair-interval=2m", true)] {
        let node = Node::start(NodeOptions::flags(&[flag])).await;
        node.put_class(
            "web",
            &serde_json::json!([{
                "secretName": "s", "type": "Opaque", "data": [{"objectName": "password", "key": "p"}],
            }]),
        );
        node.publish().await.unwrap();
        node.secret("s", |secret| !secret.is_null()).await;
        node.api.delete("secrets", "default", "s").unwrap();
        sleep(Duration::from_secs(180)).await;
        assert_eq!(node.api.get("secrets", "default", "s").is_some(), repaired, "{flag}");
    }
});

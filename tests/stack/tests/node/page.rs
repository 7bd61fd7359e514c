//! `/status` of a whole node, as a program and as a browser get it.

use std::process::Command;

use keymount_stack_tests::{Mount, Node, NodeOptions, STATUSES, reply, stack_test};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Status};

/// Kubelet says which pod it is; who forges its request gets no further than this.
const HOSTILE: &str = "<img src=x onerror=\"document.title='taken'\">";
const CANARY: &str = "CANARY-in-the-mine";
/// It expires on 2026-12-05, ten days after the clock of the tests begins.
const SITE: &str = include_str!("site.pem");

/// An error of the Azure provider.
fn refused(reason: &'static str) -> Status {
    let mut status = Status::new(Code::Unknown, format!("failed to mount, {CANARY}"));
    status.metadata_mut().insert("keymount-reason", reason.parse().expect("a reason"));
    status
}

/// A volume that is well, one that is not rotated, a pod that cannot start, one with a Secret that is not there, and one of a
/// hostile name.
async fn scene(address: &str) -> Node {
    let flags = [&format!("--health-addr={address}"), "--status-page"];
    let node = Node::start(NodeOptions::rotating(&flags)).await;
    let object = |file: &str| json!([{"secretName": "web", "type": "Opaque", "data": [{"objectName": file, "key": "password"}]}]);
    for (class, secrets) in [
        ("web", json!([])),
        ("shop", object("password")),
        ("billing", json!([])),
        (
            "reports",
            json!([{"secretName": "reports", "type": "Opaque", "data": [{"objectName": "pasword", "key": "password"}]}]),
        ),
        ("orders", json!([])),
    ] {
        node.put_class(class, &secrets);
    }
    node.provider.answer(|request| match class_of(&request.attributes).as_str() {
        "orders" => Err(refused("VaultForbiddenByFirewall")),
        _ => reply("0b1f3c55d0a94e6f8d7a", &[("password", CANARY), ("tls/site.pem", SITE)]),
    });
    let mut mounts = Vec::new();
    for (pod, class) in [
        ("shop-6d5f9c-x2x9k", "shop"),
        ("billing-0", "billing"),
        ("reports-7c9b5d-4hzwl", "reports"),
        ("orders-5f7d8b-qkq7m", "orders"),
    ] {
        mounts.push(Mount::new(pod, &node.put_pod(pod)).class(class));
    }
    for mount in &mounts {
        assert_eq!(node.publish_mount(mount).await.is_ok(), mount.class != "orders");
    }
    node.publish_mount(&Mount::new(HOSTILE, "uid-of-the-hostile")).await.expect("mounted");
    node.provider.answer(|request| match class_of(&request.attributes).as_str() {
        "billing" => Err(refused("TokenFederationMissing")),
        "orders" => Err(refused("VaultForbiddenByFirewall")),
        _ => reply("0b1f3c55d0a94e6f8d7a", &[("password", CANARY), ("tls/site.pem", SITE)]),
    });
    node.annotate_class("billing", "keymount.io/refresh", "now");
    let is_false = |status: &Value, kind: &str| {
        let conditions = status["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "False"))
    };
    for (pod, class, kind) in [
        ("orders-5f7d8b-qkq7m", "orders", "Mounted"),
        ("billing-0", "billing", "RotationSucceeded"),
        ("reports-7c9b5d-4hzwl", "reports", "SecretsSynced"),
    ] {
        node.wait_for(STATUSES, &format!("{pod}-default-{class}"), |status| is_false(status, kind)).await;
    }
    let has_certificate = |status: &Value| status["status"]["certificates"][0]["path"] == "tls/site.pem";
    node.wait_for(STATUSES, "shop-6d5f9c-x2x9k-default-shop", has_certificate).await;
    node
}

/// Name of the class in the parameters of a call.
fn class_of(attributes: &str) -> String {
    let attributes: Value = serde_json::from_str(attributes).expect("attributes");
    attributes["secretProviderClass"].as_str().unwrap_or_default().to_owned()
}

/// An address that no other test of this machine has.
fn address(last: u8) -> String {
    let [.., high, low] = std::process::id().to_be_bytes();
    format!("127.{}.{low}.{last}:9808", high.max(1))
}

async fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("the driver's port");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a peer");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

stack_test!(the_status_page_shows_what_is_broken_and_nothing_secret, |_| async {
    let address = address(10);
    let node = scene(&address).await;
    let (head, page) = get(&address, "/status").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    let (_, json) = get(&address, "/status?format=json").await;
    for output in [&page, &json] {
        assert!(!output.contains("CANARY"), "{output}");
    }
    assert!(!page.contains("<img") && page.contains("&lt;img"), "{page}");
    let overview: Value = serde_json::from_str(&json).expect("JSON");
    let rows = overview["volumes"].as_array().expect("volumes");
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
            (
                text(&row["state"]),
                text(&row["class"]),
                text(&row["problems"][0]["reason"]),
                text(&row["problems"][0]["id"]),
            )
        })
        .collect();
    let expected = [
        ("notMounted", "orders", "VaultForbiddenByFirewall", "KM0405"),
        ("notRotated", "billing", "TokenFederationMissing", "KM0301"),
        ("notSynced", "reports", "SecretDataMissing", "KM0703"),
        ("well", "web", "", ""),
        ("well", "shop", "", ""),
    ];
    let expected = expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned()));
    assert_eq!(told, expected);
    assert_eq!(rows[4]["secrets"], json!([{"name": "web", "synced": true}]));
    assert_eq!(rows[4]["objects"]["secret/password"], "0b1f3c55d0a94e6f8d7a");
    assert_eq!(
        rows[4]["certificates"],
        json!([{"path": "tls/site.pem", "notAfter": "2026-12-05T08:10:30Z"}])
    );
    assert!(page.contains(">in 10 days</time>"), "{page}");
    assert!(rows[4]["lastSuccess"].is_string() && rows[4]["nextRotation"].is_string(), "{}", rows[4]);
    // It goes as its pod does.
    node.unpublish_mount(&Mount::new(HOSTILE, "uid-of-the-hostile")).await.unwrap();
    assert!(!get(&address, "/status").await.1.contains("onerror"));
});

stack_test!(the_status_page_is_off_by_default, |_| async {
    let address = address(11);
    let _node = Node::start(NodeOptions::flags(&[&format!("--health-addr={address}")])).await;
    assert!(get(&address, "/healthz").await.0.starts_with("HTTP/1.1 200 "));
    for path in ["/status", "/status/style.css"] {
        assert!(get(&address, path).await.0.starts_with("HTTP/1.1 404 "), "{path}");
    }
});

#[allow(
    clippy::disallowed_methods,
    reason = "the browser and the picture of it are named by the environment"
)]
fn setting(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

// Needs Chromium, which `.ci/run browser` installs; KEYMOUNT_SCREENSHOT names a PNG file to be made of it.
stack_test!(
    #[ignore = "needs Chromium: .ci/run browser"]
    a_browser_shows_the_status_page_and_runs_nothing_of_it,
    |_| async {
        let address = address(12);
        let node = scene(&address).await;
        // For the picture in the documentation it has no such pod.
        let screenshot = setting("KEYMOUNT_SCREENSHOT");
        if screenshot.is_some() {
            node.unpublish_mount(&Mount::new(HOSTILE, "uid-of-the-hostile")).await.unwrap();
        }
        let profile = node.path("profile");
        let mut browser = Command::new(setting("KEYMOUNT_CHROMIUM").unwrap_or_else(|| "chromium".into()));
        browser.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--window-size=1100,1700",
        ]);
        browser.arg(format!("--user-data-dir={}", profile.display()));
        match &screenshot {
            Some(path) => browser.arg(format!("--screenshot={}", path.display())),
            None => browser.arg("--dump-dom"),
        };
        browser.arg(format!("http://{address}/status?refresh=60"));
        // Beside the driver, which has to answer meanwhile.
        let output = tokio::task::spawn_blocking(move || browser.output()).await.unwrap().expect("Chromium");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if screenshot.is_some() {
            return;
        }
        let dom = String::from_utf8(output.stdout).expect("text");
        assert!(dom.contains("<title>(3) Secrets of node-1</title>"), "{dom}");
        // As a browser understands it: five articles, the hostile name is text, and there is no such element.
        assert_eq!(
            (dom.matches("<article>").count(), dom.matches("<img").count(), dom.matches("<script").count()),
            (5, 0, 0),
            "{dom}"
        );
        assert!(dom.contains("&lt;img src=x onerror"), "{dom}");
    }
);

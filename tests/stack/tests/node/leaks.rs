//! I5, on the whole node at the highest verbosity: what is secret goes in at every door, and everything that
//! comes out is searched for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_daemon::log::{Format, Log, Options, Output};
use keymount_emulator::faults::{Action, Rule, Service};
use keymount_proto::csi::NodePublishVolumeRequest;
use keymount_stack_tests::{Mount, Node, NodeOptions, STATUSES, csi_driver, file, paused_stack_test, reply};
use serde_json::{Value, json};
use tokio::time::sleep;
use tonic::Status;

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// What everything secret of this test holds, and how it looks in base64 at each offset, and in hex.
const CANARY: &str = "CANARY-in-the-mine";
const FORMS: [&str; 5] = ["CANARY", "Q0FOQVJZ", "NBTkFSWS", "DQU5BUlkt", "43414e415259"];

/// A provider's content, tokens and Secrets that are marked, and gRPC errors that were answered.
struct Mine {
    node: Node,
    log: Arc<Mutex<Vec<u8>>>,
    errors: Vec<Status>,
}

impl Mine {
    async fn open(flags: &[&str]) -> Self {
        let log = Arc::default();
        let output = Output::Memory(Arc::clone(&log));
        let clock = WallClock::system();
        // Without the panic hook of a daemon: that of the tests shows what failed.
        let log_of_test =
            Log::new(Options { format: Format::Text, verbosity: 10, skip_headers: false, output, clock });
        tracing::subscriber::set_global_default(log_of_test).expect("this test has a process of its own");
        Self { node: Node::start(NodeOptions::rotating(flags)).await, log, errors: Vec::new() }
    }

    fn request(&self, tokens: &str) -> NodePublishVolumeRequest {
        let mut request = self.node.request();
        request.volume_context.insert(TOKENS.to_owned(), tokens.to_owned());
        request.secrets.insert("clientsecret".to_owned(), CANARY.to_owned());
        request
    }

    async fn refused(&mut self, request: NodePublishVolumeRequest) {
        self.errors.push(self.node.publish_as(request).await.expect_err("a refusal"));
    }

    /// Everything that is there to be read, by where it was found.
    fn output(&self) -> Vec<(&'static str, String)> {
        let log =
            String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let list = |resource: &str| Value::from(self.node.api.list(resource, "default")).to_string();
        let errors = self.errors.iter().map(|error| format!("{error} {error:?}\n")).collect();
        vec![
            ("log", log),
            ("events", list("events")),
            ("status", list(STATUSES)),
            ("metrics", self.node.metrics()),
            ("errors", errors),
        ]
    }

    fn nothing_leaked(&self, further: &[String]) {
        for (place, text) in self.output() {
            assert!(text.len() > 100, "{place} is to be searched, not empty: {text}");
            for form in FORMS.iter().copied().chain(further.iter().map(String::as_str)) {
                let line = text.lines().find(|line| line.contains(form));
                assert!(line.is_none(), "{form} in {place}: {line:?}");
            }
        }
    }
}

fn tokens(token: &str, expires: &str) -> String {
    json!({"aud": {"token": token, "expirationTimestamp": expires}}).to_string()
}

fn good_tokens() -> String {
    tokens(CANARY, "2026-11-24T13:00:00Z")
}

paused_stack_test!(i5_secrets_and_tokens_reach_no_log_error_event_status_or_metric, |_| async {
    let mut mine = Mine::open(&["--rotation-poll-interval=1m", "--secret-repair-interval=1m"]).await;
    // Requests that cannot be decoded or used, with secrets in them.
    let spoil: [fn(&mut NodePublishVolumeRequest); 6] = [
        |r| r.volume_capability = None,
        |r| r.volume_id.clear(),
        |r| r.target_path.clear(),
        |r| r.target_path = "/etc".to_owned(),
        |r| r.readonly = false,
        |r| {
            r.volume_context.insert("secretProviderClass".to_owned(), "absent".to_owned());
        },
    ];
    for spoil in spoil {
        let mut request = mine.request(&good_tokens());
        spoil(&mut request);
        mine.refused(request).await;
    }
    // Replies that are refused, with secrets in them.
    let replies: [fn() -> keymount_stack_tests::Reply; 6] = [
        || reply("v1", &[("password", CANARY), ("password", CANARY)]),
        || reply("v1", &[("../password", CANARY)]),
        || reply("v1", &[("big", &CANARY.repeat(300_000))]),
        || {
            let mut response = reply("v1", &[("password", CANARY)])?;
            response.object_version.clear();
            Ok(response)
        },
        || {
            let mut response = reply("v1", &[("password", CANARY)])?;
            response.files[0].mode = -1;
            Ok(response)
        },
        || {
            let mut response = reply("v1", &[("password", CANARY)])?;
            response.error = Some(keymount_proto::provider::Error { code: "Denied".to_owned() });
            Ok(response)
        },
    ];
    for answer in replies {
        mine.node.provider.answer(move |_| answer());
        let request = mine.request(&good_tokens());
        mine.refused(request).await;
    }
    // Tokens in every form, also in forms that are none.
    mine.node.provider.answer(|_| Err(Status::internal("boom")));
    for tokens in [
        CANARY.to_owned(),
        format!("{{{CANARY}"),
        json!({"aud": CANARY}).to_string(),
        json!({"aud": {"token": CANARY, "expirationTimestamp": CANARY}}).to_string(),
        json!({CANARY: {"token": "x"}}).to_string(),
        tokens(CANARY, "1999-01-01T00:00:00Z"),
    ] {
        let request = mine.request(&tokens);
        mine.refused(request).await;
    }
    // Secrets of Kubernetes: made, impossible to make, refused by the API server with words of its own.
    let node = &mine.node;
    let object =
        |name: &str, type_: &str, data: Value| json!({"secretName": name, "type": type_, "data": data});
    node.put_class(
        "web",
        &json!([
            object("made", "Opaque", json!([{"objectName": "password", "key": "p"}])),
            object(
                "docker",
                "kubernetes.io/dockerconfigjson",
                json!([{"objectName": "password", "key": ".dockerconfigjson"}])
            ),
            object(
                "tls",
                "kubernetes.io/tls",
                json!([
                    {"objectName": "pem", "key": "tls.crt"}, {"objectName": "key", "key": "tls.key"},
                ])
            ),
            object("absent", "Opaque", json!([{"objectName": "absent", "key": "p"}])),
            object("refused", "Opaque", json!([{"objectName": "password", "key": "r"}])),
        ]),
    );
    let message = format!("Secret \"refused\" is invalid: data[r]: Invalid value: \"{CANARY}\"");
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Invalid", "code": 422, "message": message,
        "details": {"causes": [{"reason": "FieldValueInvalid", "message": message, "field": "data[r]"}]},
    });
    node.faults.add(
        Rule::on(
            Service::Kubernetes,
            Action::Respond {
                status: 422,
                code: None,
                inner: None,
                message: None,
                retry_after: None,
                headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
                body: Some(body.to_string()),
            },
        )
        .method("POST")
        .path("/api/v1/namespaces/default/secrets")
        .times(3),
    );
    let pem = format!("-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----\n");
    let key = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n");
    let answer = move |version: &'static str| {
        let (pem, key) = (pem.clone(), key.clone());
        move |_: &keymount_proto::provider::MountRequest| {
            let mut response = reply(version, &[("password", CANARY)])?;
            response.files.extend([file("pem", &pem), file("key", &key)]);
            response.files[0].contents.extend(version.as_bytes());
            Ok(response)
        }
    };
    node.provider.answer(answer("v1"));
    node.publish_as(mine.request(&good_tokens())).await.unwrap();
    node.secret("made", |secret| !secret.is_null()).await;
    // Rotations: changed, failed, with tokens that are none any more.
    node.provider.answer(answer("v2"));
    node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
    node.provider.answer(|_| Err(Status::internal("boom")));
    sleep(Duration::from_secs(600)).await;
    node.publish_as(mine.request(CANARY)).await.unwrap();
    sleep(Duration::from_secs(2 * 3600)).await;
    node.unpublish().await.unwrap();
    assert!(node.provider.calls().iter().any(|call| call.attributes.contains(CANARY)), "it did go in");

    mine.nothing_leaked(&[]);
    let log = mine.output().remove(0).1;
    for logged in
        ["\"request\"", "\"response\" method=\"NodePublishVolume\"", "failed to mount secrets store"]
    {
        assert!(log.contains(logged), "{logged} at this verbosity:\n{log}");
    }
});

// Tokens that the driver makes itself, and Secrets that it reads for the provider.
paused_stack_test!(i5_tokens_that_are_made_here_reach_nothing_but_the_provider, |_| async {
    let mut mine = Mine::open(&["--rotation-poll-interval=1m", "--mint-service-account-tokens"]).await;
    let node = &mine.node;
    node.put(&csi_driver(&json!({
        "requiresRepublish": false, "tokenRequests": [{"audience": "aud", "expirationSeconds": 600}],
    })));
    node.put(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials", "namespace": "default"},
        "stringData": {"clientsecret": CANARY},
    }));
    let mut web = keymount_stack_tests::pod("minting");
    web["spec"]["volumes"] = json!([{"name": "secrets", "csi": {
        "driver": "secrets-store.csi.k8s.io", "readOnly": true, "nodePublishSecretRef": {"name": "credentials"},
        "volumeAttributes": {"secretProviderClass": "web"},
    }}]);
    let uid = node.put(&web)["metadata"]["uid"].as_str().unwrap().to_owned();
    let mount = Mount::new("minting", &uid);
    let mut request = mount.request(&node.pods());
    request.volume_context.insert(TOKENS.to_owned(), good_tokens());
    node.publish_as(request).await.unwrap();
    sleep(Duration::from_secs(2 * 3600)).await;
    let made: Vec<String> = node
        .provider
        .calls()
        .iter()
        .filter_map(|call| {
            let attributes: Value = serde_json::from_str(&call.attributes).ok()?;
            let tokens: Value = serde_json::from_str(attributes[TOKENS].as_str()?).ok()?;
            tokens["aud"]["token"].as_str().map(str::to_owned)
        })
        .filter(|token| token != CANARY)
        .collect();
    assert!(made.len() > 10, "{}", made.len());
    // The API server loses its mind, then the Secret goes: failures are told.
    node.faults.add(
        Rule::on(Service::Kubernetes, Action::status(500)).path("/api/v1/namespaces/default/*").times(20),
    );
    sleep(Duration::from_secs(1200)).await;
    node.faults.clear();
    node.api.delete("secrets", "default", "credentials").unwrap();
    sleep(Duration::from_secs(1200)).await;
    let mut request = mine.request(&good_tokens());
    request.readonly = false;
    mine.refused(request).await;
    mine.nothing_leaked(&made);
});

//! The Azure side of the emulator over its sockets.

mod admin;
mod certificates;
mod challenge;
mod entra;
mod faults;
mod keys;
mod lists;
mod managed_identity;
mod secrets;

use http::StatusCode;
use jiff::Timestamp;
use keymount_clock::WallClock;
use keymount_emulator::entra::Identity;
use keymount_emulator::{Emulator, Options};
use serde_json::Value;

const APP: &str = "11111111-0000-4000-8000-000000000001";
const VAULT: &str = "https://kv1.vault.azure.net";
const RESOURCE: &str = "https://vault.azure.net";

/// An emulator with one application and an empty vault, a client that trusts it, and a token.
struct Bench {
    emulator: Emulator,
    client: reqwest::Client,
    token: String,
}

impl Bench {
    async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// At a simulated 2026-11-24, noon.
    async fn simulated() -> Self {
        let noon: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
        Self::with(Options { clock: WallClock::simulated(noon), ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let emulator = Emulator::start(options).await.expect("an emulator");
        emulator.directory().add(Identity::with_secret(APP, "s3cret"));
        let _ = emulator.vault("kv1");
        let client = client(&emulator);
        let token = emulator.token(APP, RESOURCE).expect("a token");
        Self { emulator, client, token }
    }

    /// Sends a request to the vault with the token; status and JSON body.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let join = if path.contains('?') { '&' } else { '?' };
        let url = format!("{VAULT}{path}{join}api-version=7.4");
        self.send(method, &url, body).await
    }

    async fn send(&self, method: &str, url: &str, body: Option<Value>) -> (StatusCode, Value) {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let text = response.text().await.expect("a body");
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") })
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call("GET", path, None).await
    }

    async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer
    }
}

const HOSTS: [&str; 7] = [
    "kv1.vault.azure.net",
    "kv9.vault.azure.net",
    "kv1.vault.azure.cn",
    "kv1.vault.keymount.test",
    "login.microsoftonline.com",
    "proxy.ests.aks",
    "example.com",
];

/// A client that trusts the emulator, keeps its checks on and finds all Azure hosts there.
fn client(emulator: &Emulator) -> reqwest::Client {
    builder(emulator).build().expect("a client")
}

fn builder(emulator: &Emulator) -> reqwest::ClientBuilder {
    let ca = emulator.ca().der().expect("DER");
    let mut builder = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_der(&ca).expect("a certificate")])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    for host in HOSTS {
        builder = builder.resolve(host, emulator.address());
    }
    builder
}

/// Code and inner code of an error body.
fn codes(body: &Value) -> (&str, &str) {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    (text("/error/code"), text("/error/innererror/code"))
}

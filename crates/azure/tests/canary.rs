//! I5: nothing secret in what the provider says, at any verbosity.

mod support;

use std::sync::{Arc, Mutex};

use keymount_clock::WallClock;
use keymount_daemon::log::{self, Format, Options, Output};
use keymount_emulator::faults::{Action, Rule, Service};
use keymount_emulator::vault::CertificateSpec;
use support::{Ask, SECRET, VAULT, World};

/// CVE-2023-2878 and its kin: tokens and secrets in logs, also when something fails.
#[tokio::test]
async fn i5_no_token_and_no_secret_in_logs_errors_and_metrics() {
    let buffer = Arc::new(Mutex::new(Vec::new()));
    log::init(Options {
        format: Format::Text,
        verbosity: 10,
        skip_headers: false,
        output: Output::Memory(Arc::clone(&buffer)),
        clock: WallClock::system(),
    });
    let world = World::new().await;
    let vault = world.azure.vault(VAULT);
    vault.set_secret("s", "v4lue-c4n4ry").expect("a secret");
    vault.put_certificate(&CertificateSpec::new("site")).await.expect("a certificate");
    let pod = support::service_account_token("shop", "web", "web-0");
    let ask = || Ask::new(&["objectName=s objectType=secret", "objectName=site objectType=secret"]);
    let mut said = String::new();
    for ask in [
        ask(),
        ask().workload("web-0"),
        ask().workload("web-0").set("tenantID", "a b"),
        Ask { secrets: ask().secrets + "}", ..ask() },
        Ask::new(&["objectName=s objectType=secret objectEncoding=hex"]),
        Ask::new(&["objectName=absent objectType=secret"]),
        ask()
            .set("csi.storage.k8s.io/serviceAccount.tokens", &format!("{{{pod}"))
            .set("clientID", "workload"),
    ] {
        if let Err(status) = world.mount(&ask).await {
            said += &format!("{status} {status:?}\n");
        }
    }
    for (service, action) in [
        (Service::Entra, Action::status(401)),
        (Service::Vault, Action::Garbage),
        (Service::Vault, Action::Truncate { after: 40 }),
    ] {
        world.azure.faults().add(Rule::on(service, action));
        for ask in [ask().principal("other"), ask().workload("web-1")] {
            let ask = ask.within(std::time::Duration::from_secs(2));
            if let Err(status) = world.mount(&ask).await {
                said += &format!("{status} {status:?}\n");
            }
        }
        world.azure.faults().clear();
    }
    said += &world.registry.text();
    said += &String::from_utf8_lossy(&buffer.lock().expect("the lock"));
    assert!(
        said.contains("failed to process mount request") && said.contains("\"mounted\""),
        "logs were seen"
    );
    let tokens = world.azure.token("app", "https://vault.azure.net").expect("a token");
    let payload = tokens.split('.').nth(1).expect("a payload");
    for secret in ["v4lue-c4n4ry", SECRET, pod.as_str(), "BEGIN PRIVATE KEY", "Bearer ey", &payload[..40]] {
        assert!(!said.contains(secret), "{secret} in:\n{said}");
    }
}

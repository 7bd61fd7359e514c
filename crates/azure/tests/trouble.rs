//! What goes wrong at the vault and at the issuer, and how it is told.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use keymount_azure::REASON_KEY;
use keymount_emulator::faults::{Action, Rule, Service, TlsProblem};
use keymount_emulator::vault::{Access, Grant, Model};
use support::{Ask, VAULT, World};
use tonic::{Code, Status};

const OBJECT: &str =
    "failed to mount objects, error: failed to get objectType:secret, objectName:s, objectVersion:: ";

fn ask() -> Ask {
    Ask::new(&["objectName=s objectType=secret"])
}

async fn world() -> World {
    let world = World::new().await;
    world.azure.vault(VAULT).set_secret("s", "v4lue-c4n4ry").expect("a secret");
    world
}

fn respond(status: u16, code: &str, inner: Option<&str>) -> Action {
    Action::Respond {
        status,
        code: Some(code.to_owned()),
        inner: inner.map(str::to_owned),
        message: None,
        retry_after: None,
        headers: BTreeMap::new(),
        body: None,
    }
}

fn check(status: &Status, begin: &str, reason: &str) {
    let message = status.message();
    assert_eq!(status.code(), Code::Unknown, "{message}");
    assert!(message.starts_with(begin), "{begin}\n{message}");
    let lines: Vec<_> = message.lines().rev().take(2).collect();
    assert!(lines[0].starts_with("hint: ") && lines[0].len() > 30, "{message}");
    assert_eq!(lines[1], format!("reason: {}", keymount_reasons::numbered(reason)), "{message}");
    assert_eq!(status.metadata().get(REASON_KEY).expect("a reason"), reason);
    assert!(!message.contains("c4n4ry"), "{message}");
}

#[tokio::test]
async fn answers_of_the_vault() {
    let dump = format!("{OBJECT}GET https://kv1.vault.azure.net/secrets/s/\n-------");
    for (action, reason) in [
        (respond(400, "BadParameter", None), "VaultBadRequest"),
        (respond(401, "Unauthorized", None), "VaultUnauthorized"),
        (respond(403, "Forbidden", Some("AccessDenied")), "VaultForbiddenByPolicy"),
        (respond(403, "Forbidden", Some("ForbiddenByRbac")), "VaultForbiddenByRbac"),
        (respond(403, "Forbidden", Some("ForbiddenByFirewall")), "VaultForbiddenByFirewall"),
        (respond(403, "Forbidden", Some("ForbiddenByConnection")), "VaultForbiddenByConnection"),
        (respond(403, "Forbidden", Some("SecretDisabled")), "ObjectDisabled"),
        (respond(404, "SecretNotFound", None), "ObjectNotFound"),
        (Action::Redirect { status: 302, location: "https://elsewhere.test/".to_owned() }, "VaultRedirected"),
    ] {
        let world = world().await;
        world.azure.faults().add(Rule::on(Service::Vault, action));
        check(&world.refused(&ask()).await, &dump, reason);
    }
}

#[tokio::test]
async fn answers_that_pass_are_waited_out() {
    for action in [Action::status(503), Action::status(429), Action::Reset, Action::Truncate { after: 5 }] {
        let world = world().await;
        world.azure.faults().add(Rule::on(Service::Vault, action).times(1));
        let reply = world.mount(&ask()).await.expect("files");
        assert_eq!(reply.files[0].contents, b"v4lue-c4n4ry");
        assert_eq!(world.vault_calls(), 2);
    }
}

#[tokio::test]
async fn answers_that_are_none() {
    let model = format!("{OBJECT}unmarshalling type *azsecrets.SecretBundle: ");
    for (action, begin, reason) in [
        (Action::Garbage, model.as_str(), "VaultMalformedAnswer"),
        (Action::Oversize { bytes: 100_000_000 }, OBJECT, "VaultMalformedAnswer"),
    ] {
        let world = world().await;
        world.azure.faults().add(Rule::on(Service::Vault, action));
        check(&world.refused(&ask()).await, begin, reason);
    }
}

#[tokio::test]
async fn connections_that_fail() {
    const GET: &str = "Get \"https://kv1.vault.azure.net/secrets/s/?api-version=7.4\": ";
    let short = ask().within(Duration::from_secs(5));
    let cases = [
        (
            TlsProblem::Expired,
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
        ),
        (TlsProblem::WrongName, "tls: failed to verify certificate: x509: certificate is valid for "),
        (
            TlsProblem::Untrusted,
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ),
        (TlsProblem::Refused, "remote error: tls: "),
    ];
    let cases = cases.map(|(problem, text)| {
        let short = short.clone();
        async move {
            let world = world().await;
            // The issuer stays reachable: only handshakes for the vault fail.
            let rule = Rule::on(Service::Vault, Action::Tls { problem }).host("kv1.vault.azure.net");
            world.azure.faults().add(rule);
            check(&world.refused(&short).await, &format!("{OBJECT}{GET}{text}"), "VaultUntrusted");
        }
    });
    futures::future::join_all(cases).await;
    let elsewhere = short.set("keyvaultName", "kv9").set("cloudName", "AzureChinaCloud");
    let status = world().await.refused(&elsewhere).await;
    assert!(status.message().contains("dial tcp: lookup "), "{}", status.message());
}

#[tokio::test]
async fn a_vault_that_does_not_answer_is_named_before_the_callers_time_is_up() {
    let world = world().await;
    world.azure.faults().add(Rule::on(Service::Vault, Action::Hang));
    let status = world.refused(&ask().within(Duration::from_secs(3))).await;
    let begin = format!("{OBJECT}context deadline exceeded: GET https://kv1.vault.azure.net/secrets/s/");
    check(&status, &begin, "VaultTimeout");
    assert!(status.message().contains("was waiting for an answer for "), "{}", status.message());
}

#[tokio::test]
async fn answers_of_the_issuer() {
    let entra = |status, code: &str, message: &str| Action::Respond {
        status,
        code: Some(code.to_owned()),
        inner: None,
        message: Some(message.to_owned()),
        retry_after: None,
        headers: BTreeMap::new(),
        body: None,
    };
    let world = world().await;
    let wrong = Ask { secrets: ask().secrets.replace("cl1ent", "wr0ng"), ..ask() };
    let begin = format!(
        "{OBJECT}ClientSecretCredential authentication failed. \nPOST https://login.microsoftonline.com/"
    );
    check(&world.refused(&wrong).await, &begin, "TokenSecretInvalid");
    check(&world.refused(&ask().principal("nobody")).await, &begin, "TokenApplicationNotFound");
    world.azure.faults().add(Rule::on(Service::Entra, entra(400, "invalid_grant", "AADSTS700213: no match")));
    let begin = format!(
        "{OBJECT}ClientAssertionCredential authentication failed. \nPOST https://login.microsoftonline.com/"
    );
    check(&world.refused(&ask().workload("web-0")).await, &begin, "TokenFederationMissing");
    assert_eq!(world.vault_calls(), 0, "nothing was asked without a token");
}

#[tokio::test]
async fn the_first_object_in_order_decides_not_the_fastest() {
    let world = world().await;
    world
        .azure
        .faults()
        .add(Rule::on(Service::Vault, Action::Latency { millis: 300 }).path("/secrets/slow/*"));
    let both = ["objectName=slow objectType=secret", "objectName=absent objectType=secret"];
    let status = world.refused(&Ask::new(&both)).await;
    assert!(status.message().contains("objectName:slow, "), "{}", status.message());
    let unknown = Ask::new(&["objectName=s objectType=secret", "objectName=x objectType=Secret"]);
    let begin = "failed to mount objects, error: failed to get objectType:Secret, objectName:x, objectVersion:: \
                 Invalid vaultObjectTypes. Should be secret, key, or cert";
    check(&world.refused(&unknown).await, begin, "InvalidObjectType");
}

#[tokio::test]
async fn i6_a_revoked_permission_counts_at_once_and_for_its_owner_alone() {
    let world = world().await;
    let grants = |clients: &[&str]| Access {
        model: Model::Rbac,
        grants: Some(clients.iter().map(|client| Grant::all(client)).collect()),
        ..Access::default()
    };
    let vault = world.azure.vault(VAULT);
    vault.set_secret("t", "v").expect("a secret");
    vault.set_access(grants(&["app", "other"]));
    world.mount(&ask()).await.expect("files");
    world.mount(&ask().principal("other")).await.expect("files");
    vault.set_access(grants(&["other"]));
    // What is cached still counts for its seconds; the first refusal ends that.
    let more = Ask::new(&["objectName=t objectType=secret"]);
    let begin =
        "failed to mount objects, error: failed to get objectType:secret, objectName:t, objectVersion:: GET ";
    check(&world.refused(&more).await, begin, "VaultForbiddenByRbac");
    check(&world.refused(&ask()).await, &format!("{OBJECT}GET "), "VaultForbiddenByRbac");
    let calls = world.vault_calls();
    world.mount(&ask().principal("other")).await.expect("files");
    assert_eq!(world.vault_calls(), calls, "the other identity's content is still there");
}

/// What a vault's answer may look like on the wire: the content comes, or an error that names a reason; nothing is
/// unpacked, nothing is waited for beyond the caller's time, and half a secret is no secret.
#[tokio::test]
async fn fault_9_slow_and_mislabelled_answers_end_in_an_error_or_the_content() {
    let packed = Action::Respond {
        status: 200,
        code: None,
        inner: None,
        message: None,
        retry_after: None,
        headers: [("content-encoding".to_owned(), "gzip".to_owned())].into(),
        body: Some("\u{1f}\u{8b}\u{8} a bomb".to_owned()),
    };
    let mark = |body: &str| Action::Respond {
        status: 200,
        code: None,
        inner: None,
        message: None,
        retry_after: None,
        headers: BTreeMap::new(),
        body: Some(body.to_owned()),
    };
    let answers = [
        (Action::Trickle { bytes: 16, millis: 1 }, true),
        (Action::Latency { millis: 300 }, true),
        (Action::Trickle { bytes: 1, millis: 2_000 }, false),
        (Action::ContentLength { off_by: 50 }, false),
        (Action::ContentLength { off_by: -20 }, false),
        (Action::Truncate { after: 30 }, false),
        (packed, false),
        (mark("\u{feff}{\"value\":\"v4lue-c4n4ry\"}"), false),
        (mark("{\"value\":\"v4lue-c4n4ry\""), false),
        (mark(""), false),
    ];
    let cases = answers.map(|(action, succeeds)| async move {
        let world = world().await;
        let shown = format!("{action:?}");
        world.azure.faults().add(Rule::on(Service::Vault, action));
        match world.mount(&ask().within(Duration::from_secs(4))).await {
            Ok(reply) => {
                assert!(succeeds, "{shown}: {} bytes", reply.files[0].contents.len());
                assert_eq!(reply.files[0].contents, b"v4lue-c4n4ry", "{shown}");
            }
            Err(status) => {
                assert!(!succeeds, "{shown}: {status}");
                assert!(
                    status.message().contains("reason: ") && !status.message().contains("c4n4ry"),
                    "{status}"
                );
            }
        }
    });
    futures::future::join_all(cases).await;
}

use std::net::Ipv4Addr;

use super::*;

fn beyond() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
}

#[tokio::test]
async fn other_addresses_only_where_they_do_no_harm() {
    let admin = Options { admin: beyond(), ..Options::default() };
    assert!(matches!(Emulator::start(admin).await.err(), Some(StartError::AdminNotLoopback(_))));
    for options in [
        Options { listen: beyond(), ..Options::default() },
        Options { imds: beyond(), ..Options::default() },
        Options { nmi: beyond(), ..Options::default() },
    ] {
        let any_token = Options { allow_any_token: true, ..options.clone() };
        let refused = Emulator::start(any_token).await.err();
        assert!(matches!(refused, Some(StartError::AnyTokenBeyondLoopback(_))));
        Emulator::start(options).await.expect("an emulator").shutdown().await;
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = Emulator::start(Options::default()).await.expect("an emulator");
    let error = Emulator::start(Options { listen: first.address(), ..Options::default() }).await.err();
    let text = error.expect("an error").to_string();
    let expected = format!("cannot listen on {} for vaults and authorities", first.address());
    assert!(text.starts_with(&expected), "{text}");
}

#[tokio::test]
async fn the_ca_file_goes_with_the_emulator_unless_it_was_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let asked = directory.path().join("ca.pem");
    let emulator = Emulator::start(Options { ca_file: Some(asked.clone()), ..Options::default() }).await;
    drop(emulator.expect("an emulator"));
    assert!(std::fs::read_to_string(asked).expect("the file").starts_with("-----BEGIN CERTIFICATE-----"));

    let emulator = Emulator::start(Options::default()).await.expect("an emulator");
    let own = emulator.started().ca;
    assert!(own.exists());
    drop(emulator);
    assert!(!own.exists());
}

#[tokio::test]
async fn the_announcement_is_one_object() {
    let options = Options { seed: Some(SeedSource::Demo), ..Options::default() };
    let emulator = Emulator::start(options).await.expect("an emulator");
    let started = serde_json::to_value(emulator.started()).expect("JSON");
    for member in ["vault", "authority", "imds", "nmi", "ca", "admin", "tenant", "notice"] {
        assert!(started[member].is_string(), "{member}");
    }
    let port = emulator.address().port();
    assert_eq!(started["vaults"]["demo"], format!("https://demo.vault.azure.net:{port}"));
    assert!(started["kubernetes"].is_null());
    let emulator = Emulator::start(Options { kubernetes: Some(0), ..Options::default() }).await;
    let emulator = emulator.expect("an emulator");
    assert_eq!(emulator.started().kubernetes.as_deref(), emulator.kubernetes().map(ApiServer::url));
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_seed_that_does_not_fit_is_named() {
    let text = "vaults: [{ name: kv1, secrets: [{ name: under_score, value: x }] }]";
    let emulator = Emulator::start(Options::default()).await.expect("an emulator");
    let error = emulator.seed(Seed::parse(text).expect("a seed")).await.expect_err("a refusal");
    assert_eq!(
        error.to_string(),
        "the seed of vault kv1 has secret under_score that does not fit: BadParameter: The request URI \
         contains an invalid name: under_score"
    );
}

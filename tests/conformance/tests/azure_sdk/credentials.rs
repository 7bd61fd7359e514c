use std::io::Write;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::StatusCode;
use azure_identity::{
    ClientAssertionCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use keymount_emulator::DEFAULT_TENANT;
use keymount_emulator::entra::{Federation, Identity, IdentityKind, KeySource};
use keymount_emulator::faults::{Match, Service};
use keymount_emulator::token::{Claims, Signer};

use crate::{Bench, VAULT, refusal};

const WORKLOAD: &str = "22222222-0000-4000-8000-000000000002";

impl Bench {
    /// Reads a secret with this credential.
    async fn read(&self, credential: Arc<dyn TokenCredential>) -> azure_core::Result<Option<String>> {
        self.emulator.vault("kv1").set_secret("s", "v").expect("a secret");
        let options =
            SecretClientOptions { client_options: self.options(), ..SecretClientOptions::default() };
        let client = SecretClient::new(VAULT, credential, Some(options))?;
        Ok(client.get_secret("s", None).await?.into_model()?.value)
    }
}

#[tokio::test]
async fn the_challenge_costs_one_request_and_the_token_is_kept() {
    let bench = Bench::start().await;
    let options = SecretClientOptions { client_options: bench.options(), ..SecretClientOptions::default() };
    let client = SecretClient::new(VAULT, bench.credential(), Some(options)).expect("a client");
    bench.emulator.vault("kv1").set_secret("s", "v").expect("a secret");
    for _ in 0..3 {
        client.get_secret("s", None).await.expect("get");
    }
    let traffic = bench.emulator.traffic();
    let of = |service| Match { service: Some(service), ..Match::default() };
    assert_eq!(traffic.count(&of(Service::Entra)), 1);
    assert_eq!(traffic.count_status(&of(Service::Vault), 401), 1);
    assert_eq!(traffic.count_status(&of(Service::Vault), 200), 3);
}

#[tokio::test]
async fn a_wrong_secret_is_told_by_its_number() {
    let bench = Bench::start().await;
    let error = bench.read(bench.with_secret("wrong")).await.expect_err("a refusal");
    assert!(format!("{error:?}").contains("AADSTS7000215"), "{error:?}");
}

#[tokio::test]
async fn workload_identity() {
    let bench = Bench::start().await;
    let cluster = Signer::new();
    bench.emulator.directory().add(Identity {
        federated: vec![Federation {
            issuer: "https://cluster.test".to_owned(),
            subject: "system:serviceaccount:shop:web".to_owned(),
            audience: "api://AzureADTokenExchange".to_owned(),
            keys: Some(KeySource::Inline(cluster.jwks().clone())),
        }],
        ..Identity::new(IdentityKind::UserAssigned, WORKLOAD)
    });
    let claims = Claims {
        aud: "api://AzureADTokenExchange".to_owned(),
        iss: "https://cluster.test".to_owned(),
        iat: 0,
        nbf: 0,
        exp: 4_000_000_000,
        appid: String::new(),
        oid: String::new(),
        sub: "system:serviceaccount:shop:web".to_owned(),
        tid: String::new(),
    };
    let credential = |assertion: &str| {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(assertion.as_bytes()).expect("written");
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options: bench.options() },
            client_id: Some(WORKLOAD.to_owned()),
            tenant_id: Some(DEFAULT_TENANT.to_owned()),
            token_file_path: Some(file.path().to_owned()),
        };
        (WorkloadIdentityCredential::new(Some(options)).expect("a credential"), file)
    };
    let (good, _file) = credential(&cluster.sign(&claims));
    assert_eq!(bench.read(good).await.expect("a value").as_deref(), Some("v"));
    let (forged, _file) = credential(&Signer::new().sign(&claims));
    let error = bench.read(forged).await.expect_err("a refusal");
    assert!(format!("{error:?}").contains("AADSTS700027"), "{error:?}");
}

#[tokio::test]
async fn managed_identity() {
    let bench = Bench::start().await;
    let credential = |id: Option<UserAssignedId>| {
        let options =
            ManagedIdentityCredentialOptions { user_assigned_id: id, client_options: bench.options() };
        ManagedIdentityCredential::new(Some(options)).expect("a credential")
    };
    let none = bench.read(credential(None)).await.expect_err("a refusal");
    assert!(format!("{none:?}").contains("has not been assigned to this resource"), "{none:?}");
    bench.emulator.directory().add(Identity::new(IdentityKind::SystemAssigned, "machine"));
    bench.emulator.directory().add(Identity {
        object_id: Some("object".to_owned()),
        resource_id: Some("/subscriptions/s/id".to_owned()),
        ..Identity::new(IdentityKind::UserAssigned, "assigned")
    });
    for id in [
        None,
        Some(UserAssignedId::ClientId("assigned".to_owned())),
        Some(UserAssignedId::ObjectId("object".to_owned())),
        Some(UserAssignedId::ResourceId("/subscriptions/s/id".to_owned())),
    ] {
        assert_eq!(bench.read(credential(id)).await.expect("a value").as_deref(), Some("v"));
    }
}

#[tokio::test]
async fn a_refused_identity_sees_403() {
    use keymount_emulator::vault::Access;
    let bench = Bench::start().await;
    bench.emulator.vault("kv1").set_access(Access { grants: Some(Vec::new()), ..Access::default() });
    let refused = refusal(bench.read(bench.credential()).await);
    assert_eq!(refused, (StatusCode::Forbidden, "Forbidden".to_owned()));
}

use azure_security_keyvault_certificates::models::{
    CertificatePolicy, CreateCertificateParameters, CurveName, ImportCertificateParameters, IssuerParameters,
    KeyProperties, KeyType, X509CertificateProperties,
};
use azure_security_keyvault_certificates::{CertificateClient, CertificateClientOptions, ResourceExt};
use futures::TryStreamExt;
use keymount_emulator::vault::{CertificateSpec, KeyType as Kind};

use crate::{Bench, VAULT};

impl Bench {
    fn certificates(&self) -> CertificateClient {
        let options = CertificateClientOptions {
            client_options: self.options(),
            ..CertificateClientOptions::default()
        };
        CertificateClient::new(VAULT, self.credential(), Some(options)).expect("a client")
    }
}

fn policy() -> CertificatePolicy {
    CertificatePolicy {
        x509_certificate_properties: Some(X509CertificateProperties {
            subject: Some("CN=site.test".to_owned()),
            ..Default::default()
        }),
        key_properties: Some(KeyProperties {
            key_type: Some(KeyType::Ec),
            curve: Some(CurveName::P256),
            ..Default::default()
        }),
        issuer_parameters: Some(IssuerParameters { name: Some("Self".to_owned()), ..Default::default() }),
        ..Default::default()
    }
}

#[tokio::test]
async fn creation_is_polled_to_its_end() {
    let bench = Bench::start().await;
    let client = bench.certificates();
    let create = CreateCertificateParameters { certificate_policy: Some(policy()), ..Default::default() };
    let poller =
        client.begin_create_certificate("site", create.try_into().expect("a body"), None).expect("a poller");
    let created = poller.await.expect("created").into_model().expect("a certificate");
    let version = created.resource_id().expect("an id").version;
    assert!(version.is_some() && created.cer.is_some_and(|cer| !cer.is_empty()));
    assert!(created.kid.is_some_and(|kid| kid.contains("/keys/site/")));

    let got = client.get_certificate("site", None).await.expect("get").into_model().expect("a certificate");
    assert_eq!(got.resource_id().expect("an id").version, version);
    let policy =
        client.get_certificate_policy("site", None).await.expect("get").into_model().expect("a policy");
    assert_eq!(policy.key_properties.and_then(|key| key.key_size), Some(256));
    let versions = client.list_certificate_properties_versions("site", None).expect("a pager");
    assert_eq!(versions.try_collect::<Vec<_>>().await.expect("all pages").len(), 1);

    client.delete_certificate("site", None).await.expect("delete");
    let deleted = client.list_deleted_certificate_properties(None).expect("a pager");
    assert_eq!(deleted.try_collect::<Vec<_>>().await.expect("all pages").len(), 1);
    client.recover_deleted_certificate("site", None).await.expect("recover");
    client.get_certificate("site", None).await.expect("get");
}

#[tokio::test]
async fn imports_pfx_and_pem() {
    let bench = Bench::start().await;
    let client = bench.certificates();
    let vault = bench.emulator.vault("kv1");
    for (name, pem) in [("pfx", false), ("pem", true)] {
        let key = Kind { kty: "EC".to_owned(), ..Kind::default() };
        let spec = CertificateSpec { key, pem, chain: true, ..CertificateSpec::new(name) };
        vault.put_certificate(&spec).await.expect("a certificate");
        let value = bench.secret(name).await;
        let import =
            ImportCertificateParameters { base64_encoded_certificate: Some(value), ..Default::default() };
        let imported = client
            .import_certificate(&format!("{name}-again"), import.try_into().expect("a body"), None)
            .await
            .expect("import")
            .into_model()
            .expect("a certificate");
        let original = client.get_certificate(name, None).await.expect("get").into_model().expect("one");
        assert_eq!(imported.cer, original.cer);
    }
}

impl Bench {
    async fn secret(&self, name: &str) -> String {
        use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
        let options =
            SecretClientOptions { client_options: self.options(), ..SecretClientOptions::default() };
        let client = SecretClient::new(VAULT, self.credential(), Some(options)).expect("a client");
        let secret = client.get_secret(name, None).await.expect("get").into_model().expect("a secret");
        secret.value.expect("a value")
    }
}

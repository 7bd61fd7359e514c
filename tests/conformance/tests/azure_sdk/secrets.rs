use std::collections::HashMap;

use azure_core::http::StatusCode;
use azure_security_keyvault_secrets::models::{
    SecretClientGetSecretOptions, SecretClientListSecretPropertiesVersionsOptions, SetSecretParameters,
    UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use futures::TryStreamExt;

use crate::{Bench, VAULT, refusal};

impl Bench {
    fn secrets(&self) -> SecretClient {
        let options =
            SecretClientOptions { client_options: self.options(), ..SecretClientOptions::default() };
        SecretClient::new(VAULT, self.credential(), Some(options)).expect("a client")
    }
}

async fn set(client: &SecretClient, name: &str, value: &str) -> String {
    let parameters = SetSecretParameters { value: Some(value.to_owned()), ..Default::default() };
    let response = client.set_secret(name, parameters.try_into().expect("a body"), None).await.expect("set");
    let secret = response.into_model().expect("a secret");
    secret.resource_id().expect("an id").version.expect("a version")
}

async fn get(client: &SecretClient, name: &str, version: Option<&str>) -> azure_core::Result<Option<String>> {
    let options =
        SecretClientGetSecretOptions { secret_version: version.map(str::to_owned), ..Default::default() };
    Ok(client.get_secret(name, Some(options)).await?.into_model()?.value)
}

#[tokio::test]
async fn set_get_update_and_versions() {
    let bench = Bench::start().await;
    let client = bench.secrets();
    let first = set(&client, "db-password", "one").await;
    set(&client, "db-password", "two").await;
    assert_eq!(get(&client, "db-password", None).await.expect("get").as_deref(), Some("two"));
    assert_eq!(get(&client, "db-password", Some(&first)).await.expect("get").as_deref(), Some("one"));

    let update = UpdateSecretPropertiesParameters {
        content_type: Some("text/plain".to_owned()),
        tags: Some(HashMap::from([("team".to_owned(), "a".to_owned())])),
        ..Default::default()
    };
    let updated = client
        .update_secret_properties("db-password", update.try_into().expect("a body"), None)
        .await
        .expect("update")
        .into_model()
        .expect("a secret");
    assert_eq!(updated.content_type.as_deref(), Some("text/plain"));
    assert_eq!(updated.tags.expect("tags")["team"], "a");

    let versions = client.list_secret_properties_versions("db-password", None).expect("a pager");
    let versions: Vec<_> = versions.try_collect().await.expect("all pages");
    assert_eq!(versions.len(), 2);
    assert!(
        versions.iter().all(|version| version.attributes.as_ref().is_some_and(|one| one.created.is_some()))
    );
}

#[tokio::test]
async fn lists_follow_their_pages() {
    let bench = Bench::start().await;
    let vault = bench.emulator.vault("kv1");
    for n in 0..30 {
        vault.set_secret(&format!("s{n}"), "v").expect("a secret");
        vault.set_secret("many", &format!("v{n}")).expect("a secret");
    }
    let client = bench.secrets();
    let pager = client.list_secret_properties(None).expect("a pager");
    let names: Vec<_> = pager.try_collect().await.expect("all pages");
    assert_eq!(names.len(), 31);
    let options =
        SecretClientListSecretPropertiesVersionsOptions { maxresults: Some(4), ..Default::default() };
    let pager = client.list_secret_properties_versions("many", Some(options)).expect("a pager");
    let versions: Vec<_> = pager.try_collect().await.expect("all pages");
    assert_eq!(versions.len(), 30);
}

#[tokio::test]
async fn delete_recover_and_purge() {
    let bench = Bench::start().await;
    let client = bench.secrets();
    set(&client, "s1", "v").await;
    let deleted = client.delete_secret("s1", None).await.expect("delete").into_model().expect("a secret");
    assert!(deleted.recovery_id.is_some() && deleted.scheduled_purge_date.is_some());
    assert_eq!(refusal(get(&client, "s1", None).await), (StatusCode::NotFound, "SecretNotFound".to_owned()));
    let parameters = SetSecretParameters { value: Some("w".to_owned()), ..Default::default() };
    let again = client.set_secret("s1", parameters.try_into().expect("a body"), None).await;
    assert_eq!(refusal(again), (StatusCode::Conflict, "Conflict".to_owned()));
    let pager = client.list_deleted_secret_properties(None).expect("a pager");
    assert_eq!(pager.try_collect::<Vec<_>>().await.expect("all pages").len(), 1);
    client.recover_deleted_secret("s1", None).await.expect("recover");
    assert_eq!(get(&client, "s1", None).await.expect("get").as_deref(), Some("v"));
    client.delete_secret("s1", None).await.expect("delete");
    client.purge_deleted_secret("s1", None).await.expect("purge");
    let gone = client.get_deleted_secret("s1", None).await;
    assert_eq!(refusal(gone).0, StatusCode::NotFound);
}

#[tokio::test]
async fn errors_are_understood() {
    let bench = Bench::start().await;
    let client = bench.secrets();
    let vault = bench.emulator.vault("kv1");
    set(&client, "off", "v").await;
    vault.enable_secret("off", "", false).expect("disabled");
    assert_eq!(refusal(get(&client, "off", None).await), (StatusCode::Forbidden, "Forbidden".to_owned()));
    let bad = refusal(get(&client, "under_score", None).await);
    assert_eq!(bad, (StatusCode::BadRequest, "BadParameter".to_owned()));
}

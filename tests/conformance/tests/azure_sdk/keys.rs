use azure_security_keyvault_keys::models::{
    CreateKeyParameters, CurveName, ImportKeyParameters, JsonWebKey, KeyType,
};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions, ResourceExt};
use futures::TryStreamExt;

use crate::{Bench, VAULT};

impl Bench {
    fn keys(&self) -> KeyClient {
        let options = KeyClientOptions { client_options: self.options(), ..KeyClientOptions::default() };
        KeyClient::new(VAULT, self.credential(), Some(options)).expect("a client")
    }
}

#[tokio::test]
async fn create_get_list_rotate_delete() {
    let bench = Bench::start().await;
    let client = bench.keys();
    let create =
        CreateKeyParameters { kty: Some(KeyType::Ec), curve: Some(CurveName::P521), ..Default::default() };
    let created = client
        .create_key("sign", create.try_into().expect("a body"), None)
        .await
        .expect("create")
        .into_model()
        .expect("a key");
    assert_eq!(created.resource_id().expect("an id").name, "sign");
    let jwk = created.key.expect("a JWK");
    assert_eq!((jwk.kty, jwk.crv), (Some(KeyType::Ec), Some(CurveName::P521)));
    assert_eq!((jwk.x.map(|x| x.len()), jwk.d), (Some(66), None));

    let rotated = client.rotate_key("sign", None).await.expect("rotate").into_model().expect("a key");
    let got = client.get_key("sign", None).await.expect("get").into_model().expect("a key");
    assert_eq!(got.key.and_then(|key| key.kid), rotated.key.and_then(|key| key.kid));
    let versions = client.list_key_properties_versions("sign", None).expect("a pager");
    assert_eq!(versions.try_collect::<Vec<_>>().await.expect("all pages").len(), 2);
    client.delete_key("sign", None).await.expect("delete");
    client.recover_deleted_key("sign", None).await.expect("recover");
    assert_eq!(
        client.list_key_properties(None).expect("a pager").try_collect::<Vec<_>>().await.expect("all").len(),
        1
    );
}

#[tokio::test]
async fn imported_keys_come_back_without_their_private_half() {
    let bench = Bench::start().await;
    let client = bench.keys();
    let key = JsonWebKey {
        kty: Some(KeyType::Rsa),
        n: Some(vec![0xc1; 256]),
        e: Some(vec![1, 0, 1]),
        d: Some(vec![7; 256]),
        ..Default::default()
    };
    let import = ImportKeyParameters { key: Some(key), ..Default::default() };
    let imported = client
        .import_key("imported", import.try_into().expect("a body"), None)
        .await
        .expect("import")
        .into_model()
        .expect("a key");
    let jwk = imported.key.expect("a JWK");
    assert_eq!((jwk.n, jwk.e, jwk.d), (Some(vec![0xc1; 256]), Some(vec![1, 0, 1]), None));
}

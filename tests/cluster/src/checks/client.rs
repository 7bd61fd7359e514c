//! What the client library makes of it: kube-rs as the driver uses it.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use serde_json::json;

use crate::Target;

/// How long an event may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn secret(name: &str, key: &str) -> Secret {
    serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {key: "v"}})).expect("a Secret")
}

/// Typed objects: create, read, replace with a lock, delete with a precondition.
pub async fn typed_objects(t: &Target) {
    let api: Api<Secret> = Api::namespaced(t.client.clone(), &t.namespace);
    let made = api.create(&PostParams::default(), &secret("a", "k")).await.expect("created");
    assert_eq!(api.get_opt("none").await.expect("an answer"), None);
    let mut new = made.clone();
    new.string_data = secret("a", "l").string_data;
    let replaced = api.replace("a", &PostParams::default(), &new).await.expect("replaced");
    assert_eq!(replaced.data.map(|data| data.len()), Some(2));
    let stale = api.replace("a", &PostParams::default(), &new).await.expect_err("a stale revision");
    assert!(matches!(&stale, kube::Error::Api(status) if status.is_conflict()), "{stale:?}");
    let exists = api.create(&PostParams::default(), &secret("a", "k")).await.expect_err("a second one");
    assert!(matches!(&exists, kube::Error::Api(status) if status.is_already_exists()), "{exists:?}");
    let delete = |uid: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        ..DeleteParams::default()
    };
    let other = api.delete("a", &delete(Some("x".to_owned()))).await.expect_err("another uid");
    assert!(matches!(&other, kube::Error::Api(status) if status.code == 409), "{other:?}");
    api.delete("a", &delete(made.metadata.uid)).await.expect("deleted");
}

/// Untyped custom resources with server-side apply.
pub async fn dynamic_objects(t: &Target) {
    let kind = GroupVersionKind::gvk("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass");
    let resource = ApiResource::from_gvk_with_plural(&kind, "secretproviderclasses");
    let api: Api<DynamicObject> = Api::namespaced_with(t.client.clone(), &t.namespace, &resource);
    let object = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "a"}, "spec": {"provider": "azure"}});
    let applied =
        api.patch("a", &PatchParams::apply("contract"), &Patch::Apply(&object)).await.expect("applied");
    assert_eq!(applied.data["spec"]["provider"], "azure");
    let list = api.list(&ListParams::default().fields("metadata.name=a")).await.expect("listed");
    assert_eq!(list.items.len(), 1);
}

/// The watcher lists, follows, and lists again after 410.
pub async fn watcher_relists_after_410(t: &Target) {
    let api: Api<ConfigMap> = Api::namespaced(t.client.clone(), &t.namespace);
    let object = |name: &str| {
        serde_json::from_value::<ConfigMap>(json!({"metadata": {"name": name, "labels": {"w": "1"}}}))
            .expect("a ConfigMap")
    };
    api.create(&PostParams::default(), &object("a")).await.expect("created");
    let mut events =
        watch(api.clone(), watcher::Config::default().labels("w=1").timeout(10)).default_backoff().boxed();
    let mut next = async || {
        loop {
            let event = tokio::time::timeout(PATIENCE, events.try_next()).await.expect("an event in time");
            match event {
                Ok(event) => return event.expect("the stream goes on"),
                // An expired revision and a closed connection are what the watcher recovers from.
                Err(error) => assert!(
                    matches!(
                        error,
                        watcher::Error::WatchError(_)
                            | watcher::Error::WatchFailed(_)
                            | watcher::Error::WatchStartFailed(_)
                    ),
                    "{error:?}"
                ),
            }
        }
    };
    let name = |object: &ConfigMap| object.metadata.name.clone().unwrap_or_default();
    assert!(matches!(next().await, Event::Init));
    assert!(matches!(next().await, Event::InitApply(object) if name(&object) == "a"));
    assert!(matches!(next().await, Event::InitDone));
    api.create(&PostParams::default(), &object("b")).await.expect("created");
    assert!(matches!(next().await, Event::Apply(object) if name(&object) == "b"));
    api.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(matches!(next().await, Event::Delete(object) if name(&object) == "a"));
    // The double can be made to forget; a real server is left to end the watch in time.
    if let Some(double) = &t.double {
        double.compact();
        double.end_watches(keymount_emulator::kubernetes::WatchEnd::Expired);
        assert!(matches!(next().await, Event::Init));
        assert!(matches!(next().await, Event::InitApply(object) if name(&object) == "b"));
        assert!(matches!(next().await, Event::InitDone));
    }
    api.create(&PostParams::default(), &object("c")).await.expect("created");
    assert!(matches!(next().await, Event::Apply(object) if name(&object) == "c"));
}

/// A watch that outlives its time-out goes on where it was, without listing again.
pub async fn watcher_resumes(t: &Target) {
    let api: Api<ConfigMap> = Api::namespaced(t.client.clone(), &t.namespace);
    let mut events =
        watch(api.clone(), watcher::Config::default().labels("w=1").timeout(2)).default_backoff().boxed();
    let mut kinds = Vec::new();
    for name in ["one", "two", "three"] {
        let object =
            serde_json::from_value::<ConfigMap>(json!({"metadata": {"name": name, "labels": {"w": "1"}}}))
                .expect("a ConfigMap");
        api.create(&PostParams::default(), &object).await.expect("created");
        loop {
            let event = tokio::time::timeout(PATIENCE, events.try_next())
                .await
                .expect("an event in time")
                .expect("no error");
            let event = event.expect("the stream goes on");
            let found = matches!(&event, Event::Apply(object) | Event::InitApply(object) if object.metadata.name.as_deref() == Some(name));
            kinds.push(matches!(event, Event::Init));
            if found {
                break;
            }
        }
        // Longer than the watch lives.
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }
    assert_eq!(kinds.iter().filter(|init| **init).count(), 1, "one list only");
}

/// Tokens by the typed subresource.
pub async fn token_requests(t: &Target) {
    use k8s_openapi::api::core::v1::ServiceAccount;
    let api: Api<ServiceAccount> = Api::namespaced(t.client.clone(), &t.namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
            expiration_seconds: Some(3600),
            bound_object_ref: None,
        },
        ..TokenRequest::default()
    };
    let answer =
        api.create_token_request("default", &PostParams::default(), &request).await.expect("a token");
    let status = answer.status.expect("a status");
    assert_eq!(status.token.split('.').count(), 3);
}

//! Watches.

use serde_json::{Value, json};

use crate::{Form, Target};

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

async fn make(t: &Target, name: &str, labels: &Value) {
    t.post(&t.core("secrets"), &json!({"metadata": {"name": name, "labels": labels}})).await.expect(201);
}

async fn revision(t: &Target) -> String {
    let list = t.get(&t.core("secrets")).await.body_of(200);
    list["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned()
}

/// Without a position a watch begins with what is there.
pub async fn begins_with_what_is_there(t: &Target) {
    make(t, "a", &json!({})).await;
    for query in ["", "&resourceVersion=0"] {
        let mut watch = t.watch(&format!("{}?timeoutSeconds=30{query}", t.core("secrets"))).await;
        assert_eq!(watch.next_change().await, pair("ADDED", "a"));
    }
}

/// From a revision on there is every change once, in order.
pub async fn continues_from_a_revision(t: &Target) {
    make(t, "before", &json!({})).await;
    let from = revision(t).await;
    let mut watch = t.watch(&format!("{}?timeoutSeconds=30&resourceVersion={from}", t.core("secrets"))).await;
    make(t, "a", &json!({})).await;
    t.patch(Form::Merge, &t.core("secrets/a"), &json!({"data": {"k": "dg=="}})).await.expect(200);
    t.delete(&t.core("secrets/a"), &json!(null)).await.expect(200);
    let mut last = from.parse::<u64>().expect("a number");
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        let event = watch.next().await.expect("an event");
        assert_eq!(
            (&event["type"], &event["object"]["kind"], &event["object"]["metadata"]["name"]),
            (&json!(kind), &json!("Secret"), &json!("a"))
        );
        let now: u64 = event["object"]["metadata"]["resourceVersion"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("a revision");
        assert!(now > last, "{kind}: {now} after {last}");
        last = now;
    }
    // The same once more, from the past.
    let mut again = t.watch(&format!("{}?timeoutSeconds=30&resourceVersion={from}", t.core("secrets"))).await;
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        assert_eq!(again.next_change().await, pair(kind, "a"));
    }
}

/// An object that comes to match is added, one that no longer matches is deleted.
pub async fn follows_selectors(t: &Target) {
    let from = revision(t).await;
    let mut watch = t
        .watch(&format!("{}?timeoutSeconds=30&resourceVersion={from}&labelSelector=a%3Db", t.core("secrets")))
        .await;
    let label = |value: Value| json!({"metadata": {"labels": {"a": value}}});
    make(t, "x", &json!({})).await;
    t.patch(Form::Merge, &t.core("secrets/x"), &label(json!("b"))).await.expect(200);
    t.patch(Form::Merge, &t.core("secrets/x"), &label(json!("c"))).await.expect(200);
    make(t, "y", &json!({"a": "b"})).await;
    assert_eq!(watch.next_change().await, pair("ADDED", "x"));
    let gone = watch.next().await.expect("an event");
    assert_eq!(
        (&gone["type"], &gone["object"]["metadata"]["labels"]),
        (&json!("DELETED"), &json!({"a": "b"}))
    );
    assert_eq!(watch.next_change().await, pair("ADDED", "y"));
}

/// One object by name, and one node's pods, as controllers watch them.
pub async fn follows_field_selectors(t: &Target) {
    let from = revision(t).await;
    let mut watch = t
        .watch(&format!(
            "{}?timeoutSeconds=30&resourceVersion={from}&fieldSelector=metadata.name%3Dmine",
            t.core("secrets")
        ))
        .await;
    make(t, "other", &json!({})).await;
    make(t, "mine", &json!({})).await;
    assert_eq!(watch.next_change().await, pair("ADDED", "mine"));
}

/// Custom resources, in the version asked for.
pub async fn of_custom_resources(t: &Target) {
    let object = json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "a"}, "spec": {"provider": "azure"}});
    let old = t.custom(crate::definitions::GROUP, "v1alpha1", "secretproviderclasses");
    let mut watch = t.watch(&format!("{old}?timeoutSeconds=30")).await;
    t.post(&t.classes(), &object).await.expect(201);
    let event = watch.next().await.expect("an event");
    assert_eq!(
        (&event["type"], &event["object"]["apiVersion"]),
        (&json!("ADDED"), &json!("secrets-store.csi.x-k8s.io/v1alpha1"))
    );
}

/// The stream ends when its time is over, without an error.
pub async fn ends_in_time(t: &Target) {
    make(t, "a", &json!({})).await;
    let events = t.watch(&format!("{}?timeoutSeconds=1", t.core("secrets"))).await.rest().await;
    assert_eq!(events.len(), 1);
}

/// A bookmark before the end carries the revision that was reached, when one was.
pub async fn bookmarks(t: &Target) {
    let from = revision(t).await;
    let path = format!(
        "{}?timeoutSeconds=6&allowWatchBookmarks=true&labelSelector=none&resourceVersion={from}",
        t.core("secrets")
    );
    let watch = t.watch(&path).await;
    make(t, "a", &json!({})).await;
    let reached: u64 = revision(t).await.parse().expect("a number");
    let events = watch.rest().await;
    let last = events.last().expect("a bookmark");
    assert!(events.iter().all(|event| event["type"] == "BOOKMARK"), "{events:?}");
    assert_eq!((&last["object"]["kind"], &last["object"]["apiVersion"]), (&json!("Secret"), &json!("v1")));
    let marked: u64 = last["object"]["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a revision");
    // Others write to the same server.
    assert!(marked >= reached, "{marked} < {reached}");
    let quiet = format!(
        "{}?timeoutSeconds=3&allowWatchBookmarks=false&resourceVersion={from}&labelSelector=none",
        t.core("secrets")
    );
    assert_eq!(t.watch(&quiet).await.rest().await, Vec::<Value>::new());
}

/// A revision that is no longer known is 410, as an event.
pub async fn expires(t: &Target) {
    let events =
        t.watch(&format!("{}?timeoutSeconds=5&resourceVersion=1", t.core("secrets"))).await.rest().await;
    let [event] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(event["type"], "ERROR");
    let status = &event["object"];
    assert_eq!(
        (&status["kind"], &status["code"], &status["reason"], &status["status"]),
        (&json!("Status"), &json!(410), &json!("Expired"), &json!("Failure"))
    );
    assert!(
        status["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("too old resource version: 1 (")),
        "{status}"
    );
}

/// Watches that are refused.
pub async fn refused(t: &Target) {
    let path = t.core("secrets");
    let initial = t
        .get(&format!(
            "{path}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        ))
        .await;
    initial.fails(422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
    assert_eq!(t.get(&format!("{path}?watch=1&labelSelector=a%20b%20c")).await.code, 400);
    assert_eq!(t.get(&format!("{path}?watch=1&fieldSelector=foo%3Dbar")).await.code, 400);
    let invalid = t.get(&format!("{path}?watch=1&resourceVersion=abc")).await;
    assert_eq!(
        (invalid.code, &invalid.body["message"]),
        (
            500,
            &json!(
                "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax"
            )
        )
    );
}

//! Lists: selectors, pages, revisions.

use serde_json::{Value, json};

use crate::{Form, Target};

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn make(t: &Target, name: &str, labels: &Value) -> Value {
    t.post(&t.core("configmaps"), &json!({"metadata": {"name": name, "labels": labels}})).await.body_of(201)
}

async fn listed(t: &Target, query: &str) -> Value {
    t.get(&format!("{}?{query}", t.core("configmaps"))).await.body_of(200)
}

/// What a list looks like.
pub async fn shape(t: &Target) {
    make(t, "a", &json!({})).await;
    let list = listed(t, "").await;
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    // Compiled-in types do not repeat the kind in every item, custom resources do.
    assert_eq!(list["items"][0].get("kind"), None);
    assert!(list["metadata"]["resourceVersion"].as_str().is_some_and(|text| text.parse::<u64>().is_ok()));
    t.post(&t.classes(), &json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "a"}})).await.expect(201);
    let list = t.get(&t.classes()).await.body_of(200);
    assert_eq!(
        (&list["kind"], &list["items"][0]["kind"]),
        (&json!("SecretProviderClassList"), &json!("SecretProviderClass"))
    );
}

/// Every operator of label selectors.
pub async fn labels(t: &Target) {
    make(t, "a", &json!({"app": "web", "n": "5"})).await;
    make(t, "b", &json!({"app": "db"})).await;
    make(t, "c", &json!({"tier": ""})).await;
    // %21 is !, %3D is =, %3E is >, %3C is <, %2C is a comma.
    for (selector, expected) in [
        ("app", "a b"),
        ("%21app", "c"),
        ("app%3Dweb", "a"),
        ("app%3D%3Dweb", "a"),
        ("app%21%3Dweb", "b c"),
        ("app%20in%20(web%2Cdb)", "a b"),
        ("app%20notin%20(web)", "b c"),
        ("n%3E4", "a"),
        ("n%3C5", ""),
        ("tier%3D", "c"),
        ("app%2C%21n", "b"),
        ("app%3Dweb%2Capp%3Ddb", ""),
    ] {
        let list = listed(t, &format!("labelSelector={selector}")).await;
        assert_eq!(
            names(&list).into_iter().filter(|name| name != "kube-root-ca.crt").collect::<Vec<_>>().join(" "),
            expected,
            "{selector}"
        );
    }
    for (wrong, message) in [
        ("a%20b%20c", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("%3Db", "found '=', expected: !, identifier, or 'end of string'"),
        ("a%20in%20b", "unable to parse requirement: found 'b' expected: '('"),
    ] {
        let reply = t.get(&format!("{}?labelSelector={wrong}", t.core("configmaps"))).await;
        reply.fails(400, "BadRequest", message);
    }
}

/// Fields that can be selected by, and those that cannot.
pub async fn fields(t: &Target) {
    for (name, kind) in [("a", "Opaque"), ("b", "x.test/y")] {
        t.post(&t.core("secrets"), &json!({"metadata": {"name": name}, "type": kind})).await.expect(201);
    }
    for (selector, expected) in [
        ("metadata.name%3Da", "a"),
        ("metadata.name%21%3Da", "b"),
        ("type%3DOpaque", "a"),
        ("type%3D%3Dx.test/y", "b"),
        ("metadata.name%3Da%2Ctype%3DOpaque", "a"),
        ("metadata.namespace%3Dother", ""),
    ] {
        let list = t.get(&format!("{}?fieldSelector={selector}", t.core("secrets"))).await.body_of(200);
        assert_eq!(names(&list).join(" "), expected, "{selector}");
    }
    for path in [t.core("secrets"), t.classes()] {
        t.get(&format!("{path}?fieldSelector=foo%3Dbar")).await.fails(
            400,
            "BadRequest",
            "field label not supported: foo",
        );
    }
    let class = |name: &str| json!({"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": name}});
    t.post(&t.classes(), &class("one")).await.expect(201);
    t.post(&t.classes(), &class("two")).await.expect(201);
    let list = t.get(&format!("{}?fieldSelector=metadata.name%3Done", t.classes())).await.body_of(200);
    assert_eq!(names(&list), ["one"]);
}

/// Pages show one revision, whatever happens meanwhile.
pub async fn pages(t: &Target) {
    for name in ["p1", "p2", "p3", "p4"] {
        make(t, name, &json!({"page": "yes"})).await;
    }
    let first = listed(t, "limit=2&labelSelector=page").await;
    assert_eq!(names(&first), ["p1", "p2"]);
    // How many are left is only said where it is known.
    assert_eq!(first["metadata"].get("remainingItemCount"), None);
    let revision = first["metadata"]["resourceVersion"].clone();
    let token = first["metadata"]["continue"].as_str().expect("there is more").to_owned();
    t.delete(&t.core("configmaps/p3"), &json!(null)).await.expect(200);
    make(t, "p35", &json!({"page": "yes"})).await;
    let second = listed(t, &format!("limit=2&labelSelector=page&continue={token}")).await;
    assert_eq!(names(&second), ["p3", "p4"]);
    assert_eq!(second["metadata"]["resourceVersion"], revision);
    assert!(second["metadata"].get("continue").is_none_or(|token| token == ""));
    let first = listed(t, "limit=1").await;
    assert!(first["metadata"]["remainingItemCount"].as_u64().is_some_and(|left| left >= 3));
    t.get(&format!("{}?limit=1&continue=abc", t.core("configmaps"))).await.fails_with_prefix(
        400,
        "BadRequest",
        "invalid continue token: continue key is not valid",
    );
}

/// Lists of an earlier revision.
pub async fn revisions(t: &Target) {
    let path = t.core("configmaps");
    let then = make(t, "a", &json!({})).await["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision")
        .to_owned();
    t.patch(Form::Merge, &format!("{path}/a"), &json!({"data": {"k": "v"}})).await.expect(200);
    make(t, "b", &json!({})).await;
    let old = listed(t, &format!("resourceVersion={then}&resourceVersionMatch=Exact")).await;
    assert_eq!(names(&old).into_iter().filter(|name| name != "kube-root-ca.crt").collect::<Vec<_>>(), ["a"]);
    assert_eq!(old["metadata"]["resourceVersion"], then);
    let newer = listed(t, &format!("resourceVersion={then}&resourceVersionMatch=NotOlderThan")).await;
    assert!(names(&newer).contains(&"b".to_owned()));
    assert!(names(&listed(t, "resourceVersion=0").await).contains(&"b".to_owned()));
    let invalid = "invalid resource version: resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax";
    t.get(&format!("{path}?resourceVersion=abc")).await.fails(400, "BadRequest", invalid);
    let alone = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
    t.get(&format!("{path}?resourceVersionMatch=Exact")).await.fails(422, "Invalid", alone);
    let future = t.get(&format!("{path}?resourceVersion=99999999")).await;
    let future =
        future.fails_with_prefix(504, "Timeout", "Timeout: Too large resource version: 99999999, current: ");
    let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    assert_eq!(future.body["details"], json!({"causes": [cause], "retryAfterSeconds": 1}));
}

/// Lists over all namespaces.
pub async fn across_namespaces(t: &Target) {
    make(t, "everywhere", &json!({"across": t.namespace})).await;
    let list =
        t.get(&format!("/api/v1/configmaps?labelSelector=across%3D{}", t.namespace)).await.body_of(200);
    assert_eq!(list["items"][0]["metadata"]["namespace"], t.namespace);
    let field = format!(
        "/api/v1/configmaps?fieldSelector=metadata.namespace%3D{}%2Cmetadata.name%3Deverywhere",
        t.namespace
    );
    assert_eq!(names(&t.get(&field).await.body_of(200)), ["everywhere"]);
}

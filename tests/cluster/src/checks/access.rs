//! Who may do what, and what there is.

use http::Method;
use serde_json::{Value, json};

use crate::{Form, Target};

async fn as_nobody(t: &Target, method: Method, path: &str) -> crate::Reply {
    t.send_as(&t.nobody, method, path, "application/json", Vec::new()).await
}

/// The words of a refusal, for one object, a collection, the cluster, a subresource, a path.
pub async fn forbidden(t: &Target) {
    let (user, namespace) = (t.nobody_name, &t.namespace);
    let reply = as_nobody(t, Method::GET, &t.core("secrets/a")).await;
    let reply = reply.fails(403, "Forbidden", &format!("secrets \"a\" is forbidden: User \"{user}\" cannot get resource \"secrets\" in API group \"\" in the namespace \"{namespace}\""));
    assert_eq!(reply.details(), json!({"name": "a", "kind": "secrets"}));
    let reply =
        as_nobody(t, Method::GET, "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses?watch=1").await;
    reply.fails(403, "Forbidden", &format!("secretproviderclasses.secrets-store.csi.x-k8s.io is forbidden: User \"{user}\" cannot watch resource \"secretproviderclasses\" in API group \"secrets-store.csi.x-k8s.io\" at the cluster scope"));
    let reply = as_nobody(t, Method::POST, &t.core("serviceaccounts/default/token")).await;
    reply.fails(403, "Forbidden", &format!("serviceaccounts \"default\" is forbidden: User \"{user}\" cannot create resource \"serviceaccounts/token\" in API group \"\" in the namespace \"{namespace}\""));
    let reply = as_nobody(t, Method::DELETE, &t.core("secrets")).await;
    reply.fails(403, "Forbidden", &format!("secrets is forbidden: User \"{user}\" cannot deletecollection resource \"secrets\" in API group \"\" in the namespace \"{namespace}\""));
}

/// Roles give rights, and no more than they say.
pub async fn roles(t: &Target) {
    let rbac = |plural: &str| t.custom("rbac.authorization.k8s.io", "v1", plural);
    let role = json!({"metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"], "verbs": ["get"]},
        {"apiGroups": ["secrets-store.csi.x-k8s.io"], "resources": ["*"], "verbs": ["list", "create"]}]});
    t.post(&rbac("roles"), &role).await.expect(201);
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": t.nobody_name}]});
    t.post(&rbac("rolebindings"), &binding).await.expect(201);
    // The real server learns of roles by watching them.
    let mut code = 403;
    for _ in 0..100 {
        code = as_nobody(t, Method::GET, &t.core("secrets/a")).await.code;
        if code != 403 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(code, 404, "allowed, and not there");
    assert_eq!(as_nobody(t, Method::GET, &t.classes()).await.code, 200);
    for (method, path) in [
        (Method::GET, t.core("secrets/b")),
        (Method::GET, t.core("secrets")),
        (Method::DELETE, t.classes()),
        (Method::GET, "/api/v1/namespaces/default/secrets/a".to_owned()),
    ] {
        assert_eq!(as_nobody(t, method.clone(), &path).await.code, 403, "{method} {path}");
    }
    t.delete(&format!("{}/b", rbac("rolebindings")), &json!(null)).await.expect(200);
}

/// Groups, versions and resources, as clients look for them.
pub async fn discovery(t: &Target) {
    let groups = t.get("/apis").await.body_of(200);
    let find = |list: &Value, name: &str| {
        list.as_array().and_then(|all| all.iter().find(|one| one["name"] == name).cloned())
    };
    let group = find(&groups["groups"], "secrets-store.csi.x-k8s.io").expect("the group");
    assert_eq!(
        group["preferredVersion"],
        json!({"groupVersion": "secrets-store.csi.x-k8s.io/v1", "version": "v1"})
    );
    assert_eq!(group["versions"].as_array().map(Vec::len), Some(2));
    let one = t.get("/apis/secrets-store.csi.x-k8s.io").await.body_of(200);
    assert_eq!((&one["kind"], &one["versions"]), (&json!("APIGroup"), &group["versions"]));
    let resources = t.get("/apis/secrets-store.csi.x-k8s.io/v1").await.body_of(200);
    assert_eq!(
        (&resources["kind"], &resources["groupVersion"]),
        (&json!("APIResourceList"), &json!("secrets-store.csi.x-k8s.io/v1"))
    );
    let class = find(&resources["resources"], "secretproviderclasses").expect("the resource");
    assert_eq!(
        (&class["kind"], &class["singularName"], &class["namespaced"]),
        (&json!("SecretProviderClass"), &json!("secretproviderclass"), &json!(true))
    );
    let mut verbs: Vec<String> = class["verbs"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    verbs.sort();
    assert_eq!(verbs, ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    assert_eq!(find(&resources["resources"], "secretproviderclasses/status"), None);
    let core = t.get("/api/v1").await.body_of(200);
    let token = find(&core["resources"], "serviceaccounts/token").expect("the subresource");
    assert_eq!(
        (&token["kind"], &token["group"], &token["verbs"]),
        (&json!("TokenRequest"), &json!("authentication.k8s.io"), &json!(["create"]))
    );
    assert_eq!(find(&core["resources"], "pods").expect("pods")["shortNames"], json!(["po"]));
    assert_eq!(t.get("/api").await.body_of(200)["versions"], json!(["v1"]));
    let generous = t.get("/apis/generous.keymount.test/v1").await.body_of(200);
    assert!(find(&generous["resources"], "samples/status").is_some());
}

/// What probes and clients ask first.
pub async fn health_and_version(t: &Target) {
    for path in ["/healthz", "/livez", "/readyz"] {
        let reply = t.get(path).await;
        assert_eq!((reply.code, reply.text.as_str()), (200, "ok"), "{path}");
    }
    let version = t.get("/version").await.body_of(200);
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("33")));
}

/// There is no HEAD.
pub async fn head(t: &Target) {
    for path in [t.core("secrets/none"), t.core("secrets")] {
        let reply = t.send(Method::HEAD, &path, "", Vec::new()).await;
        assert_eq!((reply.code, reply.text.as_str()), (405, ""));
    }
}

/// A user asks what they may do.
pub async fn self_review(t: &Target) {
    let review = |verb: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": verb, "resource": "secrets", "namespace": t.namespace}}})
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(t.post(path, &review("get")).await.body_of(201)["status"]["allowed"], true);
    let body = review("get").to_string().into_bytes();
    // Everyone who is known may ask.
    let nobody = t.send_as(&t.nobody, Method::POST, path, "application/json", body).await.body_of(201);
    assert_eq!(nobody["status"]["allowed"], false);
}

/// What another may do, for those who may ask that.
pub async fn review_of_others(t: &Target) {
    let review = |user: &str, groups: Value| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": user, "groups": groups,
            "resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": t.namespace}}})
    };
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let of = async |user: &str, groups: Value| {
        t.post(path, &review(user, groups)).await.body_of(201)["status"]["allowed"].clone()
    };
    assert_eq!(of(t.nobody_name, json!([])).await, false);
    assert_eq!(of("somebody", json!(["system:masters"])).await, true);
    let body = review(t.nobody_name, json!([])).to_string().into_bytes();
    assert_eq!(t.send_as(&t.nobody, Method::POST, path, "application/json", body).await.code, 403);
}

/// Requests are not let in by a field manager of any length, or a dry run of any kind.
pub async fn options(t: &Target) {
    let object = json!({"metadata": {"name": "a"}});
    let dry = t.post(&format!("{}?dryRun=x", t.core("secrets")), &object).await;
    dry.fails(422, "Invalid", "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: []string{\"x\"}: supported values: \"All\"");
    let long = t.post(&format!("{}?fieldManager={}", t.core("secrets"), "m".repeat(129)), &object).await;
    long.fails(
        422,
        "Invalid",
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes",
    );
    let validation =
        t.patch(Form::Merge, &format!("{}?fieldValidation=x", t.core("secrets/a")), &json!({})).await;
    validation.fails(422, "Invalid", "PatchOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"x\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
}

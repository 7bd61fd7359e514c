//! What the driver's service account may do.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use keymount_api::{DRIVER_NAME, GROUP, SecretProviderClass};
use kube::Client;
use kube::api::{Api, PostParams};

use super::check::Checks;

/// A right that the driver needs: verb, group, resource, name.
type Right = (&'static str, &'static str, &'static str, &'static str);

/// Those of the chart's ClusterRole secretproviderclasses-role.
const ALWAYS: &[Right] = &[
    ("get", GROUP, "secretproviderclasses", ""),
    ("watch", GROUP, "secretproviderclasses", ""),
    ("get", GROUP, "secretproviderclasspodstatuses", ""),
    ("create", GROUP, "secretproviderclasspodstatuses", ""),
    ("update", GROUP, "secretproviderclasspodstatuses", ""),
    ("get", "", "pods", ""),
    ("create", "", "events", ""),
    ("get", "storage.k8s.io", "csidrivers", DRIVER_NAME),
    ("watch", "storage.k8s.io", "csidrivers", DRIVER_NAME),
];

/// Those of syncSecret.
const SYNC: &[Right] = &[
    ("get", "", "secrets", ""),
    ("create", "", "secrets", ""),
    ("update", "", "secrets", ""),
    ("patch", "", "secrets", ""),
];

pub(super) async fn look(
    client: &Client,
    account: Option<(String, String)>,
    classes: &[SecretProviderClass],
    checks: &mut Checks,
) {
    let mut area = checks.area("Rights");
    let Some((namespace, name)) = account else {
        return area.unknown("driver", "the driver's service account is not known");
    };
    let user = format!("system:serviceaccount:{namespace}:{name}");
    match missing(client, &user, "", ALWAYS).await {
        Ok(missing) if missing.is_empty() => area.good("driver", "may do what it needs"),
        Ok(missing) => area.bad(
            "driver",
            format!("may not {}", missing.join(", ")),
            "install the chart with rbac.install=true; it has the ClusterRole secretproviderclasses-role",
        ),
        Err(error) => return area.not_seen("driver", &error),
    }
    let syncing = classes.iter().filter(|class| !class.spec.secret_objects.is_empty());
    let namespaces: BTreeSet<_> = syncing.filter_map(|class| class.metadata.namespace.as_deref()).collect();
    let mut refused = Vec::new();
    for namespace in &namespaces {
        match missing(client, &user, namespace, SYNC).await {
            Ok(missing) if missing.is_empty() => {}
            Ok(_) => refused.push(*namespace),
            Err(error) => return area.not_seen("secret sync", &error),
        }
    }
    match (namespaces.len(), refused.as_slice()) {
        (0, _) => area.good("secret sync", "no class has secretObjects"),
        (_, []) => area.good("secret sync", "may write the Secrets of all classes that have secretObjects"),
        (_, refused) => area.bad(
            "secret sync",
            format!(
                "classes have secretObjects, and the driver may not write Secrets in {}",
                refused.join(", ")
            ),
            "install the chart with syncSecret.enabled=true; with syncSecret.namespaces set, add these",
        ),
    }
}

/// Which of the rights the user does not have.
async fn missing(
    client: &Client,
    user: &str,
    namespace: &str,
    rights: &[Right],
) -> kube::Result<Vec<String>> {
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let account_namespace = user.split(':').nth(2).unwrap_or_default();
    let groups = [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{account_namespace}"),
        "system:authenticated".to_owned(),
    ];
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut missing = Vec::new();
    for (verb, group, resource, name) in rights {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.to_owned()),
                groups: Some(groups.to_vec()),
                resource_attributes: Some(ResourceAttributes {
                    verb: some(verb),
                    group: Some((*group).to_owned()),
                    resource: some(resource),
                    name: some(name),
                    namespace: some(namespace),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = api.create(&PostParams::default(), &review).await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            missing.push(format!("{verb} {resource}"));
        }
    }
    Ok(missing)
}

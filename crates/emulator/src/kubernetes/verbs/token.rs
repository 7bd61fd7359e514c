//! `TokenRequest`: tokens of service accounts.

use serde_json::{Value, json};

use super::{Answer, Context, body, create};
use crate::kubernetes::request::Request;
use crate::kubernetes::status::{Cause, Failure};
use crate::kubernetes::store::Store;
use crate::kubernetes::token::Subject;
use crate::kubernetes::{builtin, object};

/// Bounds of the life of a token, in seconds.
const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;
const DEFAULT_SECONDS: i64 = 3600;

/// Answers a POST to `serviceaccounts/<name>/token`.
pub(super) fn create(store: &Store, request: &Request, context: Context<'_>) -> Result<Answer, Failure> {
    let cannot =
        || Failure::bad_request("TokenRequest in version \"v1\" cannot be handled as a TokenRequest");
    let mut given = body::parse(request)?;
    given["kind"] = "TokenRequest".into();
    given["apiVersion"] = "authentication.k8s.io/v1".into();
    let asked = builtin::token_request(given.clone()).map_err(|_| cannot())?;
    let seconds = asked.spec.expiration_seconds.unwrap_or(DEFAULT_SECONDS);
    if !(LEAST_SECONDS..=MOST_SECONDS).contains(&seconds) {
        let why = if seconds < LEAST_SECONDS {
            "may not specify a duration less than 10 minutes"
        } else {
            "may not specify a duration larger than 2^32 seconds"
        };
        let cause = Cause::invalid("spec.expirationSeconds", &seconds.into(), why);
        return Err(Failure::invalid("TokenRequest", "authentication.k8s.io", "", &[cause]));
    }
    let (namespace, name) = (&request.route.namespace, &request.route.name);
    let find = |plural: &str, namespace: &str, name: &str| {
        let resource = store.registry.get("", plural).ok_or_else(Failure::no_such_resource)?;
        let stored = store.get(&resource.key(), &(namespace.to_owned(), name.to_owned()));
        stored.cloned().ok_or_else(|| Failure::not_found(resource, name))
    };
    let account = find("serviceaccounts", namespace, name)?;
    let reference = asked.spec.bound_object_ref.clone().unwrap_or_default();
    let bound_name = reference.name.unwrap_or_default();
    let bound = match reference.kind.as_deref() {
        None => None,
        Some("Pod") => Some(("pod", find("pods", namespace, &bound_name)?)),
        Some("Secret") => Some(("secret", find("secrets", namespace, &bound_name)?)),
        Some("Node") => Some(("node", find("nodes", "", &bound_name)?)),
        Some(other) => {
            return Err(Failure::bad_request(format!(
                "cannot bind token for serviceaccount to object of type {other}"
            )));
        }
    };
    if let (Some((_, object)), Some(uid)) = (&bound, reference.uid.as_deref().filter(|uid| !uid.is_empty()))
        && uid != object::uid(object)
    {
        let kind = reference.kind.unwrap_or_default();
        return Err(Failure::bound_uid(&kind, &bound_name, uid));
    }
    let node_name =
        bound.as_ref().map(|(_, object)| object::text(object, &["spec", "nodeName"])).unwrap_or_default();
    let node = find("nodes", "", node_name).ok();
    let audiences = if asked.spec.audiences.is_empty() {
        vec![context.signer.issuer().to_owned()]
    } else {
        asked.spec.audiences
    };
    let issued = context.now.as_second();
    let subject = Subject {
        namespace,
        account: name,
        account_uid: object::uid(&account),
        bound: bound.as_ref().map(|(kind, object)| (*kind, object::name(object), object::uid(object))),
        node: (!node_name.is_empty()).then(|| (node_name, node.as_deref().map(object::uid))),
    };
    let token = context.signer.sign(&subject, &audiences, issued, issued + seconds, &create::new_uid());
    let expires = jiff::Timestamp::from_second(issued + seconds).unwrap_or(context.now);
    let reference = given["spec"].get("boundObjectRef").cloned().unwrap_or(Value::Null);
    let body = json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": context.time()},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": reference},
        "status": {"token": token, "expirationTimestamp": super::time(expires)},
    });
    Ok(Answer::Json { code: 201, body, warnings: Vec::new() })
}

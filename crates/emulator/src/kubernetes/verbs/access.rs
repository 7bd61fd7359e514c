//! `SelfSubjectAccessReview`: a user asks what they may do; `SubjectAccessReview`: what another may do.

use serde_json::{Value, json};

use super::{Answer, body};
use crate::kubernetes::auth::User;
use crate::kubernetes::object;
use crate::kubernetes::rbac::{self, Question};
use crate::kubernetes::request::{Request, Verb};
use crate::kubernetes::resource::ResourceType;
use crate::kubernetes::status::Failure;
use crate::kubernetes::store::Store;

/// Whether it is one of the two.
pub(crate) fn is_review(resource: &ResourceType) -> bool {
    resource.group == "authorization.k8s.io"
}

/// Answers a review by the rules in the store, whichever way requests are authorized.
pub(super) fn review(store: &Store, request: &Request) -> Result<Answer, Failure> {
    if request.verb != Verb::Create {
        return Err(Failure::method_not_allowed());
    }
    let mut review = body::keep(request, body::parse(request)?)?.object;
    let text = |field: &str| object::text(&review, &["spec", "resourceAttributes", field]).to_owned();
    let (resource, subresource) = (text("resource"), text("subresource"));
    let question = Question {
        verb: text("verb"),
        group: text("group"),
        resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
        namespace: text("namespace"),
        name: text("name"),
    };
    let user = match request.resource.plural.as_str() {
        "subjectaccessreviews" => subject(&review["spec"]),
        _ => request.user.clone(),
    };
    let allowed = rbac::allows(store, &user, &question);
    review["status"] = json!({"allowed": allowed});
    object::set_meta(&mut review, "managedFields", Value::Null);
    Ok(Answer::Json { code: 201, body: review, warnings: Vec::new() })
}

/// Whom a `SubjectAccessReview` is about.
fn subject(spec: &Value) -> User {
    let groups = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str);
    User { name: object::text(spec, &["user"]).to_owned(), groups: groups.map(str::to_owned).collect() }
}

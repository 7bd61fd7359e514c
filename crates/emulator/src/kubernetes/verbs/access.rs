//! `SelfSubjectAccessReview`: a user asks what they may do.

use serde_json::{Value, json};

use super::{Answer, body};
use crate::kubernetes::object;
use crate::kubernetes::rbac::{self, Question};
use crate::kubernetes::request::{Request, Verb};
use crate::kubernetes::status::Failure;
use crate::kubernetes::store::Store;

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
    let allowed = rbac::allows(store, &request.user, &question);
    review["status"] = json!({"allowed": allowed});
    object::set_meta(&mut review, "managedFields", Value::Null);
    Ok(Answer::Json { code: 201, body: review, warnings: Vec::new() })
}

//! Failures, worded as the API machinery words them (`metav1.Status`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::resource::ResourceType;

/// A request that failed: what the body of the answer says, and its HTTP status.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
}

/// One offending field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    reason: &'static str,
    message: String,
    field: String,
}

impl Cause {
    /// `Required value: …`
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message =
            if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// `Invalid value: …`; the value is shown as JSON.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {value}: {detail}");
        Self { reason: "FieldValueInvalid", message, field: field.into() }
    }

    /// `Invalid value: …` with a value that JSON does not know.
    pub(crate) fn invalid_number(field: impl Into<String>, value: &str, detail: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {detail}"),
            field: field.into(),
        }
    }

    /// `Invalid value: …` where the schema of a custom resource asks for another type.
    pub(crate) fn wrong_type(field: impl Into<String>, value: &str, detail: &str) -> Self {
        let message = format!("Invalid value: \"{value}\": {detail}");
        Self { reason: "FieldValueTypeInvalid", message, field: field.into() }
    }

    /// `Unsupported value: …`; values as they are to be shown.
    pub(crate) fn unsupported(field: impl Into<String>, value: &str, supported: &str) -> Self {
        let message = format!("Unsupported value: {value}: supported values: {supported}");
        Self { reason: "FieldValueNotSupported", message, field: field.into() }
    }

    /// `Forbidden: …`
    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {detail}"), field: field.into() }
    }

    /// `Too long: …`
    pub(crate) fn too_long(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueTooLong", message: format!("Too long: {detail}"), field: field.into() }
    }

    fn json(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }

    fn text(&self) -> String {
        format!("{}: {}", self.field, self.message)
    }
}

/// Several texts as Go's aggregate prints them: alone, or as a bracketed list.
fn aggregate(texts: &[String]) -> String {
    if let [one] = texts { one.clone() } else { format!("[{}]", texts.join(", ")) }
}

/// `plural.group`, or `plural` in the core group.
pub(crate) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

fn details(name: &str, group: &str, kind: &str) -> Map<String, Value> {
    let members = [("name", name), ("group", group), ("kind", kind)];
    members.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), Value::from(v))).collect()
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn with(mut self, details: Map<String, Value>) -> Self {
        self.details = Some(Value::Object(details));
        self
    }

    /// The object is not there.
    pub(crate) fn not_found(resource: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).with(details(name, &resource.group, &resource.plural))
    }

    /// No such resource below a group and version that is served.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with(Map::new())
    }

    /// An object of that name is there already.
    pub(crate) fn already_exists(resource: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).with(details(name, &resource.group, &resource.plural))
    }

    /// The object has been changed since it was read.
    pub(crate) fn modified(resource: &ResourceType, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// The operation does not fit the object as it is.
    pub(crate) fn conflict(resource: &ResourceType, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(409, "Conflict", message).with(details(name, &resource.group, &resource.plural))
    }

    /// A precondition of a deletion does not hold. Here the server names the kind, not the resource.
    pub(crate) fn precondition(resource: &ResourceType, name: &str, why: &str) -> Self {
        let kind = qualified(&resource.kind, &resource.group);
        let message = format!("Operation cannot be fulfilled on {kind} \"{name}\": {why}");
        Self::new(409, "Conflict", message).with(details(name, &resource.group, &resource.kind))
    }

    /// A token is to be bound to an object that has another uid.
    pub(crate) fn bound_uid(kind: &str, name: &str, uid: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {kind} \"{name}\": the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        Self::new(409, "Conflict", message).with(details(name, "", kind))
    }

    /// Server-side apply would take fields from other managers: `(manager description, field)` each.
    pub(crate) fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let mut by_manager: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (manager, field) in conflicts {
            by_manager.entry(manager).or_default().push(field);
        }
        let text = match conflicts {
            [(manager, field)] => format!("conflict with {manager}: {field}"),
            _ => by_manager
                .iter()
                .map(|(manager, fields)| {
                    let fields: String = fields.iter().map(|field| format!("\n- {field}")).collect();
                    format!("conflicts with {manager}:{fields}")
                })
                .collect::<Vec<_>>()
                .join("\n"),
        };
        let plural = if conflicts.len() == 1 { "conflict" } else { "conflicts" };
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": field})
            })
            .collect();
        let message = format!("Apply failed with {} {plural}: {text}", conflicts.len());
        let mut details = Map::new();
        details.insert("causes".to_owned(), Value::Array(causes));
        Self::new(409, "Conflict", message).with(details)
    }

    /// The object breaks rules of its kind.
    pub(crate) fn invalid(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> = causes.iter().map(Cause::text).collect();
        let message = format!("{} \"{name}\" is invalid: {}", qualified(kind, group), aggregate(&texts));
        let mut details = details(name, group, kind);
        details.insert("causes".to_owned(), causes.iter().map(Cause::json).collect());
        Self::new(422, "Invalid", message).with(details)
    }

    /// The options of the request break rules.
    pub(crate) fn invalid_options(kind: &str, cause: Cause) -> Self {
        Self::invalid(kind, "meta.k8s.io", "", &[cause])
    }

    /// Admission or authorization refuses; an empty name is a request for the collection.
    pub(crate) fn forbidden(resource: &ResourceType, name: &str, why: &str) -> Self {
        let what = resource.qualified();
        let message = if name.is_empty() {
            format!("{what} is forbidden: {why}")
        } else {
            format!("{what} \"{name}\" is forbidden: {why}")
        };
        Self::new(403, "Forbidden", message).with(details(name, &resource.group, &resource.plural))
    }

    /// Authorization refuses a path that is no resource.
    pub(crate) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        let message = format!("forbidden: User \"{user}\" cannot {verb} path \"{path}\"");
        Self::new(403, "Forbidden", message).with(Map::new())
    }

    /// Content can no longer be created in the namespace.
    pub(crate) fn namespace_terminating(resource: &ResourceType, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut failure = Self::forbidden(resource, name, &why);
        if let Some(Value::Object(details)) = &mut failure.details {
            let message = format!("namespace {namespace} is being terminated");
            let cause =
                json!({"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"});
            details.insert("causes".to_owned(), json!([cause]));
        }
        failure
    }

    /// Nobody knows the credentials.
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// The request makes no sense.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// The path exists, the method does not.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with(Map::new())
    }

    /// A body of a media type that the operation does not take.
    pub(crate) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// A JSON patch that does not fit the object, or whose test failed.
    pub(crate) fn rejected_patch() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
            .with(Map::new())
    }

    /// A revision that is no longer known.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// A revision that is not there yet.
    pub(crate) fn too_large_revision(asked: u64, current: u64) -> Self {
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        let mut details = Map::new();
        details.insert("causes".to_owned(), json!([cause]));
        details.insert("retryAfterSeconds".to_owned(), json!(1));
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        Self::new(504, "Timeout", message).with(details)
    }

    /// An outage that was asked for.
    pub(crate) fn injected(code: u16, message: Option<&str>) -> Self {
        let (reason, usual) = match code {
            401 => ("Unauthorized", "Unauthorized"),
            403 => ("Forbidden", "forbidden"),
            404 => ("NotFound", "the server could not find the requested resource"),
            409 => ("Conflict", "the server reported a conflict"),
            410 => ("Expired", "too old resource version"),
            429 => ("TooManyRequests", "too many requests, please try again later"),
            500 => ("InternalError", "Internal error occurred"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "request did not complete within requested timeout"),
            _ => ("", "refused"),
        };
        Self::new(code, reason, message.unwrap_or(usual))
    }

    /// The `metav1.Status` of the failure.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body
    }

    /// Seconds after which the caller may try again, where the answer says so.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        match self.code {
            429 | 503 => Some(1),
            _ => self.details.as_ref()?.get("retryAfterSeconds")?.as_u64(),
        }
    }
}

/// The `metav1.Status` that answers a deletion.
pub(crate) fn deleted(resource: &ResourceType, name: &str, uid: &str) -> Value {
    let mut details = details(name, &resource.group, &resource.plural);
    details.insert("uid".to_owned(), uid.into());
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

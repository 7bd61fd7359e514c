//! Rules of `metadata`: names, labels, annotations, owner references.

use serde_json::Value;

use crate::kubernetes::object;
use crate::kubernetes::resource::ResourceType;
use crate::kubernetes::status::Cause;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// All annotations of an object together, keys and values.
const ANNOTATIONS_BYTES: usize = 256 * 1024;

const fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Lower case letters, digits and inner dashes.
fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if lower(*first) && lower(*last))
        && bytes.iter().all(|byte| lower(*byte) || *byte == b'-')
}

/// Letters and digits of any case, and inner `-`, `_` and `.`.
fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_subdomain(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(is_dns_label)
}

/// What is wrong with `metadata`.
pub(super) fn metadata(resource: &ResourceType, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    name(resource, object::name(object), &mut causes);
    let labels = object::meta(object, "labels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        label_key("metadata.labels", key, &mut causes);
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            causes.push(Cause::invalid("metadata.labels", value, "must be no more than 63 bytes"));
        } else if !text.is_empty() && !is_label_value(text) {
            causes.push(Cause::invalid("metadata.labels", value, LABEL_VALUE));
        }
    }
    let mut bytes = 0;
    for (key, value) in object::meta(object, "annotations").and_then(Value::as_object).into_iter().flatten() {
        // Annotation keys are compared without case.
        label_key("metadata.annotations", &key.to_lowercase(), &mut causes);
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES {
        causes.push(Cause::too_long(
            "metadata.annotations",
            &format!("may not be more than {ANNOTATIONS_BYTES} bytes"),
        ));
    }
    owners(object, &mut causes);
    for finalizer in object::meta_list(object, "finalizers") {
        let text = finalizer.as_str().unwrap_or_default();
        if !text.contains('/') && !matches!(text, "orphan" | "foregroundDeletion" | "kubernetes") {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid("metadata.finalizers", finalizer, detail));
        }
    }
    causes
}

fn name(resource: &ResourceType, name: &str, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
        return;
    }
    if resource.group == "rbac.authorization.k8s.io" {
        // Any path segment will do.
        return;
    }
    let value = Value::from(name);
    if resource.is("", "namespaces") {
        if name.len() > 63 {
            causes.push(Cause::invalid("metadata.name", &value, "must be no more than 63 bytes"));
        }
        if name.contains('.') {
            causes.push(Cause::invalid("metadata.name", &value, "must not contain dots"));
        } else if !is_dns_label(name) {
            causes.push(Cause::invalid("metadata.name", &value, DNS_LABEL));
        }
        return;
    }
    if name.len() > 253 {
        causes.push(Cause::invalid("metadata.name", &value, "must be no more than 253 bytes"));
    }
    if !is_subdomain(name) {
        causes.push(Cause::invalid("metadata.name", &value, SUBDOMAIN));
    }
}

fn label_key(field: &str, key: &str, causes: &mut Vec<Cause>) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        causes.push(Cause::invalid(field, &key.into(), &format!("prefix part {SUBDOMAIN}")));
    }
    if name.is_empty() {
        causes.push(Cause::invalid(field, &key.into(), "name part must be non-empty"));
    } else if name.len() > 63 {
        causes.push(Cause::invalid(field, &key.into(), "name part must be no more than 63 bytes"));
    }
    if !is_label_value(name) {
        causes.push(Cause::invalid(field, &key.into(), LABEL_NAME));
    }
}

fn owners(object: &Value, causes: &mut Vec<Cause>) {
    let mut controllers = 0;
    for owner in object::meta_list(object, "ownerReferences") {
        for (field, detail) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
                let detail =
                    if field == "apiVersion" { detail.to_owned() } else { format!("{field} {detail}") };
                causes.push(Cause::invalid(format!("metadata.ownerReferences.{field}"), &"".into(), &detail));
            }
        }
        controllers += usize::from(owner.get("controller").and_then(Value::as_bool).unwrap_or(false));
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true";
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            &object["metadata"]["ownerReferences"],
            detail,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels() {
        assert!(
            is_subdomain("a.b-c.0") && !is_subdomain("a..b") && !is_subdomain("A") && !is_subdomain("-a")
        );
        assert!(is_dns_label("my-name") && !is_dns_label("a.b") && !is_dns_label("a-"));
        let mut causes = Vec::new();
        for good in ["app", "example.com/My_name.1"] {
            label_key("f", good, &mut causes);
        }
        assert!(causes.is_empty());
        for bad in ["", "a b", "UPPER/x", "a/", "a/b/c"] {
            causes.clear();
            label_key("f", bad, &mut causes);
            assert!(!causes.is_empty(), "{bad}");
        }
    }
}

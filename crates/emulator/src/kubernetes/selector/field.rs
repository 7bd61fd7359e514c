//! Field selectors: `field=value`, `field==value`, `field!=value`, joined by commas.

use serde_json::Value;

use crate::kubernetes::object;
use crate::kubernetes::resource::ResourceType;
use crate::kubernetes::status::Failure;

/// One requirement on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl Requirement {
    pub(super) fn matches(&self, object: &Value) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        (object::text(object, &path) == self.value) == self.equal
    }
}

/// Fields that can be selected beside `metadata.name` and, of namespaced resources, `metadata.namespace`.
fn selectable(resource: &ResourceType) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "secrets") => &["type"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        _ => &[],
    }
}

/// Parses a selector; fields that this resource cannot be selected by are refused.
pub(super) fn parse(resource: &ResourceType, text: &str) -> Result<Vec<Requirement>, Failure> {
    let mut requirements = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
            (field, value, false)
        } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (field, value, true)
        } else {
            return Err(Failure::bad_request(format!(
                "invalid selector: '{text}'; can't understand '{part}'"
            )));
        };
        let known = field == "metadata.name"
            || (field == "metadata.namespace" && (resource.namespaced || !resource.is_custom()))
            || selectable(resource).contains(&field);
        if !known {
            return Err(Failure::bad_request(format!("field label not supported: {field}")));
        }
        // The component of an event is the one field whose label is no path.
        let path = if field == "source" { "source.component" } else { field };
        requirements.push(Requirement {
            path: path.split('.').map(str::to_owned).collect(),
            value: value.to_owned(),
            equal,
        });
    }
    Ok(requirements)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::builtin;

    #[test]
    fn selects_by_known_fields_only() {
        let registry = builtin::registry();
        let pods = registry.get("", "pods").expect("pods are built in");
        let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1"}});
        let matches =
            |text: &str| parse(pods, text).expect(text).iter().all(|requirement| requirement.matches(&pod));
        assert!(matches("spec.nodeName=n1") && matches("metadata.name==p,spec.nodeName!=n2") && matches(""));
        assert!(!matches("spec.nodeName=n2") && !matches("status.phase=Running"));
        assert!(parse(pods, "spec.hostname=x").is_err() && parse(pods, "nothing").is_err());
    }
}

//! A SecretProviderClass.

use crate::azure;
use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::fields::check_keys;
use crate::manifest::Manifest;
use crate::names::is_object_name;
use crate::place::{Nesting, Place};
use crate::rule::Rule;
use crate::secret_objects;
use crate::yaml::{Kind, Node};

const GROUP: &str = "secrets-store.csi.x-k8s.io";

/// What others need to know of a class.
pub(crate) struct Class {
    pub(crate) file: usize,
    pub(crate) at: Place,
    pub(crate) end: Place,
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// Names of the Secrets it syncs, each with its place.
    pub(crate) secrets: Vec<(String, Place, Place)>,
    /// `clientID` of a class for the Azure provider with workload identity.
    pub(crate) client_id: Option<String>,
}

/// Checks a class.
pub(crate) fn check(manifest: &Manifest, namespace: &str, found: &mut Vec<Diagnostic>) -> Class {
    let root = &manifest.root;
    check_version(manifest, found);
    check_name(manifest, found);
    let title = manifest.title();
    let mut class = Class {
        file: manifest.file,
        at: title.start,
        end: title.end,
        name: manifest.name().to_owned(),
        namespace: manifest.namespace(namespace).to_owned(),
        secrets: Vec::new(),
        client_id: None,
    };
    let Some(spec) = root.get("spec") else {
        found.push(manifest.found(Severity::Error, Rule::ProviderNotSet, title));
        return class;
    };
    check_keys(
        manifest,
        spec,
        &Nesting::default(),
        &["provider", "parameters", "secretObjects"],
        Rule::UnknownField,
        found,
    );
    let provider = spec.text_at(&["provider"]);
    match spec.get("provider") {
        _ if provider.is_empty() => {
            let place = spec.get("provider").or_else(|| root.key("spec")).unwrap_or(title);
            found.push(manifest.found(Severity::Error, Rule::ProviderNotSet, place));
        }
        Some(node) if !is_provider_name(provider) => {
            found.push(manifest.found(Severity::Error, Rule::ProviderInvalid, node));
        }
        _ => {}
    }
    let parameters = spec.get("parameters");
    match parameters {
        Some(parameters) if !parameters.entries().is_empty() => check_strings(manifest, parameters, found),
        other => {
            let place = other.or_else(|| root.key("spec")).unwrap_or(title);
            found.push(manifest.found(Severity::Error, Rule::ParametersNotSet, place));
        }
    }
    let mut files = None;
    if provider == "azure"
        && let Some(parameters) = parameters
    {
        let checked = azure::check(manifest, parameters, found);
        files = checked.files;
        class.client_id = checked.client_id;
    }
    if let Some(objects) = spec.get("secretObjects") {
        class.secrets = secret_objects::check(manifest, objects, files.as_deref(), found);
    }
    class
}

fn check_version(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let Some(node) = manifest.root.get("apiVersion") else { return };
    let version = node.text().unwrap_or_default();
    let edit = || vec![Edit { start: node.start, end: node.end, text: format!("{GROUP}/v1") }];
    if version == format!("{GROUP}/v1alpha1") {
        let told = manifest.found(Severity::Warning, Rule::DeprecatedVersion, node);
        found.push(told.fixed("use v1, whose fields are the same", edit()));
    } else if version != format!("{GROUP}/v1") {
        let told = manifest.found(Severity::Error, Rule::UnknownVersionOfApi, node);
        found.push(told.saying(format!("no driver reads SecretProviderClasses of {version}")));
    }
}

fn check_name(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let generated = manifest.root.at(&["metadata", "generateName"]).is_some();
    if !generated && !is_object_name(manifest.name()) {
        found.push(manifest.found(Severity::Error, Rule::InvalidObjectNameOfKubernetes, manifest.title()));
    }
}

/// Parameters are text to text; the API server refuses anything else.
fn check_strings(manifest: &Manifest, parameters: &Node, found: &mut Vec<Diagnostic>) {
    for (key, value) in parameters.entries() {
        let name = key.text().unwrap_or_default();
        let what = match &value.kind {
            Kind::Scalar { text, plain: true, .. } if value.is_null() || is_other_than_text(text) => {
                "not a string"
            }
            Kind::Scalar { .. } => continue,
            Kind::Sequence(_) => "a list",
            Kind::Mapping { .. } => "a mapping",
        };
        let mut told = manifest
            .found(Severity::Error, Rule::ParameterNotString, value)
            .saying(format!("parameters.{name} is {what}; the API server takes strings only"));
        match &value.kind {
            Kind::Scalar { text, .. } if !value.is_null() => {
                let edit = Edit { start: value.start, end: value.end, text: format!("\"{text}\"") };
                told = told
                    .hinting(format!("put it in quotes: \"{text}\""))
                    .fixed("put it in quotes", vec![edit]);
            }
            Kind::Scalar { .. } => told = told.hinting("leave the parameter out, or write \"\""),
            _ if name == "objects" => {
                told = told.hinting("objects is YAML in a string: write `objects: |` and keep the rest")
            }
            _ => {}
        }
        found.push(told);
    }
}

/// What a plain scalar is to the API server's YAML reader, if it is no string.
fn is_other_than_text(text: &str) -> bool {
    let boolean = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"));
    boolean || number
}

fn is_provider_name(name: &str) -> bool {
    (1..=30).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

//! The parameters of a class for the Azure provider, and its `objects`.

use keymount_objects::{
    FieldProblem, Limits, OBJECT_FIELDS, Object, ObjectType, ObjectsError, PARAMETERS, Parts, VaultName,
    check_objects,
};

use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::fields::check_keys;
use crate::manifest::Manifest;
use crate::names::{is_guid, nearest};
use crate::place::{Nesting, Place};
use crate::rule::Rule;
use crate::yaml::{self, Kind, Node};

const FLAGS: [&str; 3] = ["usePodIdentity", "useVMManagedIdentity", "useAzureTokenProxy"];

/// Values of `cloudName` that the provider knows, as people write them.
pub const CLOUDS: [&str; 7] = [
    "AzurePublicCloud",
    "AzureCloud",
    "AzureUSGovernmentCloud",
    "AzureUSGovernment",
    "AzureChinaCloud",
    "AzureGermanCloud",
    "AzureStackCloud",
];

/// Mode of files without one of their own; it is of no importance here.
const PERMISSION: u32 = 0o644;

/// What the rest of the class needs to know.
pub(crate) struct Checked {
    /// The files of the volume; none if they cannot be told.
    pub(crate) files: Option<Vec<File>>,
    /// `clientID`, if it is a workload identity's.
    pub(crate) client_id: Option<String>,
}

/// A file of the volume.
pub(crate) struct File {
    pub(crate) path: String,
    /// Whether there is no private key in it.
    pub(crate) is_certificate_only: bool,
}

/// Checks the parameters in the provider's order.
pub(crate) fn check(manifest: &Manifest, parameters: &Node, found: &mut Vec<Diagnostic>) -> Checked {
    let known = PARAMETERS.map(|(name, _)| name);
    check_keys(manifest, parameters, &Nesting::default(), &known, Rule::UnknownParameter, found);
    let set: Vec<_> = FLAGS.into_iter().filter(|flag| is_set(manifest, parameters, flag, found)).collect();
    check_identity(manifest, parameters, &set, found);
    check_vault(manifest, parameters, found);
    check_tenant(manifest, parameters, found);
    check_cloud(manifest, parameters, found);
    let files = match parameters.get("objects") {
        Some(objects) if objects.text().is_some_and(|text| !text.trim().is_empty()) => {
            check_objects_text(manifest, objects, found)
        }
        other => {
            let place =
                other.or_else(|| parameters.entries().first().map(|(key, _)| key)).unwrap_or(parameters);
            found.push(from_provider(manifest, &ObjectsError::NotSet, place.start, place.end));
            None
        }
    };
    let client_id = text(parameters, "clientID").filter(|_| set.is_empty()).map(str::to_owned);
    Checked { files, client_id }
}

/// A parameter without the white space around it, if there is anything left.
fn text<'a>(parameters: &'a Node, name: &str) -> Option<&'a str> {
    Some(parameters.text_at(&[name]).trim()).filter(|text| !text.is_empty())
}

/// Whether a flag is on, in the spellings of Go's `strconv.ParseBool`.
fn is_set(manifest: &Manifest, parameters: &Node, flag: &'static str, found: &mut Vec<Diagnostic>) -> bool {
    match text(parameters, flag) {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => true,
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => false,
        Some(other) => {
            let node = parameters.get(flag).unwrap_or(parameters);
            let told = manifest.found(Severity::Error, Rule::InvalidFlag, node);
            found.push(told.saying(format!("{flag} is neither true nor false: {other}")));
            false
        }
    }
}

fn check_identity(manifest: &Manifest, parameters: &Node, set: &[&str], found: &mut Vec<Diagnostic>) {
    let mut tell = |severity, rule, name: &str| {
        if let Some(key) = parameters.key(name) {
            found.push(manifest.found(severity, rule, key));
        }
    };
    if let [_, second, ..] = set {
        tell(Severity::Error, Rule::IdentityModeConflict, second);
    }
    if set.contains(&"usePodIdentity") {
        tell(Severity::Warning, Rule::PodIdentityDeprecated, "usePodIdentity");
    }
    let machine = set.contains(&"useVMManagedIdentity");
    if text(parameters, "userAssignedIdentityID").is_some() && !machine {
        tell(Severity::Warning, Rule::UserAssignedIdentityUnused, "userAssignedIdentityID");
    }
    if text(parameters, "clientID").is_some() && machine {
        tell(Severity::Warning, Rule::ClientIdUnused, "clientID");
    }
    for name in ["clientID", "userAssignedIdentityID"] {
        let Some(id) = text(parameters, name) else { continue };
        let is_resource = name == "userAssignedIdentityID" && id.starts_with('/');
        if id.eq_ignore_ascii_case(tenant(parameters).unwrap_or_default()) {
            tell(Severity::Error, Rule::ClientIdIsTenant, name);
        } else if !is_guid(id) && !is_resource && !is_placeholder(id) {
            tell(Severity::Warning, Rule::ClientIdNotGuid, name);
        }
    }
}

fn check_vault(manifest: &Manifest, parameters: &Node, found: &mut Vec<Diagnostic>) {
    match (text(parameters, "keyvaultName"), parameters.get("keyvaultName")) {
        (Some(name), Some(node)) => {
            if let Err(error) = VaultName::parse(name)
                && !is_placeholder(name)
            {
                let told = manifest.found(Severity::Error, Rule::InvalidVaultName, node);
                found.push(told.saying(error.text()).hinting(error.hint()));
            }
        }
        (_, node) => {
            let place = node.unwrap_or_else(|| first_key(parameters));
            found.push(manifest.found(Severity::Error, Rule::VaultNameMissing, place));
        }
    }
}

fn tenant(parameters: &Node) -> Option<&str> {
    text(parameters, "tenantID").or_else(|| text(parameters, "tenantId"))
}

fn check_tenant(manifest: &Manifest, parameters: &Node, found: &mut Vec<Diagnostic>) {
    let node = parameters.get("tenantID").or_else(|| parameters.get("tenantId"));
    match tenant(parameters) {
        None => {
            let place = node.unwrap_or_else(|| first_key(parameters));
            found.push(manifest.found(Severity::Error, Rule::TenantMissing, place));
        }
        Some(tenant) if !is_guid(tenant) && !tenant.contains('.') && !is_placeholder(tenant) => {
            let place = node.unwrap_or_else(|| first_key(parameters));
            found.push(manifest.found(Severity::Warning, Rule::TenantNotGuid, place));
        }
        Some(_) => {}
    }
}

fn check_cloud(manifest: &Manifest, parameters: &Node, found: &mut Vec<Diagnostic>) {
    let (Some(cloud), Some(node)) = (text(parameters, "cloudName"), parameters.get("cloudName")) else {
        return;
    };
    if CLOUDS.iter().any(|known| known.eq_ignore_ascii_case(cloud)) || is_placeholder(cloud) {
        return;
    }
    let mut told = manifest
        .found(Severity::Error, Rule::CloudUnknown, node)
        .saying(format!("no cloud is called {cloud}"));
    if let Some(meant) = nearest(cloud, CLOUDS) {
        told = told.hinting(format!("write {meant}"));
    }
    found.push(told);
}

/// Whether something else puts a value in its place later: `${TENANT}`, `<tenant>`, `$(VAULT)`.
fn is_placeholder(text: &str) -> bool {
    text.contains(['$', '<', '{'])
}

fn first_key(mapping: &Node) -> &Node {
    mapping.entries().first().map_or(mapping, |(key, _)| key)
}

fn check_objects_text(manifest: &Manifest, node: &Node, found: &mut Vec<Diagnostic>) -> Option<Vec<File>> {
    let Kind::Scalar { text, origin, .. } = &node.kind else { return None };
    let nesting = Nesting::default().inside(*origin);
    let (objects, errors) = check_objects(text.trim(), PERMISSION, Limits::default());
    let items = items(manifest, text, &nesting, found);
    for error in &errors {
        let (start, end) = field(error, &items).unwrap_or_else(|| {
            let at = error
                .position()
                .map_or(Place::new(1, 1), |at| untrimmed(text, Place::new(at.line, at.column)));
            let start = nesting.outer(at);
            (start, end_of_line(start))
        });
        found.push(from_provider(manifest, error, start, end));
    }
    for item in &items {
        check_item(manifest, item, found);
    }
    errors.is_empty().then(|| files(&objects)).flatten()
}

/// An object, as far as it can be read, and where its text stands.
struct Item {
    object: Node,
    nesting: Nesting,
}

/// The objects in the order in which the provider counts them.
fn items(
    manifest: &Manifest,
    text: &str,
    nesting: &Nesting,
    found: &mut Vec<Diagnostic>,
) -> Vec<Option<Item>> {
    let Ok(documents) = yaml::parse(text) else { return Vec::new() };
    let Some(root) = documents.first() else { return Vec::new() };
    check_keys(manifest, root, nesting, &["array", "items"], Rule::UnknownObjectField, found);
    let strings = root.items_at(&["array"]).iter().filter(|item| !item.is_null()).map(|item| {
        let Kind::Scalar { text, origin, .. } = &item.kind else { return None };
        let object = yaml::parse(text).ok()?.into_iter().next()?;
        Some(Item { object, nesting: nesting.inside(*origin) })
    });
    let mappings = root.items_at(&["items"]).iter().filter(|item| !item.is_null());
    let mappings = mappings.map(|item| Some(Item { object: item.clone(), nesting: nesting.clone() }));
    strings.chain(mappings).collect()
}

/// The field that an error is about.
fn field(error: &ObjectsError, items: &[Option<Item>]) -> Option<(Place, Place)> {
    let keys: &[&str] = match error {
        ObjectsError::Field { problem, .. } => match problem {
            FieldProblem::Format(_) | FieldProblem::PfxNeedsSecret => &["objectFormat"],
            FieldProblem::Encoding(_) | FieldProblem::EncodingNeedsSecret => &["objectEncoding"],
            FieldProblem::FileNameEmpty
            | FieldProblem::FileNameAbsolute
            | FieldProblem::FileNameBacksteps => &["objectAlias", "objectName"],
            FieldProblem::Permission(_) => &["filePermission"],
            FieldProblem::Extension(_) => return None,
        },
        ObjectsError::Conflict { .. } => &["objectAlias", "objectName"],
        _ => return None,
    };
    let Item { object, nesting } = items.get(error.object()?.index)?.as_ref()?;
    let node = keys
        .iter()
        .filter_map(|key| object.get(key))
        .find(|node| node.text().is_some_and(|text| !text.is_empty()))?;
    Some((nesting.outer(node.start), nesting.outer(node.end)))
}

/// A place of the text without the white space before it as one of the whole text.
fn untrimmed(text: &str, at: Place) -> Place {
    let before = &text[..text.len() - text.trim_start().len()];
    let line = at.line + before.matches('\n').count();
    let indent = before.rsplit('\n').next().unwrap_or_default().chars().count();
    Place { line, column: if at.line == 1 { at.column + indent } else { at.column } }
}

/// To be shown as the rest of its line.
const fn end_of_line(start: Place) -> Place {
    Place { line: start.line + 1, column: 1 }
}

/// What the provider would say, in its own words.
fn from_provider(manifest: &Manifest, error: &ObjectsError, start: Place, end: Place) -> Diagnostic {
    let told = manifest.found_at(Severity::Error, Rule::of(error.reason()), start, end);
    told.saying(error.text()).hinting(error.hint())
}

/// What the provider ignores, or says only when the object is fetched.
fn check_item(manifest: &Manifest, item: &Option<Item>, found: &mut Vec<Diagnostic>) {
    let Some(Item { object, nesting }) = item else { return };
    check_keys(manifest, object, nesting, &OBJECT_FIELDS, Rule::UnknownObjectField, found);
    let written = object.text_at(&["objectType"]);
    if ["secret", "key", "cert"].contains(&written.trim()) {
        return;
    }
    let Some(node) = object.get("objectType").or_else(|| object.key("objectName")) else { return };
    let (start, end) = (nesting.outer(node.start), nesting.outer(node.end));
    let mut told = manifest.found_at(Severity::Error, Rule::InvalidObjectType, start, end);
    let lower = written.trim().to_ascii_lowercase();
    let meant = match lower.as_str() {
        "certificate" | "certificates" | "certs" => Some("cert"),
        "secrets" => Some("secret"),
        "keys" => Some("key"),
        other => ["secret", "key", "cert"].into_iter().find(|known| *known == other),
    };
    if let Some(meant) = meant {
        told = told.hinting(format!("write objectType: {meant}"));
        if nesting.is_literal() {
            told = told.fixed(format!("write {meant}"), vec![Edit { start, end, text: meant.to_owned() }]);
        }
    }
    found.push(told);
}

/// The files of the volume, as far as the class alone tells them.
fn files(objects: &[Object]) -> Option<Vec<File>> {
    let mut files = Vec::new();
    for object in objects {
        if object.extensions.selector.is_some() {
            return None;
        }
        let is_certificate_only = object.object_type == ObjectType::Certificate;
        for name in object.file_names() {
            // With the provider's flag writeCertAndKeyInSeparateFiles there are two more of a certificate.
            let mut paths = vec![name.to_owned()];
            if object.object_type == ObjectType::Secret && object.extensions.parts == Parts::Whole {
                paths.extend([format!("{name}.crt"), format!("{name}.key")]);
            }
            if object.has_history() {
                let versions = 0..=object.version_history;
                paths = versions
                    .flat_map(|version| paths.iter().map(move |path| format!("{path}/{version}")))
                    .collect();
            }
            files.extend(paths.into_iter().map(|path| File { path, is_certificate_only }));
        }
    }
    Some(files)
}

/// Whether the path is one that only a provider's flag makes.
pub(crate) fn is_separate_part(path: &str, files: &[File]) -> bool {
    let base = path.strip_suffix(".crt").or_else(|| path.strip_suffix(".key"));
    base.is_some_and(|base| files.iter().any(|file| file.path == base))
}

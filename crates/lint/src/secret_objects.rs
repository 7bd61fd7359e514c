//! `secretObjects`: the Secrets that the driver makes of the files.

use std::collections::HashSet;

use crate::azure::{File, is_separate_part};
use crate::diagnostic::{Diagnostic, Severity};
use crate::fields::check_keys;
use crate::manifest::Manifest;
use crate::names::{is_object_name, is_secret_key, list, nearest};
use crate::place::{Nesting, Place};
use crate::rule::Rule;
use crate::yaml::Node;

const TLS: &str = "kubernetes.io/tls";

/// Keys that the API server wants in a Secret of a type.
const KEYS: [(&str, &[&str]); 5] = [
    (TLS, &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/basic-auth", &[]),
];

/// Checks them against the files of the volume, if these are known. Gives the Secrets' names.
pub(crate) fn check(
    manifest: &Manifest,
    objects: &Node,
    files: Option<&[File]>,
    found: &mut Vec<Diagnostic>,
) -> Vec<(String, Place, Place)> {
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for object in objects.items() {
        let known = ["secretName", "type", "labels", "annotations", "data"];
        check_keys(manifest, object, &Nesting::default(), &known, Rule::UnknownField, found);
        check_secret(manifest, object, files, found);
        if let Some(node) = object.get("secretName")
            && let Some(name) = node.text().filter(|name| !name.is_empty())
        {
            if seen.insert(name.to_owned()) {
                names.push((name.to_owned(), node.start, node.end));
            } else {
                let told = manifest.found(Severity::Error, Rule::SecretTwice, node);
                found.push(told.saying(format!("the Secret {name} is made twice in this class")));
            }
        }
    }
    names
}

fn check_secret(manifest: &Manifest, object: &Node, files: Option<&[File]>, found: &mut Vec<Diagnostic>) {
    let place = |key: &str| {
        object.get(key).or_else(|| object.entries().first().map(|(key, _)| key)).unwrap_or(object)
    };
    let name = object.text_at(&["secretName"]);
    if !is_object_name(name) {
        let told = manifest.found(Severity::Error, Rule::SecretObjectInvalid, place("secretName"));
        found.push(match name {
            "" => told.saying("secretName is not set"),
            name => told.saying(format!("no Secret can have the name {name}")),
        });
    }
    let type_ = object.text_at(&["type"]);
    if type_.is_empty() {
        let told = manifest.found(Severity::Error, Rule::SecretObjectInvalid, place("type"));
        found.push(
            told.saying("type is not set").hinting("write type: Opaque, or the type the Secret is used as"),
        );
    }
    let data = object.items_at(&["data"]);
    if data.is_empty() {
        let told = manifest.found(Severity::Error, Rule::SecretObjectInvalid, place("data"));
        found.push(told.saying("data is empty: the Secret would have no key"));
        return;
    }
    let mut keys = HashSet::new();
    for entry in data {
        check_keys(manifest, entry, &Nesting::default(), &["objectName", "key"], Rule::UnknownField, found);
        let (key, file) = (entry.text_at(&["key"]), entry.text_at(&["objectName"]));
        let at = |name: &str| entry.get(name).unwrap_or(entry);
        if !is_secret_key(key) {
            let told = manifest.found(Severity::Error, Rule::SecretObjectInvalid, at("key"));
            found.push(told.saying(match key {
                "" => "key is not set".to_owned(),
                key => format!("no Secret can have the key {key}"),
            }));
        } else if !keys.insert(key) {
            let told = manifest.found(Severity::Error, Rule::SecretObjectInvalid, at("key"));
            found.push(told.saying(format!("two files go to the key {key}")));
        }
        if file.is_empty() {
            let told = manifest.found(Severity::Error, Rule::SecretObjectInvalid, at("objectName"));
            found.push(told.saying("objectName is not set"));
        } else if let Some(files) = files {
            check_file(manifest, at("objectName"), file, (type_, key), files, found);
        }
    }
    check_type(manifest, place("type"), type_, &keys, found);
}

/// The file that goes to a key of a Secret must be in the volume.
fn check_file(
    manifest: &Manifest,
    node: &Node,
    path: &str,
    (type_, key): (&str, &str),
    files: &[File],
    found: &mut Vec<Diagnostic>,
) {
    match files.iter().find(|file| file.path == path) {
        None => {
            let paths = files.iter().map(|file| file.path.as_str());
            let own: Vec<_> = paths.clone().filter(|path| !is_separate_part(path, files)).collect();
            let told = manifest
                .found(Severity::Error, Rule::SecretDataMissing, node)
                .saying(format!("no file of the volume is called {path}"));
            found.push(match nearest(path, paths) {
                Some(meant) => told.hinting(format!(
                    "write {meant}: it is the objectAlias, or the objectName of an object without one"
                )),
                None => told.hinting(format!(
                    "write the objectAlias, or the objectName of an object without one; here: {}",
                    list(&own)
                )),
            });
        }
        Some(file) if file.is_certificate_only && type_ == TLS && key == "tls.key" => {
            found.push(manifest.found(Severity::Error, Rule::CertificateHasNoKey, node));
        }
        Some(_) => {}
    }
}

fn check_type(
    manifest: &Manifest,
    place: &Node,
    type_: &str,
    keys: &HashSet<&str>,
    found: &mut Vec<Diagnostic>,
) {
    let wanted = KEYS.iter().find(|(known, _)| *known == type_).map_or(&[][..], |(_, keys)| keys);
    let missing: Vec<_> = wanted.iter().copied().filter(|key| !keys.contains(key)).collect();
    if !missing.is_empty() {
        let told = manifest.found(Severity::Error, Rule::SecretKeysMissing, place);
        found.push(told.saying(format!("a Secret of type {type_} needs the key {}", missing.join(" and "))));
    }
    if let Some(meant) = nearest(type_, KEYS.map(|(known, _)| known).into_iter().chain(["Opaque"]))
        && meant != type_
        && !type_.is_empty()
    {
        let told = manifest.found(Severity::Warning, Rule::UnusualSecretType, place);
        found.push(
            told.saying(format!("the type {type_} is not {meant}"))
                .hinting(format!("write {meant}, if that is meant")),
        );
    }
}

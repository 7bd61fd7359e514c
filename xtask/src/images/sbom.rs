//! What a program is made from, in CycloneDX's form, told by cargo.
//!
//! <https://cyclonedx.org/docs/1.6/json/>

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::programs::Architecture;
use super::recipe::Image;
use super::revision::Revision;

/// The bill of materials of an image's program: every crate that is linked into it for this architecture.
pub(super) fn of(image: &Image, architecture: Architecture, revision: &Revision) -> anyhow::Result<Vec<u8>> {
    let platform = vec!["--filter-platform".to_owned(), architecture.target().to_owned()];
    let metadata = MetadataCommand::new().other_options(platform).exec().context("cargo metadata")?;
    bill(&metadata, image.program, image.description, revision)
}

fn bill(
    metadata: &Metadata,
    program: &str,
    description: &str,
    revision: &Revision,
) -> anyhow::Result<Vec<u8>> {
    let packages: BTreeMap<&PackageId, &Package> = metadata.packages.iter().map(|p| (&p.id, p)).collect();
    let root = metadata.packages.iter().find(|p| p.name.as_str() == program).context(program.to_owned())?;
    let graph = linked(metadata, &root.id)?;
    let mut components: Vec<Value> =
        graph.keys().filter(|id| **id != &root.id).map(|id| component(packages[id], "library")).collect();
    components.sort_by_key(|component| component["bom-ref"].to_string());
    let mut dependencies: Vec<Value> = graph
        .iter()
        .map(|(id, on)| {
            let on: BTreeSet<String> = on.iter().map(|id| purl(packages[id])).collect();
            json!({"ref": purl(packages[id]), "dependsOn": on})
        })
        .collect();
    dependencies.sort_by_key(|dependency| dependency["ref"].to_string());
    let mut subject = component(root, "application");
    subject["description"] = description.into();
    let mut bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": revision.created, "component": subject},
        "components": components,
        "dependencies": dependencies,
    });
    bill["serialNumber"] = serial_number(&serde_json::to_vec(&bill)?).into();
    Ok(serde_json::to_vec(&bill)?)
}

/// What is linked into a package, with what each needs itself; neither build scripts and macros' own needs nor tests.
fn linked<'a>(
    metadata: &'a Metadata,
    root: &'a PackageId,
) -> anyhow::Result<BTreeMap<&'a PackageId, BTreeSet<&'a PackageId>>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut graph: BTreeMap<&PackageId, BTreeSet<&PackageId>> = BTreeMap::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if graph.contains_key(id) {
            continue;
        }
        let normal = nodes[id]
            .deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        let on: BTreeSet<_> = normal.map(|dependency| &dependency.pkg).collect();
        open.extend(&on);
        graph.insert(id, on);
    }
    Ok(graph)
}

fn component(package: &Package, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(package),
        "name": package.name.as_str(),
        "version": package.version.to_string(),
        "purl": purl(package),
    });
    if let Some(license) = &package.license {
        // Old crates separate with a slash.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

/// <https://github.com/package-url/purl-spec>
fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.to_string().replace('+', "%2B"))
}

/// Of the content, so that the same content has the same number.
fn serial_number(content: &[u8]) -> String {
    let mut bytes = Sha256::digest(content);
    // Version 8, variant 1: made in a way of our own.
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(&bytes[..16]);
    format!("urn:uuid:{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_is_linked_and_nothing_else() {
        let image = super::super::recipe::IMAGES.iter().find(|image| image.short == "driver").unwrap();
        let revision = Revision {
            version: "v1".to_owned(),
            commit: String::new(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            date: String::new(),
        };
        let bytes = of(image, Architecture::Amd64, &revision).unwrap();
        assert_eq!(bytes, of(image, Architecture::Amd64, &revision).unwrap());
        let bill: Value = serde_json::from_slice(&bytes).unwrap();
        let names: Vec<&str> =
            bill["components"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert!(
            names.contains(&"kube-client") && names.contains(&"keymount-volume") && names.contains(&"ring")
        );
        // Of tests, of build scripts, of the other daemon, of Windows.
        for absent in ["insta", "protox", "reqwest", "windows-sys", "secrets-store-csi-driver"] {
            assert!(!names.contains(&absent), "{absent}");
        }
        let known: Vec<_> = bill["dependencies"].as_array().unwrap().iter().map(|d| &d["ref"]).collect();
        for component in bill["components"].as_array().unwrap() {
            assert!(known.contains(&&component["bom-ref"]));
        }
    }
}

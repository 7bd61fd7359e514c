//! Who may depend on whom, checked from `cargo metadata`.
//!
//! The privileged process (driver) links no Azure client, the process with cloud tokens (provider) links
//! no Kubernetes client and no mount code, and neither links the emulator. A rule is changed here and in
//! ARCHITECTURE.md, in the commit that needs it.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crates of this workspace that each crate may use. Tests may use more.
const ALLOWED: &[(&str, &[&str])] = &[
    ("keymount-sensitive", &[]),
    ("keymount-clock", &[]),
    ("keymount-schedule", &["keymount-clock"]),
    ("keymount-proto", &[]),
    ("keymount-reasons", &[]),
    ("keymount-api", &[]),
    ("keymount-pem", &["keymount-sensitive"]),
    ("keymount-objects", &["keymount-sensitive"]),
    ("keymount-lint", &["keymount-objects"]),
    ("keymount-volume", &["keymount-sensitive", "keymount-clock"]),
    ("keymount-daemon", &["keymount-clock"]),
    ("keymount-identity", &["keymount-sensitive", "keymount-clock"]),
    ("keymount-keyvault", &["keymount-sensitive", "keymount-clock", "keymount-identity"]),
    (
        "keymount-azure",
        &[
            "keymount-sensitive",
            "keymount-clock",
            "keymount-proto",
            "keymount-reasons",
            "keymount-pem",
            "keymount-objects",
            "keymount-daemon",
            "keymount-identity",
            "keymount-keyvault",
        ],
    ),
    (
        "keymount-driver",
        &[
            "keymount-sensitive",
            "keymount-clock",
            "keymount-schedule",
            "keymount-proto",
            "keymount-reasons",
            "keymount-api",
            "keymount-pem",
            "keymount-volume",
            "keymount-daemon",
        ],
    ),
    (
        "keymount-catalogue",
        &["keymount-reasons", "keymount-objects", "keymount-azure", "keymount-driver", "keymount-lint"],
    ),
    ("keymount-emulator", &["keymount-sensitive", "keymount-clock", "keymount-proto", "keymount-api"]),
    ("secrets-store-csi-driver", &["keymount-driver"]),
    ("secrets-store-csi-driver-provider-azure", &["keymount-azure"]),
];

/// Crates that must not be in the program at all, however they got there: (program, crates, why).
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "secrets-store-csi-driver",
        &[
            "keymount-azure",
            "keymount-identity",
            "keymount-keyvault",
            "keymount-objects",
            "keymount-emulator",
            "reqwest",
        ],
        "the privileged process has no HTTP client for the world outside",
    ),
    (
        "secrets-store-csi-driver-provider-azure",
        &[
            "keymount-driver",
            "keymount-volume",
            "keymount-api",
            "keymount-emulator",
            "kube",
            "kube-client",
            "k8s-openapi",
        ],
        "the process with cloud tokens cannot mount, and cannot talk to the Kubernetes API",
    ),
    ("keymount-pem", &["tokio", "reqwest", "hyper"], "it is pure: bytes in, bytes out"),
    ("keymount-objects", &["tokio", "reqwest", "hyper"], "it is pure: text in, values out"),
    ("keymount-lint", &["tokio", "reqwest", "hyper"], "it is pure: text in, diagnostics out"),
    ("keymount-schedule", &["reqwest", "hyper", "tonic", "kube-client"], "it asks nobody: time and counting"),
    ("keymount-volume", &["reqwest", "hyper", "tonic", "kube-client"], "it knows no network"),
];

/// Crates that must be nowhere in the workspace, tests included.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "one TLS provider: ring"),
    ("aws-lc-sys", "one TLS provider: ring"),
    ("openssl", "one TLS provider: ring"),
    ("openssl-sys", "one TLS provider: ring"),
    ("native-tls", "one TLS provider: ring"),
    ("serde_yaml", "unmaintained"),
    ("serde_yml", "RUSTSEC-2025-0068"),
];

fn metadata() -> Metadata {
    MetadataCommand::new().exec().expect("cargo metadata")
}

/// What a package depends on to be built as a part of a program, with how it is depended on.
fn normal_dependencies(metadata: &Metadata) -> BTreeMap<&PackageId, BTreeSet<&PackageId>> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let is_normal = |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
    resolve
        .nodes
        .iter()
        .map(|node| {
            let used = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(is_normal)).map(|dep| &dep.pkg);
            (&node.id, used.collect())
        })
        .collect()
}

fn name(metadata: &Metadata, id: &PackageId) -> String {
    metadata[id].name.to_string()
}

#[test]
fn crates_use_only_what_they_may() {
    let metadata = metadata();
    let graph = normal_dependencies(&metadata);
    let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let mut seen = BTreeSet::new();
    for id in &members {
        let this = name(&metadata, id);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == this) else { continue };
        seen.insert(this.clone());
        for used in graph[id].iter().filter(|used| members.contains(*used)) {
            let used = name(&metadata, used);
            assert!(allowed.contains(&used.as_str()), "{this} must not depend on {used}");
        }
    }
    let ruled: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(seen, ruled, "every rule is about a crate that exists");
}

#[test]
fn programs_do_not_contain_what_they_must_not() {
    let metadata = metadata();
    let graph = normal_dependencies(&metadata);
    for (program, forbidden, why) in FORBIDDEN {
        let root =
            metadata.workspace_members.iter().find(|id| name(&metadata, id) == *program).expect(program);
        let mut reached = BTreeSet::from([root]);
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            for used in &graph[id] {
                if reached.insert(used) {
                    waiting.push(used);
                }
            }
        }
        for id in reached {
            let found = name(&metadata, id);
            assert!(!forbidden.contains(&found.as_str()), "{program} contains {found}: {why}");
        }
    }
}

#[test]
fn banned_crates_are_nowhere() {
    let metadata = metadata();
    // Optional dependencies that nothing enables are not in the graph.
    let graph = metadata.resolve.as_ref().expect("a resolved graph");
    for node in &graph.nodes {
        let found = name(&metadata, &node.id);
        if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == found) {
            panic!("{found} is in the graph: {why}");
        }
    }
}

#[test]
fn libraries_have_typed_errors() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let is_library = package.manifest_path.as_str().contains("/crates/");
        let uses_anyhow =
            package.dependencies.iter().any(|dep| dep.name == "anyhow" && dep.kind == DependencyKind::Normal);
        assert!(!(is_library && uses_anyhow), "{} is a library and must not use anyhow", package.name);
    }
}

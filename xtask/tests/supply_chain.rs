//! Code of others that runs while the daemons are built, before anybody has read what was built: each such crate is on
//! a list, which a person changes after having looked at it. See docs/security/supply-chain.md.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, TargetKind};

const LIST: &str = "docs/security/build-time-crates.txt";

/// The programs that are shipped.
const DAEMONS: [&str; 2] = ["secrets-store-csi-driver", "secrets-store-csi-driver-provider-azure"];

/// Crates of registries in what the daemons are built of, tests left out, with what they run: `name kind`.
fn build_time_code(metadata: &Metadata) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let mut waiting: Vec<_> = resolve
        .nodes
        .iter()
        .map(|node| &node.id)
        .filter(|id| DAEMONS.contains(&metadata[id].name.as_str()))
        .collect();
    let mut reached: BTreeSet<_> = waiting.iter().copied().collect();
    while let Some(id) = waiting.pop() {
        let node = resolve.nodes.iter().find(|node| node.id == *id).expect("a node of the graph");
        for dependency in &node.deps {
            let built = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if built && reached.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    let mut found = BTreeSet::new();
    for package in reached.into_iter().map(|id| &metadata[id]).filter(|package| package.source.is_some()) {
        let kinds = package.targets.iter().flat_map(|target| &target.kind);
        for kind in kinds {
            match kind {
                TargetKind::CustomBuild => drop(found.insert(format!("{} build-script", package.name))),
                TargetKind::ProcMacro => drop(found.insert(format!("{} macro", package.name))),
                _ => {}
            }
        }
    }
    found
}

#[test]
fn code_that_runs_at_build_time_is_on_the_list() {
    let metadata = MetadataCommand::new()
        .features(CargoOpt::SomeFeatures(Vec::new()))
        .other_options(["--filter-platform=x86_64-unknown-linux-musl".to_owned()])
        .exec()
        .expect("cargo metadata");
    let found = build_time_code(&metadata);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(LIST);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let listed: BTreeSet<String> =
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{LIST}: read these and add them: {new:#?}; no longer used: {gone:#?}"
    );
}

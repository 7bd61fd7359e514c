//! The CustomResourceDefinitions as YAML.

use keymount_api::custom_resource_definitions;
use serde_json::Value;

use crate::generated::Generated;

const PATHS: [&str; 2] = [
    "deploy/crds/secrets-store.csi.x-k8s.io_secretproviderclasses.yaml",
    "deploy/crds/secrets-store.csi.x-k8s.io_secretproviderclasspodstatuses.yaml",
];

pub(crate) fn files() -> anyhow::Result<Vec<Generated>> {
    let definitions = custom_resource_definitions();
    PATHS
        .into_iter()
        .zip(definitions)
        .map(|(path, definition)| {
            // By way of a JSON value, so that keys come in one order.
            let value: Value = serde_json::to_value(definition)?;
            let yaml = serde_saphyr::to_string(&value)?;
            Ok(Generated {
                path,
                content: format!("# Made by `cargo xtask crds`; do not edit.\n{}\n", yaml.trim_end()),
            })
        })
        .collect()
}

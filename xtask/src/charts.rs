//! The Helm charts: what is made from their values, and what they promise.

mod parity;
mod promises;
mod readme;
mod schema;
mod values;

use anyhow::Context as _;
use values::Values;

use crate::generated::{Generated, root};

/// One chart.
struct Chart {
    /// Its folder, below the root of the project.
    folder: &'static str,
    readme: &'static str,
    schema: &'static str,
    /// What its README says before the values.
    intro: &'static str,
}

const CRDS: Chart = Chart {
    folder: "charts/secrets-store-csi-crds",
    readme: "charts/secrets-store-csi-crds/README.md",
    schema: "charts/secrets-store-csi-crds/values.schema.json",
    intro: include_str!("charts/intro-crds.md"),
};

const DRIVER: Chart = Chart {
    folder: "charts/secrets-store-csi-driver",
    readme: "charts/secrets-store-csi-driver/README.md",
    schema: "charts/secrets-store-csi-driver/values.schema.json",
    intro: include_str!("charts/intro-driver.md"),
};

const AZURE: Chart = Chart {
    folder: "charts/csi-secrets-store-provider-azure",
    readme: "charts/csi-secrets-store-provider-azure/README.md",
    schema: "charts/csi-secrets-store-provider-azure/values.schema.json",
    intro: include_str!("charts/intro-azure.md"),
};

/// Helm reads nothing outside of a chart's folder.
const DEFINITIONS: [&str; 2] = [
    "charts/secrets-store-csi-crds/files/secretproviderclasses.yaml",
    "charts/secrets-store-csi-crds/files/secretproviderclasspodstatuses.yaml",
];

impl Chart {
    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = root().join(self.folder).join(file);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    fn values(&self) -> anyhow::Result<Values> {
        Values::parse(&self.read("values.yaml")?).with_context(|| format!("{}/values.yaml", self.folder))
    }
}

/// READMEs and schemas from the values, and the definitions for their chart. Fails if the charts promise what is
/// not so.
pub(crate) fn files() -> anyhow::Result<Vec<Generated>> {
    let mut files: Vec<_> = crate::crds::files()?
        .into_iter()
        .zip(DEFINITIONS)
        .map(|(definition, path)| Generated { path, content: definition.content })
        .collect();
    for chart in [CRDS, DRIVER, AZURE] {
        let values = chart.values()?;
        files.push(Generated { path: chart.readme, content: readme::page(chart.intro, &values) });
        files.push(Generated { path: chart.schema, content: schema::text(&values)? });
    }
    parity::check(&DRIVER.values()?, &AZURE.values()?)?;
    promises::check()?;
    Ok(files)
}

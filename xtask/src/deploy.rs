//! Plain manifests for who does not use Helm: what the charts make of their default values.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::generated::{Generated, root};

const DRIVER: &str = "deploy/driver.yaml";
const PROVIDER: &str = "deploy/provider-azure.yaml";
const SECRET_SYNC: &str = "deploy/components/secret-sync/rbac.yaml";
const POLICIES: &str = "deploy/components/admission-policies/policies.yaml";
const STARTUP_TAINT: &str = "deploy/components/startup-taint/startup-taint.yaml";

/// Of the release: then the objects have the names of the Go stack's own manifests.
const RELEASE: &str = "csi-secrets-store-provider-azure";
const SUBCHART: &str = "csi-secrets-store-provider-azure/charts/secrets-store-csi-driver/templates/";

/// The manifests as they should be. Builds helm if it is not there.
pub(crate) fn files() -> anyhow::Result<Vec<Generated>> {
    let plain = rendered(&[])?;
    let sync = rendered(&["syncSecret.enabled=true"])?;
    let policies = rendered(&["admissionPolicies.enabled=true", "syncSecret.enabled=true"])?;
    let taint = rendered(&["startupTaint.enabled=true"])?;
    let driver =
        |template: &str| template.strip_prefix(SUBCHART).is_some_and(|rest| !rest.starts_with("charts/"));
    let is = |name: &'static str| move |template: &str| template.strip_prefix(SUBCHART) == Some(name);
    Ok(vec![
        Generated { path: DRIVER, content: page(&plain, "The node driver.", driver)? },
        Generated {
            path: PROVIDER,
            content: page(&plain, "The Azure Key Vault provider.", |template| {
                !template.contains("/charts/")
            })?,
        },
        Generated {
            path: SECRET_SYNC,
            content: page(&sync, "What the driver may do with Secrets.", is("rbac-secret-sync.yaml"))?,
        },
        Generated {
            path: POLICIES,
            content: page(&policies, "What RBAC cannot say.", is("admission-policies.yaml"))?,
        },
        Generated {
            path: STARTUP_TAINT,
            content: page(&taint, "The right to take one taint off a node.", is("startup-taint.yaml"))?,
        },
    ])
}

/// An object, and the template it is from.
type Document = (String, String);

fn rendered(driver_values: &[&str]) -> anyhow::Result<Vec<Document>> {
    let mut helm = Command::new("bash");
    // Sourcing it builds helm, and says so.
    helm.current_dir(root()).args(["-c", ". tests/charts/tools.sh >&2 && exec \"$HELM\" \"$@\"", "helm"]);
    helm.args(["template", RELEASE, "charts/csi-secrets-store-provider-azure", "--namespace", "kube-system"]);
    for value in driver_values {
        helm.args(["--set", &format!("secrets-store-csi-driver.{value}")]);
    }
    let output = helm.output().context("helm")?;
    ensure!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
    Ok(documents(&String::from_utf8(output.stdout)?))
}

fn documents(text: &str) -> Vec<Document> {
    let parts = text.split("\n---\n").map(|part| part.trim_start_matches("---\n"));
    parts
        .filter_map(|part| {
            let (source, body) = part.strip_prefix("# Source: ")?.split_once('\n')?;
            body.contains("\nkind: ").then(|| (source.to_owned(), plain(body)))
        })
        .collect()
}

/// Without what is Helm's.
fn plain(body: &str) -> String {
    let of_helm = |line: &&str| {
        let line = line.trim_start();
        !line.starts_with("helm.sh/chart:") && !line.starts_with("app.kubernetes.io/managed-by:")
    };
    body.trim_end().lines().filter(of_helm).collect::<Vec<_>>().join("\n")
}

fn page(documents: &[Document], what: &str, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
    let wanted: Vec<&str> =
        documents.iter().filter(|(template, _)| wanted(template)).map(|(_, body)| body.as_str()).collect();
    ensure!(!wanted.is_empty(), "the charts have nothing of it: {what}");
    Ok(format!(
        "# {what} Made by `cargo xtask deploy` from the charts; do not edit.\n{}\n",
        wanted.join("\n---\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_apart_by_template_and_without_what_is_helms() {
        let text = "---\n# Source: a/templates/x.yaml\napiVersion: v1\nkind: A\nmetadata:\n  labels:\n    helm.sh/chart: \"a-1\"\n    app: a\n---\n# Source: a/charts/b/templates/y.yaml\n# A remark.\napiVersion: v1\nkind: B\n---\n# Source: a/templates/empty.yaml\n";
        let documents = documents(text);
        assert_eq!(
            documents[0],
            ("a/templates/x.yaml".into(), "apiVersion: v1\nkind: A\nmetadata:\n  labels:\n    app: a".into())
        );
        assert_eq!(
            documents[1],
            ("a/charts/b/templates/y.yaml".into(), "# A remark.\napiVersion: v1\nkind: B".into())
        );
        assert_eq!(documents.len(), 2);
        assert!(page(&documents, "x", |template| template.contains("no such")).is_err());
    }
}

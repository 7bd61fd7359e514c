//! `keymount refresh`: content is fetched now, not at the next interval.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use keymount_api::{SecretProviderClass, annotations};
use keymount_clock::WallClock;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::access::{Access, Cluster, Scope, explain};
use crate::ended::ended;
use crate::output::{self, GOOD};
use crate::status::{Query, State, csi_volumes};

/// Fetches the content of classes now, on every node.
///
/// Sets the annotation keymount.io/refresh of each class to the time; each driver that has volumes of the class fetches them once per
/// value. How often that may be is bounded per namespace (--rotation-min-interval of the driver). Needs the right to patch the classes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    scope: Scope,
    /// Names of classes
    #[arg(value_name = "CLASS", required_unless_present_any = ["pod", "all"])]
    classes: Vec<String>,
    /// The classes that this pod mounts
    #[arg(long, value_name = "POD", conflicts_with_all = ["classes", "all", "all_namespaces"])]
    pod: Option<String>,
    /// All classes of the namespace
    #[arg(long, conflicts_with = "classes")]
    all: bool,
}

pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    ended("refresh", async { run(arguments).await.map(|()| true) })
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cluster = arguments.access.cluster().await?;
    let namespace = arguments.scope.namespace(&cluster);
    let wanted = wanted(arguments, &cluster, namespace.as_deref()).await?;
    ensure!(!wanted.is_empty(), "there is no class to refresh");
    let value = WallClock::system().now().to_string();
    let patch = json!({"metadata": {"annotations": {annotations::REFRESH: value}}});
    for (namespace, class) in &wanted {
        let api: Api<SecretProviderClass> = Api::namespaced(cluster.client.clone(), namespace);
        api.patch(class, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map_err(|error| explain(&error, &format!("refresh the class {namespace}/{class}")))?;
        let volumes =
            Query { namespace: Some(namespace.clone()), class: Some(class.clone()), ..Query::default() };
        let volumes = volumes.gather(&cluster).await.map(|gathered| gathered.volumes).unwrap_or_default();
        // Nobody fetches for a pod of which no driver has told anything.
        let mounted = volumes.iter().filter(|volume| volume.state != State::Unknown).count();
        let _ = writeln!(
            anstream::stdout(),
            "{GOOD}asked for{GOOD:#} {namespace}/{class}: {mounted} {} fetched again",
            if mounted == 1 { "pod has it" } else { "pods have it" }
        );
        if volumes.iter().any(|volume| volume.rotates == Some(false)) {
            output::note(
                "the driver does not rotate (--enable-secret-rotation, enableSecretRotation=true in the chart): \
                 pods that run keep what they have until it does",
            );
        }
    }
    Ok(())
}

/// Namespaces and names.
async fn wanted(
    arguments: &Arguments,
    cluster: &Cluster,
    namespace: Option<&str>,
) -> anyhow::Result<BTreeSet<(String, String)>> {
    if let (Some(name), Some(namespace)) = (&arguments.pod, namespace) {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        let pod = pods
            .get(name)
            .await
            .map_err(|error| explain(&error, &format!("read the pod {namespace}/{name}")))?;
        let classes = csi_volumes(&pod).map(|(_, source)| crate::status::class_of(source).to_owned());
        return Ok(classes.map(|class| (namespace.to_owned(), class)).collect());
    }
    let of = |class: &String| namespace.map(|namespace| (namespace.to_owned(), class.clone()));
    if !arguments.all {
        let named: Option<BTreeSet<_>> = arguments.classes.iter().map(of).collect();
        return named.ok_or_else(|| {
            anyhow::anyhow!("classes are named in one namespace; --all takes all of all namespaces")
        });
    }
    let query = Query { namespace: namespace.map(str::to_owned), ..Query::default() };
    let classes = crate::status::all(&query.api::<SecretProviderClass>(cluster), &ListParams::default())
        .await
        .map_err(|error| explain(&error, "list SecretProviderClasses"))?;
    let name = |class: SecretProviderClass| Some((class.metadata.namespace?, class.metadata.name?));
    Ok(classes.into_iter().filter_map(name).collect())
}

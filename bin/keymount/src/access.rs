//! How the cluster is reached: as kubectl does it, or as the pod this runs in.

use std::path::PathBuf;

use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// Which cluster.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Access {
    /// Kubeconfig file; else KUBECONFIG, else the service account of the pod this runs in, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; else its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Which namespaces.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Scope {
    /// Namespace; else that of the context
    #[arg(long, short, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(long, short = 'A')]
    all_namespaces: bool,
}

/// A cluster that can be asked. Nothing has been asked yet.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// Namespace of the context.
    pub(crate) default_namespace: String,
}

impl Access {
    /// As the flags of these names say it.
    pub(crate) fn of(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        Self { kubeconfig, context }
    }

    /// Names of the contexts there are.
    pub(crate) fn contexts(&self) -> anyhow::Result<Vec<String>> {
        let file = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path)?,
            None => Kubeconfig::read()?,
        };
        Ok(file.contexts.into_iter().map(|context| context.name).collect())
    }

    /// Makes a client without connecting.
    pub(crate) async fn cluster(&self) -> anyhow::Result<Cluster> {
        keymount_identity::transport::install_tls_provider();
        let mut config = self.config().await?;
        // A watch may be silent for long; everything else has its own bounds.
        config.read_timeout = None;
        let default_namespace = config.default_namespace.clone();
        let client = Client::try_from(config).context("cannot make a client of the Kubernetes API")?;
        Ok(Cluster { client, default_namespace })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let file = match &self.kubeconfig {
            Some(path) => {
                Some(Kubeconfig::read_from(path).map_err(|error| unusable(error, &path.display()))?)
            }
            None => Kubeconfig::from_env().map_err(|error| unusable(error, &"what KUBECONFIG names"))?,
        };
        if file.is_none()
            && self.context.is_none()
            && let Ok(config) = Config::incluster()
        {
            return Ok(config);
        }
        let file = match file {
            Some(file) => file,
            None => Kubeconfig::read().map_err(|error| match error {
                KubeconfigError::ReadConfig(..) => anyhow::anyhow!(
                    "no cluster is known: there is no ~/.kube/config, and KUBECONFIG is not set; give --kubeconfig FILE"
                ),
                other => unusable(other, &"~/.kube/config"),
            })?,
        };
        let contexts: Vec<_> = file.contexts.iter().map(|context| context.name.clone()).collect();
        Config::from_custom_kubeconfig(file, &options).await.map_err(|error| match error {
            KubeconfigError::LoadContext(name) if contexts.is_empty() => {
                anyhow::anyhow!("there is no context {name:?}, nor any other, in the kubeconfig")
            }
            KubeconfigError::LoadContext(name) => {
                anyhow::anyhow!(
                    "there is no context {name:?} in the kubeconfig; there are {}",
                    contexts.join(", ")
                )
            }
            KubeconfigError::CurrentContextNotSet => {
                anyhow::anyhow!(
                    "the kubeconfig has no current context; give --context, one of {}",
                    contexts.join(", ")
                )
            }
            other => unusable(other, &"the kubeconfig"),
        })
    }
}

/// Why a kubeconfig cannot be used. Of what cannot be parsed the place, not the text: there are keys and tokens in these files.
fn unusable(error: KubeconfigError, what: &dyn std::fmt::Display) -> anyhow::Error {
    match error {
        KubeconfigError::Parse(error) => {
            let place = error.location().map_or_else(String::new, |place| format!(", line {}", place.line()));
            anyhow::anyhow!("{what} is no kubeconfig{place}")
        }
        KubeconfigError::ReadConfig(error, path) => {
            anyhow::anyhow!("cannot read {}: {error}", path.display())
        }
        other => anyhow::anyhow!("{what} cannot be used: {other}"),
    }
}

impl Scope {
    /// The namespace to look at; none means all.
    pub(crate) fn namespace(&self, cluster: &Cluster) -> Option<String> {
        let one = || self.namespace.clone().unwrap_or_else(|| cluster.default_namespace.clone());
        (!self.all_namespaces).then(one)
    }
}

/// What the API server said, in one line that ends with what to do where that is known.
pub(crate) fn explain(error: &kube::Error, doing: &str) -> anyhow::Error {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            anyhow::anyhow!("cannot {doing}: {}{}", status.message, who_may(&status.message))
        }
        kube::Error::Api(status) if status.code == 404 && is_unknown_resource(&status.message) => {
            anyhow::anyhow!(
                "cannot {doing}: the cluster does not know this resource (is the driver installed? `keymount doctor` looks)"
            )
        }
        kube::Error::Api(status) => anyhow::anyhow!("cannot {doing}: {}", status.message),
        kube::Error::Service(_) | kube::Error::HyperError(_) => {
            anyhow::anyhow!("cannot {doing}: the API server cannot be reached: {}", innermost(error))
        }
        other => anyhow::anyhow!("cannot {doing}: {}", innermost(other)),
    }
}

/// As the API server says it, with the definitions' group and without.
fn is_unknown_resource(message: &str) -> bool {
    ["404 page not found", "could not find the requested resource"].iter().any(|text| message.contains(text))
}

/// The role that has the right which somebody lacks, if it is one of those that people have.
fn who_may(message: &str) -> &'static str {
    let is_about = |verbs: &[&str], resources: &[&str]| {
        let has =
            |verb: &str, resource: &str| message.contains(&format!("cannot {verb} resource \"{resource}\""));
        verbs.iter().any(|verb| resources.iter().any(|resource| has(verb, resource)))
    };
    let ours = ["secretproviderclasses", "secretproviderclasspodstatuses"];
    if is_about(&["get", "list", "watch"], &ours) {
        " (the role view has the right where the driver's chart is installed)"
    } else if is_about(&["patch"], &ours) {
        " (the role edit has the right where the driver's chart is installed)"
    } else if is_about(&["get", "list"], &["pods"]) && message.contains("in the namespace") {
        " (the role view has the right)"
    } else if is_about(&["create"], &["serviceaccounts/token"]) {
        " (that would be the right to be this account; --in-cluster takes the right to make pods instead)"
    } else {
        ""
    }
}

/// The error behind all others: the others say that a client or a connection failed.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_named_with_the_role_that_has_it() {
        for (message, role) in [
            (
                "secretproviderclasspodstatuses.x is forbidden: User \"u\" cannot list resource \"secretproviderclasspodstatuses\" in API group \"g\"",
                "role view",
            ),
            (
                "User \"u\" cannot patch resource \"secretproviderclasses\" in API group \"g\" in the namespace \"n\"",
                "role edit",
            ),
            ("User \"u\" cannot get resource \"pods\" in API group \"\" in the namespace \"n\"", "role view"),
            ("User \"u\" cannot create resource \"serviceaccounts/token\" in API group \"\"", "--in-cluster"),
        ] {
            assert!(who_may(message).contains(role), "{message}");
        }
        for nobody in
            ["cannot list resource \"nodes\"", "cannot get resource \"customresourcedefinitions\"", ""]
        {
            assert_eq!(who_may(nobody), "", "{nobody}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_said_without_showing_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let two = "apiVersion: v1\nkind: Config\ncontexts:\n- {name: a, context: {cluster: c, user: u}}\n- {name: b, context: {cluster: c, user: u}}\n";
        for (path, context, said) in [
            (file("broken", "users:\n- user: {token: [c4n4ry\n"), None, "is no kubeconfig"),
            (file("list", "- c4n4ry\n"), None, "is no kubeconfig, line 1"),
            (directory.path().join("absent"), None, "cannot read "),
            (file("two", two), Some("c"), "there is no context \"c\" in the kubeconfig; there are a, b"),
            (file("current", two), None, "no current context; give --context, one of a, b"),
        ] {
            let access = Access::of(Some(path), context.map(str::to_owned));
            let error = access.config().await.err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(error.contains(said) && !error.contains("c4n4ry"), "{said}: {error}");
        }
    }
}

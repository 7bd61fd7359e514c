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
            Some(path) => Some(Kubeconfig::read_from(path)?),
            None => Kubeconfig::from_env()?,
        };
        if let Some(file) = file {
            return Ok(Config::from_custom_kubeconfig(file, &options).await?);
        }
        if self.context.is_none()
            && let Ok(config) = Config::incluster()
        {
            return Ok(config);
        }
        let file = Kubeconfig::read().map_err(|error| match error {
            KubeconfigError::ReadConfig(..) => anyhow::anyhow!(
                "no cluster is known: there is no ~/.kube/config, and KUBECONFIG is not set; give --kubeconfig FILE"
            ),
            other => anyhow::Error::new(other).context("cannot read ~/.kube/config"),
        })?;
        Ok(Config::from_custom_kubeconfig(file, &options).await?)
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
            anyhow::anyhow!(
                "cannot {doing}: {} (the role view has the right to see classes and states where the driver's chart is installed)",
                status.message
            )
        }
        kube::Error::Api(status)
            if status.code == 404 && status.message.contains("could not find the requested resource") =>
        {
            anyhow::anyhow!(
                "cannot {doing}: the cluster does not know this resource (is the driver installed? `keymount doctor` looks)"
            )
        }
        kube::Error::Api(status) => anyhow::anyhow!("cannot {doing}: {}", status.message),
        other => anyhow::anyhow!("cannot {doing}: {other}"),
    }
}

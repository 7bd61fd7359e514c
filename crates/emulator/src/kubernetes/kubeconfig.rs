//! Kubeconfig files for a server.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, KubeconfigError};
use serde_json::json;

use super::ApiServer;

/// No client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig does not fit.
    #[error(transparent)]
    Config(#[from] KubeconfigError),
    /// TLS does not fit.
    #[error(transparent)]
    Client(#[from] kube::Error),
}

impl ApiServer {
    /// A kubeconfig for this server, with a bearer token or without credentials. JSON, which is YAML.
    #[must_use]
    pub fn kubeconfig(&self, token: Option<&str>) -> String {
        let mut cluster = json!({"server": self.url()});
        if let Some(Ok(pem)) = self.state.options.tls.as_ref().map(|ca| ca.pem()) {
            cluster["certificate-authority-data"] = STANDARD.encode(pem).into();
        }
        let user = token.map_or_else(|| json!({}), |token| json!({"token": token}));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "emulator",
            "clusters": [{"name": "emulator", "cluster": cluster}],
            "users": [{"name": "emulator", "user": user}],
            "contexts": [{"name": "emulator", "context": {"cluster": "emulator", "user": "emulator"}}],
        });
        format!("{config:#}\n")
    }

    /// A client of this server, with a bearer token or without credentials.
    ///
    /// # Errors
    /// If no TLS provider is installed in this process.
    pub async fn client(&self, token: Option<&str>) -> Result<kube::Client, ClientError> {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&self.kubeconfig(token))?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(kube::Client::try_from(config)?)
    }

    /// Writes [`Self::kubeconfig`] to a file that only its owner can read.
    ///
    /// # Errors
    /// Those of creating and writing the file.
    pub fn write_kubeconfig(&self, path: &Path, token: Option<&str>) -> io::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(self.kubeconfig(token).as_bytes())
    }
}

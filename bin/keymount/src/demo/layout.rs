//! Files and directories of the demo, and its names on the network.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

/// Suffix of the demo's vaults, without the port.
pub(super) const VAULT_SUFFIX: &str = "vault.keymount.test";
/// Host of the demo's authority.
pub(super) const AUTHORITY: &str = "login.keymount.test";
/// Name of the demo's vault.
pub(super) const VAULT: &str = "demo";

/// Where everything is.
pub(super) struct Layout {
    pub(super) root: PathBuf,
    /// Whether this is root of a user namespace only.
    pub(super) user_namespace: bool,
    /// Port of vaults and authority.
    pub(super) azure_port: u16,
    pub(super) driver_metrics: u16,
    pub(super) driver_health: u16,
    pub(super) provider_metrics: u16,
    pub(super) provider_health: u16,
}

impl Layout {
    /// Makes the directories, and teaches this mount namespace the demo's host names.
    pub(super) fn make(root: &Path, user_namespace: bool) -> anyhow::Result<Self> {
        for name in ["kubelet", "providers"] {
            std::fs::DirBuilder::new().mode(0o700).create(root.join(name)).context(name)?;
        }
        let [azure_port, driver_metrics, driver_health, provider_metrics, provider_health] = free_ports()?;
        let layout = Self {
            root: root.to_owned(),
            user_namespace,
            azure_port,
            driver_metrics,
            driver_health,
            provider_metrics,
            provider_health,
        };
        layout.teach_host_names().context("cannot teach this mount namespace the demo's host names")?;
        let cloud = json!({
            "name": "AzureStackCloud",
            "activeDirectoryEndpoint": format!("https://{AUTHORITY}:{azure_port}/"),
            "keyVaultEndpoint": format!("https://{VAULT_SUFFIX}/"),
            "keyVaultDNSSuffix": format!("{VAULT_SUFFIX}:{azure_port}"),
        });
        std::fs::write(layout.cloud(), format!("{cloud:#}\n"))?;
        Ok(layout)
    }

    /// `/etc/hosts` of this mount namespace only.
    fn teach_host_names(&self) -> anyhow::Result<()> {
        let before = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let hosts = self.root.join("hosts");
        std::fs::write(&hosts, format!("{before}\n127.0.0.1 {VAULT}.{VAULT_SUFFIX} {AUTHORITY}\n"))?;
        rustix::mount::mount_bind(&hosts, "/etc/hosts")?;
        Ok(())
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.root.join("ca.pem")
    }

    pub(super) fn cloud(&self) -> PathBuf {
        self.root.join("cloud.json")
    }

    pub(super) fn kubelet(&self) -> PathBuf {
        self.root.join("kubelet")
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    pub(super) fn csi_socket(&self) -> PathBuf {
        self.kubelet().join("plugins/csi-secrets-store/csi.sock")
    }

    pub(super) fn providers(&self) -> PathBuf {
        self.root.join("providers")
    }

    pub(super) fn provider_socket(&self) -> PathBuf {
        self.providers().join("azure.sock")
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.log"))
    }

    pub(super) fn vault_url(&self) -> String {
        format!("https://{VAULT}.{VAULT_SUFFIX}:{}", self.azure_port)
    }
}

/// Ports that are free now. The daemons' flags take a port, not "any".
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

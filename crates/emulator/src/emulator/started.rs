//! Where everything of an emulator is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::world::World;

/// What is said wherever an emulator is started.
pub const NOTICE: &str = "This is an emulator for tests and demos, not a vault: it keeps everything in \
    memory, unencrypted, and whoever reaches its ports can read and change all of it.";

/// Where everything is: the one JSON object of `keymount emulate --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Started {
    /// The first vault, by address: for clients that cannot be taught host names.
    pub vault: String,
    /// Every vault by its Azure host name, which has to resolve to the address of `vault`.
    pub vaults: BTreeMap<String, String>,
    /// The Entra authority, by address.
    pub authority: String,
    /// Id of the first tenant.
    pub tenant: String,
    /// Instance Metadata Service.
    pub imds: String,
    /// Pod identity.
    pub nmi: String,
    /// Kubernetes API, if there is one.
    pub kubernetes: Option<String>,
    /// PEM file with the certificate that clients have to trust.
    pub ca: PathBuf,
    /// Admin API.
    pub admin: String,
    /// That this is no vault.
    pub notice: &'static str,
}

impl Started {
    /// Addresses are those of the vaults, the metadata service, pod identity and the admin API.
    pub(super) fn new(
        world: &World,
        [azure, imds, nmi, admin]: [SocketAddr; 4],
        kubernetes: Option<String>,
        ca: PathBuf,
    ) -> Self {
        Self {
            vault: format!("https://{azure}"),
            vaults: vault_urls(world, azure.port()),
            authority: format!("https://{azure}"),
            tenant: world.directory.default_tenant(),
            imds: format!("http://{imds}"),
            nmi: format!("http://{nmi}"),
            kubernetes,
            ca,
            admin: format!("http://{admin}"),
            notice: NOTICE,
        }
    }

    /// The same with the vaults there are now.
    pub(crate) fn refreshed(&self, world: &World) -> Self {
        let port = self.vault.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default();
        Self { vaults: vault_urls(world, port), ..self.clone() }
    }
}

/// Every vault by its host name.
fn vault_urls(world: &World, port: u16) -> BTreeMap<String, String> {
    let suffix = world.hosts.vault_suffixes.first().map_or("vault.azure.net", String::as_str);
    let url = |name: String| (name.clone(), format!("https://{name}.{suffix}:{port}"));
    world.vaults.names().into_iter().map(url).collect()
}

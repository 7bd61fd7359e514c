//! The provider's own way through a mount, without a mount.

use std::time::Duration;

use anyhow::anyhow;
use keymount_azure::{Config, Provider, VerifyStep, flags};
use keymount_clock::WallClock;
use keymount_daemon::flags::Flags;
use keymount_daemon::metrics::Registry;
use keymount_proto::provider::MountRequest;
use serde_json::Value;
use tokio::time::Instant;

/// All that a mount would be asked with. Holds tokens and secrets.
pub(crate) struct Attempt {
    pub(crate) attributes: Value,
    pub(crate) secrets: String,
    pub(crate) cloud_name: String,
}

impl Attempt {
    pub(crate) async fn make(&self, timeout: Duration) -> anyhow::Result<Vec<VerifyStep>> {
        let arguments =
            [format!("--cloud-name={}", self.cloud_name), "--custom-user-agent=keymount-verify".to_owned()];
        let flags =
            Flags::parse("keymount verify", flags::TABLE, arguments).map_err(|error| anyhow!("{error}"))?;
        let config = Config::new(&flags, crate::internal::environment).await?;
        let registry = Registry::new("keymount", &[]);
        let provider = Provider::new(config, &registry, &WallClock::system());
        let request = MountRequest {
            attributes: self.attributes.to_string(),
            secrets: self.secrets.clone(),
            target_path: String::new(),
            permission: "420".to_owned(),
            current_object_version: Vec::new(),
        };
        Ok(provider.verify(&request, Instant::now() + timeout).await)
    }
}

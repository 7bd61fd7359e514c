//! The Azure clouds: where their vaults are, and who issues tokens.

mod file;

use std::path::{Path, PathBuf};

use url::Url;

pub use file::CustomCloudError;

/// One cloud, as far as secrets are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Vaults are `<name>.<this>`.
    pub vault_suffix: String,
    /// The resource that tokens for its vaults are issued for. Empty when a custom cloud's file has
    /// none: then only a vault's own challenge tells.
    pub vault_resource: String,
    /// Who issues tokens: an https URL. Empty when a custom cloud's file has none.
    pub authority: String,
}

/// The name of the cloud that is described by a file.
const CUSTOM: &str = "AZURESTACKCLOUD";

/// Names (upper case), vault suffix, authority. A vault's resource is `https://<suffix>`.
const CLOUDS: [(&[&str], &str, &str); 4] = [
    (&["AZUREPUBLICCLOUD", "AZURECLOUD"], "vault.azure.net", "https://login.microsoftonline.com/"),
    (
        &["AZUREUSGOVERNMENTCLOUD", "AZUREUSGOVERNMENT"],
        "vault.usgovcloudapi.net",
        "https://login.microsoftonline.us/",
    ),
    (&["AZURECHINACLOUD"], "vault.azure.cn", "https://login.chinacloudapi.cn/"),
    (&["AZUREGERMANCLOUD"], "vault.microsoftazure.de", "https://login.microsoftonline.de/"),
];

/// A cloud that is not known or not described. The text is what the Go stack says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// No cloud of this name (shown in upper case, as it was looked up).
    #[error("autorest/azure: There is no cloud environment matching the name {0:?}")]
    Unknown(String),
    /// The custom cloud's file.
    #[error(transparent)]
    Custom(#[from] CustomCloudError),
}

impl CloudError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "use AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, \
                                 AzureGermanCloud or AzureStackCloud"
                .to_owned(),
            Self::Custom(_) => "AzureStackCloud is described by the JSON file that cloudEnvFileName (or \
                                AZURE_ENVIRONMENT_FILEPATH) names, with keyVaultDNSSuffix, \
                                keyVaultEndpoint and activeDirectoryEndpoint; it must be mounted into \
                                the provider's container"
                .to_owned(),
        }
    }
}

impl Cloud {
    /// All names that [`by_name`](Self::by_name) knows, in upper case.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CLOUDS.iter().flat_map(|(names, ..)| names.iter().copied()).chain([CUSTOM])
    }

    /// Finds a cloud by its name, in any case. `file` describes the cloud `AzureStackCloud`; it is read
    /// each time, so a changed file takes effect at the next mount.
    ///
    /// # Errors
    /// When the name is unknown or the file cannot be used.
    pub async fn by_name(name: &str, file: Option<PathBuf>) -> Result<Self, CloudError> {
        let upper = name.to_uppercase();
        if upper == CUSTOM {
            return Ok(file::read(file.as_deref().unwrap_or(Path::new(""))).await?);
        }
        let known = CLOUDS.iter().find(|(names, ..)| names.contains(&upper.as_str()));
        let (_, suffix, authority) = known.ok_or(CloudError::Unknown(upper))?;
        Ok(Self {
            vault_suffix: (*suffix).to_owned(),
            vault_resource: format!("https://{suffix}"),
            authority: (*authority).to_owned(),
        })
    }

    /// The resource that a token for `vault_host` is asked for, if this cloud knows one that may be
    /// used with it: a token must not go to a host outside the resource it was issued for.
    #[must_use]
    pub fn resource_for(&self, vault_host: &str) -> Option<&str> {
        let resource = self.vault_resource.as_str();
        resource_covers(resource, vault_host).then_some(resource)
    }
}

/// Whether `host` lies under the host of `resource` (`kv.vault.azure.net` under
/// `https://vault.azure.net`).
#[must_use]
pub fn resource_covers(resource: &str, host: &str) -> bool {
    let Ok(url) = Url::parse(resource) else { return false };
    let Some(parent) = url.host_str() else { return false };
    host.strip_suffix(parent).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_in_any_case_and_their_aliases() {
        for (name, suffix, authority) in [
            ("AzurePublicCloud", "vault.azure.net", "https://login.microsoftonline.com/"),
            ("AZURECLOUD", "vault.azure.net", "https://login.microsoftonline.com/"),
            ("azureusgovernmentcloud", "vault.usgovcloudapi.net", "https://login.microsoftonline.us/"),
            ("AzureUSGovernment", "vault.usgovcloudapi.net", "https://login.microsoftonline.us/"),
            ("AzureChinaCloud", "vault.azure.cn", "https://login.chinacloudapi.cn/"),
            ("AzureGermanCloud", "vault.microsoftazure.de", "https://login.microsoftonline.de/"),
        ] {
            let cloud = Cloud::by_name(name, None).await.expect("a cloud");
            assert_eq!((cloud.vault_suffix.as_str(), cloud.authority.as_str()), (suffix, authority));
            assert_eq!(cloud.vault_resource, format!("https://{suffix}"));
        }
    }

    #[tokio::test]
    async fn an_unknown_name_is_shown_as_it_was_looked_up() {
        assert_eq!(
            Cloud::by_name("AzureWrongCloud", None).await.expect_err("an error").to_string(),
            "autorest/azure: There is no cloud environment matching the name \"AZUREWRONGCLOUD\""
        );
    }

    #[test]
    fn resources_cover_their_subdomains_only() {
        for (resource, host, covered) in [
            ("https://vault.azure.net", "kv.vault.azure.net", true),
            ("https://vault.azure.net", "vault.azure.net", false),
            ("https://vault.azure.net", "evilvault.azure.net", false),
            ("https://vault.azure.net", "kv.vault.azure.net.evil", false),
            ("", "kv.vault.azure.net", false),
            ("N/A", "kv.vault.azure.net", false),
        ] {
            assert_eq!(resource_covers(resource, host), covered, "{resource} {host}");
        }
    }
}

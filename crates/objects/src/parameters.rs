//! The parameters of a SecretProviderClass for Azure, with what kubelet adds.

mod table;

use std::fmt;

pub use table::PARAMETERS;

use keymount_sensitive::SecretString;

use crate::go_text::quote;
use crate::reason::Reason;
use crate::request::Attributes;

/// The parameters of one mount, checked as far as that needs neither a file nor a credential.
///
/// What is empty was not given. The rest of the checks follows where upstream has it: the cloud, the
/// credential, then [`parse_objects`](crate::parse_objects) and [`VaultName`](crate::VaultName).
pub struct Parameters {
    /// The pod that mounts.
    pub pod: Pod,
    /// Which identity to use.
    pub identity: IdentityMode,
    /// `keyvaultName` as given.
    pub vault_name: String,
    /// `tenantID`, or the older `tenantId`.
    pub tenant_id: String,
    /// `cloudName`; empty for the provider's default.
    pub cloud_name: String,
    /// `cloudEnvFileName`, the file that describes a custom cloud.
    pub cloud_env_file: String,
    /// `clientID` of a workload identity or an identity binding.
    pub client_id: String,
    /// `userAssignedIdentityID`; empty for the system-assigned identity.
    pub user_assigned_identity_id: String,
    /// Service account tokens by audience, as kubelet's JSON.
    pub service_account_tokens: SecretString,
    /// `objects`, the YAML text.
    pub objects: String,
}

/// The pod a volume belongs to, as kubelet tells it (`podInfoOnMount`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// UID; empty when not told.
    pub uid: String,
    /// Name of its service account; empty when not told.
    pub service_account: String,
}

/// Which identity reads the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityMode {
    /// Workload identity or a service principal, whichever the credentials allow.
    None,
    /// AAD pod identity (NMI).
    PodIdentity,
    /// The managed identity of the node.
    VmManagedIdentity,
    /// Identity binding through the Azure token proxy.
    AzureTokenProxy,
}

impl fmt::Display for IdentityMode {
    /// The name upstream's error texts use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::PodIdentity => "PodIdentity",
            Self::VmManagedIdentity => "VMManagedIdentity",
            Self::AzureTokenProxy => "AzureTokenProxy",
        })
    }
}

impl Parameters {
    /// Checks in upstream's order: pod, flags, vault, tenant.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn from_attributes(attributes: &Attributes) -> Result<Self, ParametersError> {
        let get = |key| attributes.get(key).to_owned();
        let pod = Pod {
            name: get("csi.storage.k8s.io/pod.name"),
            namespace: get("csi.storage.k8s.io/pod.namespace"),
            uid: get("csi.storage.k8s.io/pod.uid"),
            service_account: get("csi.storage.k8s.io/serviceAccount.name"),
        };
        if pod.name.is_empty() {
            return Err(ParametersError::PodName);
        }
        if pod.namespace.is_empty() {
            return Err(ParametersError::PodNamespace);
        }
        let identity = identity_mode(attributes)?;
        let vault_name = get("keyvaultName");
        if vault_name.is_empty() {
            return Err(ParametersError::VaultName);
        }
        let tenant_id = match get("tenantID") {
            tenant if tenant.is_empty() => get("tenantId"),
            tenant => tenant,
        };
        if tenant_id.is_empty() {
            return Err(ParametersError::Tenant);
        }
        Ok(Self {
            pod,
            identity,
            vault_name,
            tenant_id,
            cloud_name: get("cloudName"),
            cloud_env_file: get("cloudEnvFileName"),
            client_id: get("clientID"),
            user_assigned_identity_id: get("userAssignedIdentityID"),
            service_account_tokens: SecretString::new(get("csi.storage.k8s.io/serviceAccount.tokens")),
            objects: get("objects"),
        })
    }
}

fn identity_mode(attributes: &Attributes) -> Result<IdentityMode, ParametersError> {
    let mut chosen = None;
    let mut conflict = false;
    for (key, mode) in [
        ("usePodIdentity", IdentityMode::PodIdentity),
        ("useVMManagedIdentity", IdentityMode::VmManagedIdentity),
        ("useAzureTokenProxy", IdentityMode::AzureTokenProxy),
    ] {
        if flag(key, attributes.get(key))? {
            conflict |= chosen.replace(mode).is_some();
        }
    }
    if conflict {
        return Err(ParametersError::IdentityModes);
    }
    Ok(chosen.unwrap_or(IdentityMode::None))
}

/// The spellings of Go's `strconv.ParseBool`; empty is false.
fn flag(key: &'static str, value: &str) -> Result<bool, ParametersError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ParametersError::Flag { key, value: quote(value) }),
    }
}

/// What is wrong with the parameters. `Display` is upstream's [`text`](Self::text) and, on a line of its
/// own, the [`hint`](Self::hint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParametersError {
    /// No pod name.
    PodName,
    /// No pod namespace.
    PodNamespace,
    /// Not a boolean.
    Flag {
        /// The parameter.
        key: &'static str,
        /// Its value in quotes.
        value: String,
    },
    /// Two modes or more.
    IdentityModes,
    /// No vault name.
    VaultName,
    /// No tenant.
    Tenant,
}

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.text(), self.hint())
    }
}

impl std::error::Error for ParametersError {}

impl ParametersError {
    /// The text without the hint.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::PodName => "pod name is not provided".into(),
            Self::PodNamespace => "pod namespace is not provided".into(),
            Self::Flag { key, value } => {
                format!(
                    "failed to parse {key} flag, error: strconv.ParseBool: parsing {value}: invalid syntax"
                )
            }
            Self::IdentityModes => "only one identity mode can be enabled at a time: usePodIdentity, \
                                    useVMManagedIdentity, or useAzureTokenProxy"
                .into(),
            Self::VaultName => "keyvaultName is not provided".into(),
            Self::Tenant => "tenantId is not provided".into(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::PodName | Self::PodNamespace => Reason::PodUnknown,
            Self::Flag { .. } => Reason::InvalidFlag,
            Self::IdentityModes => Reason::IdentityModeConflict,
            Self::VaultName => Reason::VaultNameMissing,
            Self::Tenant => Reason::TenantMissing,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::PodName | Self::PodNamespace => {
                "the CSIDriver object secrets-store.csi.k8s.io needs spec.podInfoOnMount: true"
            }
            Self::Flag { .. } => "write \"true\" or \"false\" in the SecretProviderClass",
            Self::IdentityModes => {
                "keep one of the three parameters in the SecretProviderClass; none of them means workload \
                 identity or a service principal"
            }
            Self::VaultName => {
                "set parameters.keyvaultName in the SecretProviderClass to the vault's name, not its URL"
            }
            Self::Tenant => "set parameters.tenantID in the SecretProviderClass to the vault's Entra tenant",
        }
    }
}

#[cfg(test)]
mod tests;

//! What is in the cloud.

use keymount_emulator::vault::{CertificateSpec, KeyType};

/// Suffix of vaults, without the port.
pub(crate) const VAULT_SUFFIX: &str = "vault.keymount.test";
/// Host of the authority.
pub(crate) const AUTHORITY: &str = "login.keymount.test";
/// Name of the vault.
pub(crate) const VAULT: &str = "soak";
/// Client id of the application that the service account `default/default` may be.
pub(crate) const APPLICATION: &str = "7e9a0000-0000-4000-8000-0000000000a2";
/// Client id of the machine's managed identity.
pub(crate) const MACHINE: &str = "7e9a0000-0000-4000-8000-0000000000a4";

/// Identities, and a vault that both may read.
pub(crate) const SEED: &str = "
identities:
  - clientId: 7e9a0000-0000-4000-8000-0000000000a2
    federated:
      - issuer: https://kubernetes.default.svc.cluster.local
        subject: system:serviceaccount:default:default
        keys: cluster
  - kind: userAssigned
    clientId: 7e9a0000-0000-4000-8000-0000000000a4
    resourceId: /subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/m
vaults:
  - name: soak
";

/// A new certificate with a new key, as PEM.
pub(crate) fn certificate() -> CertificateSpec {
    let key = KeyType { kty: "EC".to_owned(), size: None, curve: Some("P-256".to_owned()) };
    CertificateSpec { key, pem: true, ..CertificateSpec::new("site") }
}

//! The parameters that a class for Azure may have, for checks and for the documentation.

/// Name and meaning of every parameter that is read; others are ignored.
pub const PARAMETERS: [(&str, &str); 11] = [
    ("keyvaultName", "name of the vault, without its domain; required"),
    (
        "objects",
        "what the volume holds, as YAML in a string: see [the objects of a class](../azure-objects.md). Without it the volume is empty",
    ),
    ("tenantID", "id of the Entra tenant that the vault trusts; required"),
    ("tenantId", "the older spelling of `tenantID`; read where that is missing or empty"),
    (
        "clientID",
        "application (client) id of the identity to be with workload identity or an identity binding; without it and without the other identity parameters the class needs nodePublishSecretRef",
    ),
    ("useVMManagedIdentity", "`\"true\"`: read the vault with the managed identity of the node"),
    (
        "userAssignedIdentityID",
        "which of the node's identities: a client id, a resource id (`/subscriptions/…`) or `objectID:<id>`; empty is the system-assigned one. Only with `useVMManagedIdentity`",
    ),
    ("usePodIdentity", "`\"true\"`: AAD pod identity, which is deprecated"),
    (
        "useAzureTokenProxy",
        "`\"true\"`: exchange the pod's token through the cluster's token proxy (identity bindings of AKS)",
    ),
    (
        "cloudName",
        "`AzurePublicCloud`, `AzureUSGovernmentCloud`, `AzureChinaCloud`, `AzureGermanCloud` or `AzureStackCloud`; without it that of the provider's `--cloud-name`",
    ),
    (
        "cloudEnvFileName",
        "path, in the provider's container, of the file that describes a custom cloud (`AzureStackCloud`)",
    ),
];

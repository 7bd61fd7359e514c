//! Codes that only `keymount lint` gives.

use super::row;
use crate::Row;

pub(crate) const LINT: &[Row] = &[
    row(
        "FileInvalidYaml",
        "A file that is no YAML at all, or a template that was not rendered.",
        "error[FileInvalidYaml]: not YAML: did not find expected node content",
    ),
    row(
        "DeprecatedVersion",
        "The class was written for driver v0.x.",
        "warning[DeprecatedVersion]: v1alpha1 of SecretProviderClass is deprecated",
    ),
    row(
        "UnknownVersionOfApi",
        "The version is misspelled.",
        "error[UnknownVersionOfApi]: no driver reads SecretProviderClasses of secrets-store.csi.x-k8s.io/v2",
    ),
    row(
        "InvalidName",
        "Capitals or underscores in metadata.name.",
        "error[InvalidName]: metadata.name is missing, or is no name that Kubernetes takes",
    ),
    row(
        "UnknownField",
        "A misspelled field: the API server drops it without a word.",
        "error[UnknownField]: unknown field, which the API server drops: secretObject",
    ),
    row("ProviderNotSet", "spec.provider is missing.", "error[ProviderNotSet]: provider is not set"),
    row(
        "ProviderInvalid",
        "spec.provider is no name that a socket can have.",
        "error[ProviderInvalid]: no provider can have this name",
    ),
    row("ParametersNotSet", "spec.parameters is missing.", "error[ParametersNotSet]: parameters are not set"),
    row(
        "ParameterNotString",
        "true and false without quotes: the API server refuses the class.",
        "error[ParameterNotString]: parameters.useVMManagedIdentity is not a string; the API server takes strings only",
    ),
    row(
        "UnknownParameter",
        "A misspelled parameter: the provider ignores it without a word.",
        "error[UnknownParameter]: unknown parameter, which the provider ignores: keyVaultName",
    ),
    row(
        "UnknownObjectField",
        "A misspelled field of an object: the provider ignores it without a word.",
        "error[UnknownObjectField]: unknown field in objects, which the provider ignores: objectname",
    ),
    row(
        "TenantNotGuid",
        "A display name instead of the tenant's id.",
        "warning[TenantNotGuid]: tenantID is neither a GUID nor a domain",
    ),
    row(
        "PodIdentityDeprecated",
        "The class was written for AAD pod identity, which has ended.",
        "warning[PodIdentityDeprecated]: pod identity is deprecated, and no longer maintained",
    ),
    row(
        "UserAssignedIdentityUnused",
        "The flag that makes it count is missing.",
        "warning[UserAssignedIdentityUnused]: userAssignedIdentityID has no effect without useVMManagedIdentity: \"true\"",
    ),
    row(
        "ClientIdUnused",
        "clientID is for workload identity, and the class uses the node's identity.",
        "warning[ClientIdUnused]: clientID has no effect with useVMManagedIdentity",
    ),
    row(
        "ClientIdIsTenant",
        "The two ids were taken for each other.",
        "error[ClientIdIsTenant]: this is the id of the tenant",
    ),
    row(
        "ClientIdNotGuid",
        "The name of the identity instead of its client id.",
        "warning[ClientIdNotGuid]: this is no client id, which is a GUID",
    ),
    row(
        "ClientIdOfAnotherAccount",
        "The object id instead of the client id, or the identity of another workload.",
        "warning[ClientIdOfAnotherAccount]: clientID of the class web is not the client id of the service account web",
    ),
    row(
        "CertificateHasNoKey",
        "objectType: cert gives the certificate only.",
        "error[CertificateHasNoKey]: an object of type cert has no private key",
    ),
    row(
        "SecretKeysMissing",
        "A TLS Secret needs tls.crt and tls.key, a pull secret .dockerconfigjson.",
        "error[SecretKeysMissing]: a Secret of type kubernetes.io/tls needs the key tls.key",
    ),
    row(
        "UnusualSecretType",
        "The type is misspelled; Kubernetes takes any type.",
        "warning[UnusualSecretType]: the type kubernetes.io/tsl is not kubernetes.io/tls",
    ),
    row(
        "SecretTwice",
        "Two secretObjects of one name.",
        "error[SecretTwice]: the Secret site is made twice in this class",
    ),
    row(
        "ClassTwice",
        "A copy whose name was not changed.",
        "error[ClassTwice]: there are two classes default/web",
    ),
    row(
        "ClassNotSet",
        "volumeAttributes.secretProviderClass is missing or misspelled.",
        "error[ClassNotSet]: the volume names no class",
    ),
    row(
        "ClassInOtherNamespace",
        "The class was applied in another namespace than the pod.",
        "error[ClassInOtherNamespace]: the class web is in the namespace other, the pod in default",
    ),
    row(
        "ClassNotFound",
        "The name in the pod is misspelled.",
        "warning[ClassNotFound]: no class wep is among the files",
    ),
    row(
        "VolumeNotReadOnly",
        "readOnly is missing in the csi volume.",
        "error[VolumeNotReadOnly]: the volume is not read-only, and the driver mounts no other",
    ),
    row(
        "SubPathNotUpdated",
        "Kubernetes binds the file of the moment the container starts.",
        "warning[SubPathNotUpdated]: a file mounted by subPath stays as it is when the secret rotates",
    ),
    row(
        "SecretOfUnmountedClass",
        "A pod that only reads the Secret and does not mount the class.",
        "warning[SecretOfUnmountedClass]: the Secret site is made by the class web, which this pod does not mount",
    ),
];

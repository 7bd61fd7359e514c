//! The rules, with a stable code each.

use keymount_objects::Reason;

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $code:literal: $meaning:literal, $remedy:literal;)*) => {
        /// What is wrong. Where a mount would fail for it, the code is the reason that the mount's error has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)*
            /// What the Azure provider says of `objects`.
            Provider(Reason),
        }

        impl Rule {
            /// All rules of this crate; [`Rule::Provider`] has the reasons of another.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// The code: stable, in CamelCase.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$rule => $code,)*
                    Self::Provider(reason) => reason.as_str(),
                }
            }

            /// What is wrong.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$rule => $meaning,)*
                    Self::Provider(_) => "objects cannot be used",
                }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$rule => $remedy,)*
                    Self::Provider(_) => "see the example of a class in the documentation",
                }
            }
        }
    };
}

rules! {
    /// A file that is no YAML.
    FileInvalidYaml = "FileInvalidYaml": "the file is not YAML",
        "correct the line; templates have to be rendered first, as in `helm template … | keymount lint -`";
    /// An old version of the API.
    DeprecatedVersion = "DeprecatedVersion": "v1alpha1 of SecretProviderClass is deprecated",
        "write apiVersion: secrets-store.csi.x-k8s.io/v1; the fields are the same";
    /// A version of the API that does not exist.
    UnknownVersionOfApi = "UnknownVersionOfApi": "no driver reads this version",
        "write apiVersion: secrets-store.csi.x-k8s.io/v1";
    /// A name that no object can have.
    InvalidObjectNameOfKubernetes = "InvalidName": "metadata.name is missing, or is no name that Kubernetes takes",
        "use lower-case letters, digits, `-` and `.`";
    /// A field that nobody reads.
    UnknownField = "UnknownField": "unknown field, which the API server drops",
        "correct its name, or leave it out";
    /// `spec.provider` is missing.
    ProviderNotSet = "ProviderNotSet": "provider is not set",
        "set spec.provider, for example to azure";
    /// `spec.provider` is no provider's name.
    ProviderInvalid = "ProviderInvalid": "no provider can have this name",
        "spec.provider is 1 to 30 letters, digits, `-` or `_`, as the provider's socket is called";
    /// `spec.parameters` is missing.
    ParametersNotSet = "ParametersNotSet": "parameters are not set",
        "set spec.parameters as the provider's documentation says";
    /// A parameter that is no string.
    ParameterNotString = "ParameterNotString": "a parameter is not a string",
        "put it in quotes";
    /// A parameter that the provider does not read.
    UnknownParameter = "UnknownParameter": "unknown parameter, which the provider ignores",
        "correct its name, or leave it out";
    /// A field of an object that the provider does not read.
    UnknownObjectField = "UnknownObjectField": "unknown field in objects, which the provider ignores",
        "correct its name, or leave it out";
    /// Neither true nor false.
    InvalidFlag = "InvalidFlag": "a flag is neither true nor false",
        "write \"true\" or \"false\"";
    /// More than one way to authenticate.
    IdentityModeConflict = "IdentityModeConflict":
        "only one of usePodIdentity, useVMManagedIdentity and useAzureTokenProxy can be true",
        "keep one of them; none of them means workload identity or a service principal";
    /// The vault's name is missing.
    VaultNameMissing = "VaultNameMissing": "keyvaultName is not provided",
        "set keyvaultName to the vault's name, not its URL";
    /// A name that no vault has.
    InvalidVaultName = "InvalidVaultName": "no vault can have this name",
        "keyvaultName is 3 to 24 letters, digits and hyphens: the first part of the vault's host name";
    /// The tenant is missing.
    TenantMissing = "TenantMissing": "tenantId is not provided",
        "set tenantID to the id of the vault's Entra tenant: `az account show --query tenantId`";
    /// The tenant looks wrong.
    TenantNotGuid = "TenantNotGuid": "tenantID is neither a GUID nor a domain",
        "write the id of the vault's Entra tenant: `az account show --query tenantId`";
    /// The cloud does not exist.
    CloudUnknown = "CloudUnknown": "there is no cloud of this name",
        "cloudName is AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureGermanCloud or AzureStackCloud";
    /// Pod identity.
    PodIdentityDeprecated = "PodIdentityDeprecated": "pod identity is deprecated, and no longer maintained",
        "use workload identity: leave usePodIdentity out and set clientID";
    /// A managed identity that is not used.
    UserAssignedIdentityUnused = "UserAssignedIdentityUnused":
        "userAssignedIdentityID has no effect without useVMManagedIdentity: \"true\"",
        "set useVMManagedIdentity: \"true\", or use clientID for workload identity";
    /// A client id that is not used.
    ClientIdUnused = "ClientIdUnused": "clientID has no effect with useVMManagedIdentity",
        "use userAssignedIdentityID for the node's identity, or leave useVMManagedIdentity out for workload identity";
    /// The tenant's id in place of the application's.
    ClientIdIsTenant = "ClientIdIsTenant": "this is the id of the tenant",
        "write the client id of the identity: `az identity show --query clientId`";
    /// No client id.
    ClientIdNotGuid = "ClientIdNotGuid": "this is no client id, which is a GUID",
        "write the client id of the identity, not its name or its principal's object id: `az identity show --query clientId`";
    /// Another identity than the service account's.
    ClientIdOfAnotherAccount = "ClientIdOfAnotherAccount": "clientID is not that of the pod's service account",
        "an object id in place of the client id is a common mistake: compare with `az identity show --query clientId`";
    /// `objectType` is unknown.
    InvalidObjectType = "InvalidObjectType": "objectType is not one of secret, key and cert",
        "objectType is secret, key or cert, in lower case";
    /// A Secret that cannot be made.
    SecretObjectInvalid = "SecretObjectInvalid": "the Secret cannot be made",
        "a secretObject has a secretName, a type, and data with objectName and key";
    /// A file that is not in the volume.
    SecretDataMissing = "SecretDataMissing": "a file that the Secret is made of is not in the volume",
        "objectName in secretObjects is the objectAlias of an object, or its objectName if it has no alias";
    /// A certificate's file has no key.
    CertificateHasNoKey = "CertificateHasNoKey": "an object of type cert has no private key",
        "fetch it with objectType: secret, which gives the certificate with its key";
    /// A Secret lacks a key that its type demands.
    SecretKeysMissing = "SecretKeysMissing": "a key is missing that the type of the Secret demands",
        "add the key, or use type: Opaque";
    /// A type that is nearly another one.
    UnusualSecretType = "UnusualSecretType": "the type of the Secret is a misspelled one",
        "write the type that is meant";
    /// The same Secret twice.
    SecretTwice = "SecretTwice": "a Secret is made twice in this class",
        "put all keys into one secretObject, or give it another secretName";
    /// The same Secret of two classes.
    SecretOfTwoClasses = "SecretOfAnotherClass": "two classes of a namespace make the same Secret",
        "give one of them another secretName: the driver refuses the class that comes second";
    /// Two classes of one name.
    ClassTwice = "ClassTwice": "there are two classes of one name",
        "rename one of them: the one applied last wins";
    /// The volume names no class.
    ClassNotSet = "ClassNotSet": "the volume names no class",
        "set volumeAttributes.secretProviderClass";
    /// The class is in another namespace.
    ClassInOtherNamespace = "ClassInOtherNamespace": "the class is in another namespace",
        "a class serves pods of its own namespace: make one of this name there";
    /// The class is not among the files.
    ClassNotFound = "ClassNotFound": "the class is not among the files",
        "correct its name";
    /// The volume is writable.
    VolumeNotReadOnly = "VolumeNotReadOnly": "the volume is not read-only, and the driver mounts no other",
        "set readOnly: true in the csi volume";
    /// A file of which rotations are not seen.
    SubPathNotUpdated = "SubPathNotUpdated": "a file mounted by subPath stays as it is when the secret rotates",
        "mount the whole volume, and let the application read the file in it";
    /// A Secret that may not be there.
    SecretOfUnmountedClass = "SecretOfUnmountedClass": "the Secret is there only while a pod mounts its class",
        "mount the class in this pod too";
}

impl Rule {
    /// The rule for a reason of the provider: the one of that code, if there is one here.
    pub(crate) fn of(reason: Reason) -> Self {
        Self::ALL
            .iter()
            .copied()
            .find(|rule| rule.code() == reason.as_str())
            .unwrap_or(Self::Provider(reason))
    }
}

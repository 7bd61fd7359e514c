//! Stable codes of what can be wrong with a request.

use std::fmt;

/// What is wrong with a request, as a code that programs may compare and that stays the same when
/// texts improve. Spelled like the reasons of Kubernetes conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// `attributes`, `secrets` or `permission` of the RPC is not the JSON it should be.
    MalformedRequest,
    /// The pod's name or namespace is missing.
    PodUnknown,
    /// A flag is not a boolean.
    InvalidFlag,
    /// More than one identity mode is on.
    IdentityModeConflict,
    /// `keyvaultName` is missing.
    VaultNameMissing,
    /// `keyvaultName` breaks the rules for vault names.
    InvalidVaultName,
    /// `tenantID` is missing.
    TenantMissing,
    /// `objects` is missing.
    ObjectsMissing,
    /// `objects`, or one object in it, is not YAML.
    InvalidYaml,
    /// A YAML value has the wrong type, or a key stands twice.
    WrongYamlType,
    /// A bound on size, nesting or number was hit.
    LimitExceeded,
    /// `objectFormat` is unknown, or does not fit the object's type.
    InvalidObjectFormat,
    /// `objectEncoding` is unknown, or does not fit the object's type.
    InvalidObjectEncoding,
    /// The object's file name is missing, or leads out of the volume.
    InvalidFileName,
    /// `filePermission` is not an octal number of at most 07777.
    InvalidFilePermission,
    /// Two objects write one file, or one's file is the other's directory.
    FileConflict,
    /// `objectVersion` is not among the versions of the object.
    UnknownVersion,
    /// Two fields that cannot both be given, or one that does not fit the object's type.
    ContradictingFields,
    /// `objectNamePattern` is no pattern.
    InvalidSelector,
    /// `jsonPath` has a field or a path that it cannot have.
    InvalidJsonPath,
    /// `pemFiles` names a part that does not exist.
    InvalidPemPart,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::MalformedRequest,
        Self::PodUnknown,
        Self::InvalidFlag,
        Self::IdentityModeConflict,
        Self::VaultNameMissing,
        Self::InvalidVaultName,
        Self::TenantMissing,
        Self::ObjectsMissing,
        Self::InvalidYaml,
        Self::WrongYamlType,
        Self::LimitExceeded,
        Self::InvalidObjectFormat,
        Self::InvalidObjectEncoding,
        Self::InvalidFileName,
        Self::InvalidFilePermission,
        Self::FileConflict,
        Self::UnknownVersion,
        Self::ContradictingFields,
        Self::InvalidSelector,
        Self::InvalidJsonPath,
        Self::InvalidPemPart,
    ];

    /// The code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "MalformedRequest",
            Self::PodUnknown => "PodUnknown",
            Self::InvalidFlag => "InvalidFlag",
            Self::IdentityModeConflict => "IdentityModeConflict",
            Self::VaultNameMissing => "VaultNameMissing",
            Self::InvalidVaultName => "InvalidVaultName",
            Self::TenantMissing => "TenantMissing",
            Self::ObjectsMissing => "ObjectsMissing",
            Self::InvalidYaml => "InvalidYaml",
            Self::WrongYamlType => "WrongYamlType",
            Self::LimitExceeded => "LimitExceeded",
            Self::InvalidObjectFormat => "InvalidObjectFormat",
            Self::InvalidObjectEncoding => "InvalidObjectEncoding",
            Self::InvalidFileName => "InvalidFileName",
            Self::InvalidFilePermission => "InvalidFilePermission",
            Self::FileConflict => "FileConflict",
            Self::UnknownVersion => "UnknownVersion",
            Self::ContradictingFields => "ContradictingFields",
            Self::InvalidSelector => "InvalidSelector",
            Self::InvalidJsonPath => "InvalidJsonPath",
            Self::InvalidPemPart => "InvalidPemPart",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

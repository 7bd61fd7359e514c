//! Stable reasons of failed mounts: what programs compare, metrics count and the documentation explains.

use std::fmt;

use keymount_identity::{CloudError, TokenReason};
use keymount_keyvault::{VaultError, VaultReason};

use crate::content::ContentError;
use crate::error::MountError;
use crate::login::ClientError;
use crate::mount::SelectionProblem;

/// Why a mount failed, as a code that stays the same when texts improve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Something in the request or in the class.
    Request(keymount_objects::Reason),
    /// No cloud of this name.
    CloudUnknown,
    /// The custom cloud's file cannot be used.
    CloudFileUnusable,
    /// The credential that the identity mode needs is not there.
    CredentialMissing,
    /// The tenant, the authority or the machine cannot have this credential.
    CredentialUnusable,
    /// The cluster's token proxy cannot be found.
    TokenProxyUnavailable,
    /// No token.
    Token(TokenReason),
    /// The vault.
    Vault(VaultReason),
    /// `objectType` is unknown.
    InvalidObjectType,
    /// A selector means no object.
    NothingSelected,
    /// A selector means too many objects.
    TooManySelected,
    /// The object's content cannot be converted.
    ContentUnusable,
    /// The object's value is not encoded as `objectEncoding` says.
    EncodingMismatch,
    /// The volume's files are too large in all.
    VolumeTooLarge,
}

impl Reason {
    pub(crate) fn of(error: &MountError) -> Self {
        match error {
            MountError::Request(error) => Self::Request(error.reason()),
            MountError::Parameters(error) => Self::Request(error.reason()),
            MountError::Cloud { error: CloudError::Unknown(_), .. } => Self::CloudUnknown,
            MountError::Cloud { .. } | MountError::VaultAddress => Self::CloudFileUnusable,
            MountError::Auth { .. } => Self::CredentialMissing,
            MountError::Objects(error) => Self::Request(error.reason()),
            MountError::VaultName(error) => Self::Request(error.reason()),
            MountError::Client(ClientError::Binding(_)) => Self::TokenProxyUnavailable,
            MountError::Client(_) => Self::CredentialUnusable,
            MountError::List(error) | MountError::Fetch { error, .. } => Self::of_vault(error),
            MountError::Password { error, .. } => Self::of_vault(error),
            MountError::Version(error) => Self::Request(error.reason()),
            MountError::Type { .. } => Self::InvalidObjectType,
            MountError::Selection { problem: SelectionProblem::Nothing, .. } => Self::NothingSelected,
            MountError::Selection { .. } => Self::TooManySelected,
            MountError::Content { error: ContentError::Encoding(_), .. } => Self::EncodingMismatch,
            MountError::Content { .. } => Self::ContentUnusable,
            MountError::TooLarge { .. } => Self::VolumeTooLarge,
        }
    }

    fn of_vault(error: &VaultError) -> Self {
        match error.reason() {
            VaultReason::Token(reason) => Self::Token(reason),
            reason => Self::Vault(reason),
        }
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Request(reason) => reason.as_str(),
            Self::CloudUnknown => "CloudUnknown",
            Self::CloudFileUnusable => "CloudFileUnusable",
            Self::CredentialMissing => "CredentialMissing",
            Self::CredentialUnusable => "CredentialUnusable",
            Self::TokenProxyUnavailable => "TokenProxyUnavailable",
            Self::Token(reason) => token(reason),
            Self::Vault(reason) => vault(reason),
            Self::InvalidObjectType => "InvalidObjectType",
            Self::NothingSelected => "NothingSelected",
            Self::TooManySelected => "TooManySelected",
            Self::ContentUnusable => "ContentUnusable",
            Self::EncodingMismatch => "EncodingMismatch",
            Self::VolumeTooLarge => "VolumeTooLarge",
        }
    }
}

/// One entry of the error catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The code.
    pub code: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

/// Every reason this crate and those of tokens and vaults have, for the documentation. The reasons of
/// requests and classes are [`keymount_objects::Reason`]'s.
#[must_use]
pub fn catalogue() -> Vec<CatalogueEntry> {
    let entry = |reason: Reason, meaning, fix| CatalogueEntry { code: reason.code(), meaning, fix };
    let tokens = TokenReason::ALL.map(|reason| entry(Reason::Token(reason), reason.meaning(), reason.hint()));
    let vaults = VaultReason::ALL.map(|reason| entry(Reason::Vault(reason), reason.meaning(), reason.hint()));
    let own = [
        (
            Reason::CloudUnknown,
            "There is no cloud of this name",
            "cloudName is AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud, AzureGermanCloud or \
             AzureStackCloud",
        ),
        (
            Reason::CloudFileUnusable,
            "The file that describes the custom cloud cannot be used",
            "mount the file that cloudEnvFileName names into the provider's container, with \
             keyVaultDNSSuffix, keyVaultEndpoint and activeDirectoryEndpoint",
        ),
        (
            Reason::CredentialMissing,
            "What the identity mode needs is not there",
            "set clientID for workload identity, useVMManagedIdentity for the node's identity, or \
             nodePublishSecretRef for a service principal",
        ),
        (
            Reason::CredentialUnusable,
            "Tenant, authority or machine cannot have this credential",
            "check tenantID and the custom cloud's activeDirectoryEndpoint",
        ),
        (
            Reason::TokenProxyUnavailable,
            "The cluster's token proxy for identity bindings cannot be found",
            "check that the provider reaches the API server, or give --token-proxy-url and --sni-name",
        ),
        (
            Reason::InvalidObjectType,
            "objectType is not one of those there are",
            "objectType is secret, key or cert, in lower case",
        ),
        (
            Reason::NothingSelected,
            "No enabled object of the vault matches objectNamePattern and tags",
            SelectionProblem::Nothing.fix(),
        ),
        (
            Reason::TooManySelected,
            "More objects match objectNamePattern and tags than one entry may have",
            SelectionProblem::TooMany(0).fix(),
        ),
        (
            Reason::ContentUnusable,
            "What the vault holds cannot be converted",
            "check the certificate's content type, or the key's type, in the vault",
        ),
        (
            Reason::EncodingMismatch,
            "The value is not encoded as objectEncoding says",
            "objectEncoding says how the value is encoded in the vault; leave it out for plain text",
        ),
        (
            Reason::VolumeTooLarge,
            "The files of the volume are too large in all",
            "split the SecretProviderClass over several volumes",
        ),
    ];
    let own = own.map(|(reason, meaning, fix)| entry(reason, meaning, fix));
    own.into_iter().chain(tokens).chain(vaults).collect()
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

const fn token(reason: TokenReason) -> &'static str {
    match reason {
        TokenReason::FederationMissing => "TokenFederationMissing",
        TokenReason::AssertionExpired => "TokenAssertionExpired",
        TokenReason::ApplicationNotFound => "TokenApplicationNotFound",
        TokenReason::TenantNotFound => "TokenTenantNotFound",
        TokenReason::SecretInvalid => "TokenSecretInvalid",
        TokenReason::SecretExpired => "TokenSecretExpired",
        TokenReason::IdentityNotAssigned => "TokenIdentityNotAssigned",
        TokenReason::Throttled => "TokenThrottled",
        TokenReason::IssuerUnavailable => "TokenIssuerUnavailable",
        TokenReason::Refused => "TokenRefused",
        TokenReason::Dns => "TokenIssuerNotResolved",
        TokenReason::Connect => "TokenIssuerUnreachable",
        TokenReason::Tls => "TokenIssuerUntrusted",
        TokenReason::Proxy => "TokenProxyFailed",
        TokenReason::Timeout => "TokenIssuerTimeout",
        TokenReason::Malformed => "TokenMalformed",
        TokenReason::ArcAgent => "TokenArcAgentFailed",
    }
}

const fn vault(reason: VaultReason) -> &'static str {
    match reason {
        VaultReason::Token(reason) => token(reason),
        VaultReason::Unauthorized => "VaultUnauthorized",
        VaultReason::WrongTenant => "VaultWrongTenant",
        VaultReason::AccessPolicy => "VaultForbiddenByPolicy",
        VaultReason::Rbac => "VaultForbiddenByRbac",
        VaultReason::Firewall => "VaultForbiddenByFirewall",
        VaultReason::PrivateLink => "VaultForbiddenByConnection",
        VaultReason::Disabled => "ObjectDisabled",
        VaultReason::Forbidden => "VaultForbidden",
        VaultReason::NotFound => "ObjectNotFound",
        VaultReason::BadRequest => "VaultBadRequest",
        VaultReason::Throttled => "VaultThrottled",
        VaultReason::ServerError => "VaultServerError",
        VaultReason::Redirected => "VaultRedirected",
        VaultReason::Unexpected => "VaultUnexpectedStatus",
        VaultReason::Dns => "VaultNotResolved",
        VaultReason::Connect => "VaultUnreachable",
        VaultReason::Tls => "VaultUntrusted",
        VaultReason::Proxy => "VaultProxyFailed",
        VaultReason::Timeout => "VaultTimeout",
        VaultReason::Malformed => "VaultMalformedAnswer",
        VaultReason::Suspicious => "VaultSuspiciousAnswer",
        VaultReason::InvalidName => "InvalidObjectName",
        VaultReason::Crowded => "VaultCrowded",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_explained() {
        let catalogue = catalogue();
        let codes: HashSet<_> = catalogue.iter().map(|entry| entry.code).collect();
        assert_eq!(codes.len(), catalogue.len());
        for entry in catalogue {
            assert!(entry.code.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", entry.code);
            assert!(entry.meaning.len() > 10 && entry.fix.len() > 20, "{}", entry.code);
        }
    }
}

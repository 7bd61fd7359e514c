//! Stable reasons of failed mounts: what programs compare, metrics count and the documentation explains.

use std::fmt;

use keymount_identity::{CloudError, TokenReason};
use keymount_keyvault::VaultReason;

use crate::content::ContentError;
use crate::error::MountError;
use crate::login::ClientError;

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
            MountError::List(error) | MountError::Fetch { error, .. } => match error.reason() {
                VaultReason::Token(reason) => Self::Token(reason),
                reason => Self::Vault(reason),
            },
            MountError::Version(error) => Self::Request(error.reason()),
            MountError::Type { .. } => Self::InvalidObjectType,
            MountError::Content { error: ContentError::Encoding(_), .. } => Self::EncodingMismatch,
            MountError::Content { .. } => Self::ContentUnusable,
            MountError::TooLarge { .. } => Self::VolumeTooLarge,
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
            Self::ContentUnusable => "ContentUnusable",
            Self::EncodingMismatch => "EncodingMismatch",
            Self::VolumeTooLarge => "VolumeTooLarge",
        }
    }
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

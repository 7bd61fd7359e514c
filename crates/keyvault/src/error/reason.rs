//! Stable names for what is wrong at a vault.

use keymount_identity::TokenReason;

use super::{Codes, hints};

/// A stable name for what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VaultReason {
    /// No token: the reason is the token's.
    Token(TokenReason),
    /// The vault does not accept the token.
    Unauthorized,
    /// The token is of another tenant than the vault's.
    WrongTenant,
    /// An access policy does not allow it.
    AccessPolicy,
    /// No role assignment allows it.
    Rbac,
    /// The vault's firewall does not know this address.
    Firewall,
    /// Public access is off and this is not a private connection.
    PrivateLink,
    /// The object is disabled.
    Disabled,
    /// Forbidden for another reason.
    Forbidden,
    /// No such object or version.
    NotFound,
    /// The vault does not understand the request: usually a name with impossible characters.
    BadRequest,
    /// The vault throttles.
    Throttled,
    /// The vault has a problem of its own.
    ServerError,
    /// The vault redirects; redirects are not followed.
    Redirected,
    /// Another status that nobody expects.
    Unexpected,
    /// The vault's name does not resolve.
    Dns,
    /// The vault cannot be connected to, or the connection broke.
    Connect,
    /// The vault's certificate is not trusted, or TLS failed otherwise.
    Tls,
    /// The proxy failed.
    Proxy,
    /// No answer in time.
    Timeout,
    /// The answer is not understood, or too large.
    Malformed,
    /// The answer points or redirects the token elsewhere.
    Suspicious,
    /// The name cannot be asked for.
    InvalidName,
    /// Too much waits for this vault.
    Crowded,
}

impl VaultReason {
    /// Every reason but those of tokens, for the error catalogue.
    pub const ALL: [Self; 23] = [
        Self::Unauthorized,
        Self::WrongTenant,
        Self::AccessPolicy,
        Self::Rbac,
        Self::Firewall,
        Self::PrivateLink,
        Self::Disabled,
        Self::Forbidden,
        Self::NotFound,
        Self::BadRequest,
        Self::Throttled,
        Self::ServerError,
        Self::Redirected,
        Self::Unexpected,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Proxy,
        Self::Timeout,
        Self::Malformed,
        Self::Suspicious,
        Self::InvalidName,
        Self::Crowded,
    ];

    /// What happened.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Token(reason) => reason.meaning(),
            Self::Unauthorized => "The vault does not accept the token",
            Self::WrongTenant => "The token is of another tenant than the vault's",
            Self::AccessPolicy => "An access policy does not allow it",
            Self::Rbac => "No role assignment allows it",
            Self::Firewall => "The vault's firewall does not know this address",
            Self::PrivateLink => "Public access is off and this is not a private connection",
            Self::Disabled => "The object is disabled",
            Self::Forbidden => "Forbidden for another reason",
            Self::NotFound => "No such object or version",
            Self::BadRequest => {
                "The vault does not understand the request: usually a name with impossible characters"
            }
            Self::Throttled => "The vault throttles",
            Self::ServerError => "The vault has a problem of its own",
            Self::Redirected => "The vault redirects; redirects are not followed",
            Self::Unexpected => "Another status that nobody expects",
            Self::Dns => "The vault's name does not resolve",
            Self::Connect => "The vault cannot be connected to, or the connection broke",
            Self::Tls => "The vault's certificate is not trusted, or TLS failed otherwise",
            Self::Proxy => "The proxy failed",
            Self::Timeout => "No answer in time",
            Self::Malformed => "The answer is not understood, or too large",
            Self::Suspicious => "The answer points or redirects the token elsewhere",
            Self::InvalidName => "The name cannot be asked for",
            Self::Crowded => "Too much waits for this vault",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Token(reason) => reason.hint(),
            other => hints::hint(other),
        }
    }
}

/// What an answer of the vault that is not 200 means.
pub(super) fn of_refusal(status: u16, codes: &Codes, text: &str) -> VaultReason {
    let inner = codes.inner.as_deref().unwrap_or_default();
    match status {
        400 => VaultReason::BadRequest,
        // The codes' texts are the only place where a wrong tenant shows.
        401 if text.contains("AKV10032") || text.contains("Invalid issuer") => VaultReason::WrongTenant,
        401 => VaultReason::Unauthorized,
        403 if inner.ends_with("Disabled") => VaultReason::Disabled,
        403 => match inner {
            "AccessDenied" | "ForbiddenByPolicy" => VaultReason::AccessPolicy,
            "ForbiddenByRbac" => VaultReason::Rbac,
            "ForbiddenByFirewall" => VaultReason::Firewall,
            "ForbiddenByConnection" => VaultReason::PrivateLink,
            _ => VaultReason::Forbidden,
        },
        404 => VaultReason::NotFound,
        429 => VaultReason::Throttled,
        300..=399 => VaultReason::Redirected,
        500.. => VaultReason::ServerError,
        _ => VaultReason::Unexpected,
    }
}

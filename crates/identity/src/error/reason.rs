//! Stable names for why there is no token.

use super::{Source, aadsts};

/// A stable name for why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenReason {
    /// No federated credential matches the service account.
    FederationMissing,
    /// The federated token has expired or is not valid yet.
    AssertionExpired,
    /// No such application in this tenant.
    ApplicationNotFound,
    /// No such tenant.
    TenantNotFound,
    /// The client secret is wrong.
    SecretInvalid,
    /// The client secret or certificate has expired.
    SecretExpired,
    /// The identity is not assigned to this machine.
    IdentityNotAssigned,
    /// The issuer throttles.
    Throttled,
    /// The issuer answered with a server error.
    IssuerUnavailable,
    /// The issuer refused for another reason.
    Refused,
    /// The issuer's name does not resolve.
    Dns,
    /// The issuer cannot be connected to.
    Connect,
    /// The issuer's certificate is not trusted or TLS failed otherwise.
    Tls,
    /// The proxy failed.
    Proxy,
    /// The issuer did not answer in time.
    Timeout,
    /// The issuer's answer is not understood.
    Malformed,
    /// The Azure Arc agent failed.
    ArcAgent,
}

impl TokenReason {
    /// Every reason, for the error catalogue.
    pub const ALL: [Self; 17] = [
        Self::FederationMissing,
        Self::AssertionExpired,
        Self::ApplicationNotFound,
        Self::TenantNotFound,
        Self::SecretInvalid,
        Self::SecretExpired,
        Self::IdentityNotAssigned,
        Self::Throttled,
        Self::IssuerUnavailable,
        Self::Refused,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Proxy,
        Self::Timeout,
        Self::Malformed,
        Self::ArcAgent,
    ];

    /// What happened.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::FederationMissing => "No federated credential matches the service account",
            Self::AssertionExpired => "The federated token has expired or is not valid yet",
            Self::ApplicationNotFound => "No such application in this tenant",
            Self::TenantNotFound => "No such tenant",
            Self::SecretInvalid => "The client secret is wrong",
            Self::SecretExpired => "The client secret or certificate has expired",
            Self::IdentityNotAssigned => "The identity is not assigned to this machine",
            Self::Throttled => "The issuer throttles",
            Self::IssuerUnavailable => "The issuer answered with a server error",
            Self::Refused => "The issuer refused for another reason",
            Self::Dns => "The issuer's name does not resolve",
            Self::Connect => "The issuer cannot be connected to",
            Self::Tls => "The issuer's certificate is not trusted or TLS failed otherwise",
            Self::Proxy => "The proxy failed",
            Self::Timeout => "The issuer did not answer in time",
            Self::Malformed => "The issuer's answer is not understood",
            Self::ArcAgent => "The Azure Arc agent failed",
        }
    }

    /// What to do about it, in general.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        aadsts::hint(self, Source::WorkloadIdentity)
    }
}

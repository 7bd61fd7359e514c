//! What Entra's numbers mean, and what to do about each reason.

use super::{Source, TokenReason};

pub(super) const fn reason(aadsts: u32) -> Option<TokenReason> {
    Some(match aadsts {
        70_021 | 700_211 | 700_212 | 700_213 | 700_223 => TokenReason::FederationMissing,
        700_024 => TokenReason::AssertionExpired,
        700_016 => TokenReason::ApplicationNotFound,
        90_002 | 90_133 => TokenReason::TenantNotFound,
        7_000_215 => TokenReason::SecretInvalid,
        7_000_222 => TokenReason::SecretExpired,
        50_196 => TokenReason::Throttled,
        _ => return None,
    })
}

pub(super) const fn hint(reason: TokenReason, source: Source) -> &'static str {
    match reason {
        TokenReason::FederationMissing => {
            "no federated credential of this client matches the pod's service account: add one with the \
             cluster's OIDC issuer, subject system:serviceaccount:<namespace>:<service account> and audience \
             api://AzureADTokenExchange (a new one takes some minutes to work)"
        }
        TokenReason::AssertionExpired => {
            "the pod's service-account token is not valid now: check the clocks of node and cluster, and that \
             the CSIDriver object has requiresRepublish and tokenRequests"
        }
        TokenReason::ApplicationNotFound => {
            "clientID is not an application or managed identity of this tenant: check clientID and tenantID"
        }
        TokenReason::TenantNotFound => "check tenantID, and cloudName if the tenant is in another cloud",
        TokenReason::SecretInvalid => {
            "the client secret in nodePublishSecretRef is wrong: it must be the secret's value, not its id"
        }
        TokenReason::SecretExpired => {
            "the client secret or certificate has expired: issue a new one and update the Secret that \
             nodePublishSecretRef names"
        }
        TokenReason::IdentityNotAssigned => {
            "the identity is not assigned to this machine: assign the user-assigned identity to the node's \
             scale set, check userAssignedIdentityID (it is the client id), or leave it empty for the \
             system-assigned identity"
        }
        TokenReason::Throttled => "the token issuer throttles this node or client: it is tried again later",
        TokenReason::IssuerUnavailable => {
            "the token issuer has a problem of its own: it is tried again later"
        }
        TokenReason::Refused => match source {
            Source::ManagedIdentity => "the metadata service refused: see its answer above",
            Source::PodIdentity => {
                "the pod identity agent refused: check AzureIdentity and AzureIdentityBinding, or move to \
                 workload identity (pod identity is deprecated)"
            }
            Source::IdentityBinding => {
                "the token proxy refused: the service account needs the verb use-managed-identity on \
                 cid.wi.aks.azure.com for this client id, and the identity a binding to this cluster"
            }
            _ => "the token issuer refused: see its answer above",
        },
        TokenReason::Dns => {
            "the issuer's name does not resolve on this node: check DNS, cloudName and the custom cloud's \
             activeDirectoryEndpoint"
        }
        TokenReason::Connect | TokenReason::Timeout => match source {
            Source::ManagedIdentity => {
                "the node has no instance metadata service, or a network policy blocks 169.254.169.254: use \
                 workload identity where nodes are no Azure machines"
            }
            Source::PodIdentity => "the pod identity agent (NMI) does not answer on this node",
            _ => {
                "the issuer cannot be reached: allow egress to it from the node (the provider uses the \
                  host's network) or set HTTPS_PROXY"
            }
        },
        TokenReason::Tls => {
            "the issuer's certificate is not trusted: add the certificate authority (a TLS-inspecting proxy has \
             its own) by SSL_CERT_FILE or SSL_CERT_DIR"
        }
        TokenReason::Proxy => "check HTTPS_PROXY and NO_PROXY of the provider",
        TokenReason::Malformed => {
            "something that is not the token issuer answered: check proxies and the configured endpoints"
        }
        TokenReason::ArcAgent => {
            "check the Azure Connected Machine agent (azcmagent show) and that its token directory is mounted \
             into the provider's container"
        }
    }
}

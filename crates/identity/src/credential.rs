//! What a mount presents to get tokens.

use std::sync::Arc;

use keymount_sensitive::SecretString;

use crate::authority::Authority;
use crate::client_certificate::ClientCertificate;
use crate::error::Source;
use crate::key::{Basis, IdentityKey, KeyMaker};
use crate::service_account::Claims;
use crate::sources::binding::TokenProxy;
use crate::sources::imds::ManagedIdentityId;

/// The pod a mount is for, as kubelet reported it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID; empty when kubelet did not say.
    pub uid: String,
    /// Its service account; empty when kubelet did not say.
    pub service_account: String,
}

/// A way to get tokens, with its secrets in custody.
pub enum Credential {
    /// A pod's service-account token, exchanged at Entra (or AD FS).
    WorkloadIdentity {
        /// Who issues the token.
        authority: Authority,
        /// The application or managed identity the pod acts as.
        client_id: String,
        /// The service-account token.
        token: SecretString,
        /// Whose token it is said to be.
        pod: Pod,
    },
    /// An application with a credential of its own.
    ServicePrincipal {
        /// Who issues the token.
        authority: Authority,
        /// The application.
        client_id: String,
        /// How it proves itself.
        proof: ClientProof,
    },
    /// An identity of the machine.
    ManagedIdentity(ManagedIdentityId),
    /// Whatever identity the node's pod identity agent gives the pod.
    PodIdentity {
        /// The pod.
        pod: Pod,
    },
    /// A pod's service-account token, exchanged at the cluster's token proxy.
    IdentityBinding {
        /// The proxy, from [`Identities::token_proxy`](crate::Identities::token_proxy).
        proxy: Arc<TokenProxy>,
        /// Who issues the token.
        authority: Authority,
        /// The managed identity that is bound to the cluster.
        client_id: String,
        /// The service-account token.
        token: SecretString,
        /// Whose token it is said to be.
        pod: Pod,
    },
}

/// How a service principal proves itself.
pub enum ClientProof {
    /// By a client secret.
    Secret(SecretString),
    /// By a certificate.
    Certificate(Box<ClientCertificate>),
}

impl Credential {
    /// Where this credential gets its tokens.
    #[must_use]
    pub const fn source(&self) -> Source {
        match self {
            Self::WorkloadIdentity { .. } => Source::WorkloadIdentity,
            Self::ServicePrincipal { .. } => Source::ServicePrincipal,
            Self::ManagedIdentity(_) => Source::ManagedIdentity,
            Self::PodIdentity { .. } => Source::PodIdentity,
            Self::IdentityBinding { .. } => Source::IdentityBinding,
        }
    }

    /// The pod's token and the pod it is said to belong to, for credentials that rest on one.
    pub(crate) const fn federated(&self) -> Option<(&SecretString, &Pod)> {
        match self {
            Self::WorkloadIdentity { token, pod, .. } | Self::IdentityBinding { token, pod, .. } => {
                Some((token, pod))
            }
            _ => None,
        }
    }

    /// The key of the identity this credential would be, if it is accepted. `claims` are those of the
    /// federated token; without them a federated credential has no key.
    pub(crate) fn key(
        &self,
        maker: &KeyMaker,
        node_endpoint: &str,
        claims: Option<&Claims>,
    ) -> Option<IdentityKey> {
        let basis = match self {
            Self::WorkloadIdentity { authority, client_id, .. } => Basis::WorkloadIdentity {
                authority: authority.parts(),
                client: client_id,
                issuer: &claims?.issuer,
                subject: &claims?.subject,
            },
            Self::ServicePrincipal { authority, client_id, proof } => Basis::ServicePrincipal {
                authority: authority.parts(),
                client: client_id,
                credential: match proof {
                    ClientProof::Secret(secret) => secret.expose().as_bytes(),
                    ClientProof::Certificate(certificate) => certificate.identity(),
                },
            },
            Self::IdentityBinding { proxy, authority, client_id, .. } => Basis::Binding {
                proxy: proxy.proxy.as_str(),
                sni: &proxy.sni,
                authority: authority.parts(),
                client: client_id,
                issuer: &claims?.issuer,
                subject: &claims?.subject,
            },
            Self::ManagedIdentity(id) => {
                let (kind, value) = id.query().unwrap_or_default();
                return Some(
                    maker.key(&Basis::Node { endpoint: node_endpoint, identity: &format!("{kind}={value}") }),
                );
            }
            Self::PodIdentity { pod } => {
                Basis::Pod { namespace: &pod.namespace, name: &pod.name, uid: &pod.uid }
            }
        };
        Some(maker.key(&basis))
    }
}

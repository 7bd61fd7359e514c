//! What a mount presents to get tokens.

use keymount_sensitive::SecretString;

use crate::authority::Authority;
use crate::error::Source;
use crate::key::{Basis, IdentityKey, KeyMaker};
use crate::service_account::Claims;
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
    /// An application with a client secret.
    ServicePrincipal {
        /// Who issues the token.
        authority: Authority,
        /// The application.
        client_id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// An identity of the machine.
    ManagedIdentity(ManagedIdentityId),
    /// Whatever identity the node's pod identity agent gives the pod.
    PodIdentity {
        /// The pod.
        pod: Pod,
    },
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
        }
    }

    /// The pod's token and the pod it is said to belong to, for credentials that rest on one.
    pub(crate) const fn federated(&self) -> Option<(&SecretString, &Pod)> {
        match self {
            Self::WorkloadIdentity { token, pod, .. } => Some((token, pod)),
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
            Self::ServicePrincipal { authority, client_id, secret } => Basis::ServicePrincipal {
                authority: authority.parts(),
                client: client_id,
                credential: secret.expose().as_bytes(),
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

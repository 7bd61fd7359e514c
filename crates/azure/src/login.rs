//! From a mount's parameters to a credential, with the checks and texts of the Go provider.
//!
//! Two steps, because upstream looks at other things between them: what the credential is
//! ([`Login::choose`]), and whether its issuer can be asked ([`Login::session`]).

use std::collections::HashMap;

use keymount_identity::{
    Authority, AuthorityError, BindingError, ClientCertificate, ClientCertificateError, ClientProof, Cloud,
    Credential, IDENTITY_BINDING_AUDIENCE, Identities, LoginError, ManagedIdentityId, Pod,
    ServiceAccountTokenError, Session, WORKLOAD_IDENTITY_AUDIENCE, token_for,
};
use keymount_objects::{IdentityMode, Parameters, PublishSecrets};
use keymount_sensitive::SecretString;
use std::sync::Arc;

/// How a mount wants to be known, with what it takes in hand.
pub(crate) enum Login {
    WorkloadIdentity { client_id: String, token: SecretString },
    ServicePrincipal { client_id: String, proof: ClientProof },
    ManagedIdentity(ManagedIdentityId),
    PodIdentity,
    IdentityBinding { client_id: String, token: SecretString },
}

/// What is missing for the identity mode. Texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Identity binding needs a client.
    #[error("clientID is required for identity binding")]
    BindingClient,
    /// Identity binding needs a token.
    #[error("service account tokens are required for identity binding")]
    BindingTokens,
    /// Identity binding needs a token of its own audience.
    #[error("failed to parse service account token for identity binding, error: {0}")]
    BindingToken(ServiceAccountTokenError),
    /// A client is named, so its token has to be there.
    #[error("failed to parse workload identity tokens, error: {0}")]
    WorkloadToken(ServiceAccountTokenError),
    /// No client, no Secret.
    #[error("failed to get credentials, nodePublishSecretRef secret is not set")]
    NoSecret,
    /// The Secret has no client.
    #[error("could not find clientid in secrets")]
    NoClientId,
    /// The Secret has no client secret.
    #[error("could not find clientsecret in secrets")]
    NoClientSecret,
    /// The Secret's certificate cannot be used.
    #[error("could not use clientcertificate in secrets: {0}")]
    ClientCertificate(#[from] ClientCertificateError),
}

impl AuthError {
    /// What to do about it.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::BindingClient => {
                "set parameters.clientID in the SecretProviderClass to the client id of the bound identity"
            }
            Self::BindingTokens | Self::BindingToken(_) => {
                "the CSIDriver object secrets-store.csi.k8s.io needs tokenRequests with the audience \
                 api://AKSIdentityBinding"
            }
            Self::WorkloadToken(_) => {
                "clientID means workload identity: the CSIDriver object secrets-store.csi.k8s.io needs \
                 tokenRequests with the audience api://AzureADTokenExchange; leave clientID out for other modes"
            }
            Self::NoSecret => {
                "set parameters.clientID for workload identity, useVMManagedIdentity: \"true\" for the node's \
                 identity, or nodePublishSecretRef in the pod's volume for a service principal"
            }
            Self::NoClientId | Self::NoClientSecret => {
                "the Secret that nodePublishSecretRef names needs the keys clientid and clientsecret"
            }
            Self::ClientCertificate(_) => {
                "clientcertificate is PEM text with the certificate and its unencrypted RSA key"
            }
        }
    }
}

/// The issuer cannot be asked. Texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Tenant or authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The cluster's token proxy.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// This machine has no such identities.
    #[error(transparent)]
    Machine(#[from] LoginError),
}

impl ClientError {
    /// What to do about it.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Authority(AuthorityError::Tenant) => {
                "tenantID is the GUID or the domain name of the vault's Entra tenant"
            }
            Self::Authority(AuthorityError::NotHttps) => {
                "activeDirectoryEndpoint in the custom cloud's file has to be an https:// URL"
            }
            Self::Binding(_) => {
                "identity binding needs AKS: check that the provider reaches the API server, or give \
                 --token-proxy-url and --sni-name"
            }
            Self::Machine(_) => "leave userAssignedIdentityID empty: an Azure Arc machine has one identity",
        }
    }
}

impl Login {
    /// Decides by the identity mode; without one, a client id means workload identity, and a Secret a
    /// service principal.
    pub(crate) fn choose(parameters: &Parameters, secrets: &PublishSecrets) -> Result<Self, AuthError> {
        let client_id = parameters.client_id.clone();
        let tokens = &parameters.service_account_tokens;
        if parameters.identity == IdentityMode::AzureTokenProxy {
            if client_id.is_empty() {
                return Err(AuthError::BindingClient);
            }
            if tokens.expose().is_empty() {
                return Err(AuthError::BindingTokens);
            }
            let token = token_for(tokens, IDENTITY_BINDING_AUDIENCE).map_err(AuthError::BindingToken)?;
            return Ok(Self::IdentityBinding { client_id, token });
        }
        // In every mode: a client id without its token is an error, as upstream has it.
        let token = match client_id.as_str() {
            "" => None,
            _ => Some(token_for(tokens, WORKLOAD_IDENTITY_AUDIENCE).map_err(AuthError::WorkloadToken)?),
        };
        match (&parameters.identity, token) {
            (IdentityMode::PodIdentity, _) => Ok(Self::PodIdentity),
            (IdentityMode::VmManagedIdentity, _) => {
                Ok(Self::ManagedIdentity(ManagedIdentityId::parse(&parameters.user_assigned_identity_id)))
            }
            (_, Some(token)) => Ok(Self::WorkloadIdentity { client_id, token }),
            (_, None) => Self::service_principal(secrets.entries().ok_or(AuthError::NoSecret)?),
        }
    }

    /// Keys of the Secret match in any case. A certificate counts where there is no client secret.
    fn service_principal(secrets: &HashMap<String, SecretString>) -> Result<Self, AuthError> {
        let find = |wanted: &str| {
            let mut keys: Vec<_> = secrets.keys().filter(|key| key.eq_ignore_ascii_case(wanted)).collect();
            keys.sort();
            let value = keys.last().and_then(|key| secrets.get(*key));
            value.map(SecretString::expose).filter(|value| !value.is_empty())
        };
        let client_id = find("clientid").ok_or(AuthError::NoClientId)?.clone();
        let proof = match (find("clientsecret"), find("clientcertificate")) {
            (Some(secret), _) => ClientProof::Secret(SecretString::new(secret.clone())),
            (None, Some(pem)) => {
                let certificate = ClientCertificate::from_pem(SecretString::new(pem.clone()))?;
                ClientProof::Certificate(Box::new(certificate))
            }
            (None, None) => return Err(AuthError::NoClientSecret),
        };
        Ok(Self::ServicePrincipal { client_id, proof })
    }

    /// Finds the issuer and logs in. `fallback` is the authority for a custom cloud that names none.
    pub(crate) async fn session(
        self,
        identities: &Arc<Identities>,
        parameters: &Parameters,
        cloud: &Cloud,
        fallback: Option<&str>,
    ) -> Result<Session, ClientError> {
        let authority = || Authority::new(&cloud.authority, fallback, &parameters.tenant_id);
        let pod = || Pod {
            namespace: parameters.pod.namespace.clone(),
            name: parameters.pod.name.clone(),
            uid: parameters.pod.uid.clone(),
            service_account: parameters.pod.service_account.clone(),
        };
        let credential = match self {
            Self::WorkloadIdentity { client_id, token } => {
                Credential::WorkloadIdentity { authority: authority()?, client_id, token, pod: pod() }
            }
            Self::ServicePrincipal { client_id, proof } => {
                Credential::ServicePrincipal { authority: authority()?, client_id, proof }
            }
            Self::ManagedIdentity(id) => Credential::ManagedIdentity(id),
            Self::PodIdentity => Credential::PodIdentity { pod: pod() },
            Self::IdentityBinding { client_id, token } => {
                // Once in a process, and large: each mount would have room for it.
                let proxy = Box::pin(identities.token_proxy()).await?;
                let authority = authority()?;
                Credential::IdentityBinding { proxy, authority, client_id, token, pod: pod() }
            }
        };
        Ok(identities.login(credential)?)
    }
}

#[cfg(test)]
mod tests {
    use keymount_objects::Attributes;
    use serde_json::json;

    use super::*;

    const TOKENS: &str =
        r#"{"api://AzureADTokenExchange":{"token":"w"},"api://AKSIdentityBinding":{"token":"b"}}"#;

    fn choose(extra: &[(&str, &str)], secrets: &str) -> Result<Login, String> {
        let mut attributes = json!({
            "csi.storage.k8s.io/pod.name": "p", "csi.storage.k8s.io/pod.namespace": "n",
            "keyvaultName": "kv", "tenantID": "t",
        });
        for (key, value) in extra {
            attributes[*key] = json!(value);
        }
        let attributes = Attributes::decode(&attributes.to_string()).expect("attributes");
        let parameters = Parameters::from_attributes(&attributes).expect("parameters");
        let secrets = PublishSecrets::decode(secrets).expect("secrets");
        Login::choose(&parameters, &secrets).map_err(|error| error.to_string())
    }

    fn refusal(extra: &[(&str, &str)], secrets: &str) -> String {
        choose(extra, secrets).err().expect("an error")
    }

    const SA: &str = "csi.storage.k8s.io/serviceAccount.tokens";

    #[test]
    fn modes() {
        let client = ("clientID", "c");
        let tokens = (SA, TOKENS);
        let workload = choose(&[client, tokens], "null").expect("a login");
        assert!(matches!(workload, Login::WorkloadIdentity { token, .. } if token.expose() == "w"));
        let binding = choose(&[client, tokens, ("useAzureTokenProxy", "true")], "null").expect("a login");
        assert!(matches!(binding, Login::IdentityBinding { token, .. } if token.expose() == "b"));
        let machine = choose(&[("useVMManagedIdentity", "1"), ("userAssignedIdentityID", " u ")], "null");
        let user = ManagedIdentityId::ClientId("u".to_owned());
        assert!(matches!(machine, Ok(Login::ManagedIdentity(id)) if id == user));
        assert!(matches!(choose(&[("usePodIdentity", "t")], "null"), Ok(Login::PodIdentity)));
        let principal = choose(&[tokens], r#"{"ClientID":"app","CLIENTSECRET":"s"}"#).expect("a login");
        assert!(matches!(principal, Login::ServicePrincipal { client_id, .. } if client_id == "app"));
    }

    #[test]
    fn what_is_missing_is_said_in_upstreams_words() {
        for (extra, secrets, text) in [
            (&[][..], "null", "failed to get credentials, nodePublishSecretRef secret is not set"),
            (&[], "{}", "could not find clientid in secrets"),
            (&[], r#"{"clientid":"a"}"#, "could not find clientsecret in secrets"),
            (&[], r#"{"clientid":"a","clientsecret":""}"#, "could not find clientsecret in secrets"),
            (
                &[],
                r#"{"clientid":"a","clientcertificate":"c4n4ry"}"#,
                "could not use clientcertificate in secrets: no certificates found",
            ),
            (
                &[("clientID", "c")],
                "null",
                "failed to parse workload identity tokens, error: service account tokens not found",
            ),
            (
                &[("clientID", "c"), ("useVMManagedIdentity", "true")],
                "null",
                "failed to parse workload identity tokens, error: service account tokens not found",
            ),
            (
                &[("clientID", "c"), (SA, "{}")],
                "null",
                "failed to parse workload identity tokens, error: token for audience \
                 api://AzureADTokenExchange not found",
            ),
            (&[("useAzureTokenProxy", "true")], "null", "clientID is required for identity binding"),
            (
                &[("useAzureTokenProxy", "true"), ("clientID", "c")],
                "null",
                "service account tokens are required for identity binding",
            ),
            (
                &[("useAzureTokenProxy", "true"), ("clientID", "c"), (SA, "{}")],
                "null",
                "failed to parse service account token for identity binding, error: token for audience \
                 api://AKSIdentityBinding not found",
            ),
        ] {
            assert_eq!(refusal(extra, secrets), text);
        }
    }
}

//! Applications and managed identities, with what they can show for themselves.

use std::path::PathBuf;

use jiff::Timestamp;
use keymount_sensitive::SecretString;
use serde::Deserialize;

use crate::token::Jwks;

/// What kind of identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentityKind {
    /// An application with a service principal.
    #[default]
    Application,
    /// The identity of the machine itself.
    SystemAssigned,
    /// A user-assigned managed identity of the machine.
    UserAssigned,
}

/// Someone who can have tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// Application, or which sort of managed identity.
    #[serde(default)]
    pub kind: IdentityKind,
    /// Client id (application id).
    pub client_id: String,
    /// Object id of the service principal; the client id if left out.
    #[serde(default)]
    pub object_id: Option<String>,
    /// Tenant id; the first tenant if left out.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Azure resource id of a user-assigned identity.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// Client secrets of an application.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// Certificates (PEM) with whose keys an application may sign assertions.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Federated credentials.
    #[serde(default)]
    pub federated: Vec<Federation>,
}

impl Identity {
    /// An identity without credentials.
    #[must_use]
    pub fn new(kind: IdentityKind, client_id: &str) -> Self {
        Self {
            kind,
            client_id: client_id.to_owned(),
            object_id: None,
            tenant: None,
            resource_id: None,
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
        }
    }

    /// An application with one client secret.
    #[must_use]
    pub fn with_secret(client_id: &str, secret: &str) -> Self {
        let secret = ClientSecret { value: SecretString::new(secret.to_owned()), expires: None };
        Self { secrets: vec![secret], ..Self::new(IdentityKind::Application, client_id) }
    }

    /// Object id.
    #[must_use]
    pub fn object_id(&self) -> &str {
        self.object_id.as_deref().unwrap_or(&self.client_id)
    }
}

/// A client secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// Its value.
    pub value: SecretString,
    /// When it stops working.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// A federated credential: whose tokens are taken in place of a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// Issuer, compared letter by letter.
    pub issuer: String,
    /// Subject, compared letter by letter.
    pub subject: String,
    /// Audience.
    #[serde(default = "exchange_audience")]
    pub audience: String,
    /// Where the issuer's keys are. Left out, the signature is not checked, which is only taken from
    /// seeds and callers, never from a request.
    #[serde(default)]
    pub keys: Option<KeySource>,
}

pub(super) fn exchange_audience() -> String {
    "api://AzureADTokenExchange".to_owned()
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// Right here.
    Inline(Jwks),
    /// Those of this emulator's own Kubernetes API.
    Cluster,
    /// At this URL, read at each exchange.
    Url(String),
    /// At this URL, which has a certificate of the authority in this PEM file.
    #[serde(untagged)]
    Private {
        /// The URL.
        url: String,
        /// The PEM file.
        ca: PathBuf,
    },
}

//! What the services of one emulator share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keymount_clock::WallClock;

use crate::entra::{Directory, Identity};
use crate::hosts::Hosts;
use crate::listener::Observer;
use crate::token::{Claims, Jwks, Signer};
use crate::vault::Vaults;

/// State of one emulator, shared by its servers and handles.
pub(crate) type Shared = Arc<World>;

pub(crate) struct World {
    pub(crate) clock: WallClock,
    pub(crate) observer: Observer,
    pub(crate) hosts: Hosts,
    pub(crate) signer: Signer,
    pub(crate) directory: Directory,
    pub(crate) vaults: Vaults,
    /// Keys of the emulated cluster's service-account tokens, if there is a cluster.
    pub(crate) cluster_keys: OnceLock<Jwks>,
    /// Whether assertions of unknown issuers and clients are taken.
    pub(crate) allow_any_token: bool,
    /// Lifetime of tokens from the authority and the pod identity endpoint.
    pub(crate) token_lifetime: Duration,
    /// Lifetime of tokens from the metadata service.
    pub(crate) managed_token_lifetime: Duration,
}

impl World {
    /// The tenant that a path segment of the authority means; with `allow_any_token` any.
    pub(crate) fn tenant_for_exchange(&self, name: &str) -> Option<String> {
        self.directory.tenant(name).or_else(|| self.allow_any_token.then(|| name.to_owned()))
    }

    /// An access token for an identity, and when it expires (seconds since 1970).
    pub(crate) fn issue_token(
        &self,
        identity: &Identity,
        tenant: &str,
        resource: &str,
        lifetime: Duration,
    ) -> (String, i64) {
        let now = self.clock.now().as_second();
        let expires = now.saturating_add_unsigned(lifetime.as_secs());
        let token = self.signer.sign(&Claims {
            aud: resource.to_owned(),
            iss: format!("https://sts.windows.net/{tenant}/"),
            iat: now,
            nbf: now,
            exp: expires,
            appid: identity.client_id.clone(),
            oid: identity.object_id().to_owned(),
            sub: identity.object_id().to_owned(),
            tid: tenant.to_owned(),
        });
        (token, expires)
    }

    /// An access token of an identity of any tenant, without a credential.
    pub(crate) fn token(&self, client_id: &str, resource: &str) -> Option<String> {
        let identity = self.directory.by_client_id(client_id)?;
        let tenant = self.directory.tenant_of(&identity);
        Some(self.issue_token(&identity, &tenant, resource, self.token_lifetime).0)
    }
}

//! Who there is: tenants, identities, and which pod has which.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::{Identity, IdentityKind};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Domain names that mean it as well.
    #[serde(default)]
    pub domains: Vec<String>,
}

/// Which identity a pod has (aad-pod-identity).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodBinding {
    /// Namespace of the pods.
    pub namespace: String,
    /// Name of the pod; all of the namespace if left out.
    #[serde(default)]
    pub pod: Option<String>,
    /// Client id of the identity.
    pub client_id: String,
}

/// How a request to the metadata service names an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Not at all.
    Default,
    /// By client id.
    ClientId(String),
    /// By object id.
    ObjectId(String),
    /// By resource id.
    ResourceId(String),
}

/// Why no managed identity fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorError {
    /// There is none of that name, or none at all.
    NotFound,
    /// There are several and the request names none.
    Ambiguous,
}

/// Tenants and identities of one emulator.
pub struct Directory(Mutex<State>);

#[derive(Default)]
struct State {
    /// Id of the tenant there is while no other was added.
    default_tenant: String,
    tenants: Vec<Tenant>,
    identities: Vec<Arc<Identity>>,
    pods: Vec<PodBinding>,
}

impl State {
    fn default_tenant(&self) -> &str {
        self.tenants.first().map_or(&self.default_tenant, |tenant| &tenant.id)
    }
}

impl Directory {
    /// A directory without identities. `tenant` is the id of the tenant there is while none is added.
    #[must_use]
    pub fn new(tenant: &str) -> Self {
        Self(Mutex::new(State { default_tenant: tenant.to_owned(), ..State::default() }))
    }

    /// Adds a tenant. The first is the one that identities and vaults belong to if they name none.
    pub fn add_tenant(&self, tenant: Tenant) {
        self.edit(|state| {
            state.tenants.retain(|known| known.id != tenant.id);
            state.tenants.push(tenant);
        });
    }

    /// Adds an identity, in place of one of the same client id.
    pub fn add(&self, identity: Identity) {
        self.edit(|state| {
            state.identities.retain(|known| known.client_id != identity.client_id);
            state.identities.push(Arc::new(identity));
        });
    }

    /// Takes an identity away. Its tokens work until they expire, as in Entra. Says whether it was there.
    pub fn remove(&self, client_id: &str) -> bool {
        self.edit(|state| {
            let before = state.identities.len();
            state.identities.retain(|known| known.client_id != client_id);
            state.identities.len() != before
        })
    }

    /// Binds pods to an identity. Earlier bindings go first.
    pub fn bind_pods(&self, binding: PodBinding) {
        self.edit(|state| state.pods.push(binding));
    }

    /// Id of the first tenant.
    #[must_use]
    pub fn default_tenant(&self) -> String {
        self.edit(|state| state.default_tenant().to_owned())
    }

    /// The id of the tenant that a path segment of the authority means. `adfs` is the first one.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<String> {
        self.edit(|state| {
            let means = |tenant: &&Tenant| {
                tenant.id.eq_ignore_ascii_case(name)
                    || tenant.domains.iter().any(|domain| domain.eq_ignore_ascii_case(name))
            };
            let known = state.tenants.iter().find(means).map(|tenant| tenant.id.clone());
            let default = state.default_tenant();
            let is_default = || name == "adfs" || default.eq_ignore_ascii_case(name);
            known.or_else(|| is_default().then(|| default.to_owned()))
        })
    }

    /// The tenant an identity belongs to.
    #[must_use]
    pub fn tenant_of(&self, identity: &Identity) -> String {
        identity.tenant.clone().unwrap_or_else(|| self.default_tenant())
    }

    /// The identity with this client id in this tenant.
    #[must_use]
    pub fn find(&self, client_id: &str, tenant: &str) -> Option<Arc<Identity>> {
        self.edit(|state| {
            let first = state.default_tenant();
            let is_it = |identity: &&Arc<Identity>| {
                identity.client_id.eq_ignore_ascii_case(client_id)
                    && identity.tenant.as_deref().unwrap_or(first).eq_ignore_ascii_case(tenant)
            };
            state.identities.iter().find(is_it).cloned()
        })
    }

    /// The identity with this client id, whatever its tenant.
    #[must_use]
    pub fn by_client_id(&self, client_id: &str) -> Option<Arc<Identity>> {
        self.edit(|state| {
            state.identities.iter().find(|one| one.client_id.eq_ignore_ascii_case(client_id)).cloned()
        })
    }

    /// The managed identity a request to the metadata service means.
    ///
    /// # Errors
    /// [`SelectorError`], if there is none or no telling.
    pub fn managed(&self, selector: &Selector) -> Result<Arc<Identity>, SelectorError> {
        let managed: Vec<Arc<Identity>> = self.edit(|state| {
            let is_managed = |identity: &&Arc<Identity>| identity.kind != IdentityKind::Application;
            state.identities.iter().filter(is_managed).cloned().collect()
        });
        let named = |is_it: &dyn Fn(&Identity) -> bool| managed.iter().find(|one| is_it(one)).cloned();
        let found = match selector {
            Selector::ClientId(id) => named(&|one| one.client_id.eq_ignore_ascii_case(id)),
            Selector::ObjectId(id) => named(&|one| one.object_id().eq_ignore_ascii_case(id)),
            Selector::ResourceId(id) => {
                named(&|one| one.resource_id.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(id)))
            }
            Selector::Default => {
                let system = named(&|one| one.kind == IdentityKind::SystemAssigned);
                if system.is_none() && managed.len() > 1 {
                    return Err(SelectorError::Ambiguous);
                }
                system.or_else(|| managed.first().cloned())
            }
        };
        found.ok_or(SelectorError::NotFound)
    }

    /// The identity of a pod.
    #[must_use]
    pub fn of_pod(&self, namespace: &str, pod: &str) -> Option<Arc<Identity>> {
        self.edit(|state| {
            let is_bound = |binding: &&PodBinding| {
                binding.namespace == namespace && binding.pod.as_ref().is_none_or(|name| name == pod)
            };
            let client_id = &state.pods.iter().find(is_bound)?.client_id;
            state.identities.iter().find(|identity| identity.client_id == *client_id).cloned()
        })
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_identities_are_picked_as_the_metadata_service_does() {
        let directory = Directory::new("t");
        let pick =
            |selector: Selector| directory.managed(&selector).map(|identity| identity.client_id.clone());
        assert_eq!(pick(Selector::Default), Err(SelectorError::NotFound));
        directory.add(Identity::with_secret("app", "s"));
        assert_eq!(pick(Selector::Default), Err(SelectorError::NotFound));
        directory.add(Identity::new(IdentityKind::UserAssigned, "u1"));
        assert_eq!(pick(Selector::Default), Ok("u1".to_owned()));
        directory.add(Identity {
            object_id: Some("o2".to_owned()),
            resource_id: Some("/subscriptions/s/u2".to_owned()),
            ..Identity::new(IdentityKind::UserAssigned, "u2")
        });
        assert_eq!(pick(Selector::Default), Err(SelectorError::Ambiguous));
        assert_eq!(pick(Selector::ClientId("U1".to_owned())), Ok("u1".to_owned()));
        assert_eq!(pick(Selector::ObjectId("o2".to_owned())), Ok("u2".to_owned()));
        assert_eq!(pick(Selector::ResourceId("/subscriptions/S/U2".to_owned())), Ok("u2".to_owned()));
        assert_eq!(pick(Selector::ClientId("app".to_owned())), Err(SelectorError::NotFound));
        directory.add(Identity::new(IdentityKind::SystemAssigned, "machine"));
        assert_eq!(pick(Selector::Default), Ok("machine".to_owned()));
    }
}

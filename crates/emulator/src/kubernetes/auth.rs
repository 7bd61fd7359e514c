//! Who asks, and whether they may.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::rbac;
use super::request::{Request, Verb};
use super::status::Failure;
use super::store::Store;
use super::token::Signer;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// For example `system:serviceaccount:kube-system:secrets-store-csi-driver`.
    pub name: String,
    /// For example `system:masters`, who may do everything.
    pub groups: Vec<String>,
}

impl User {
    /// A user in no group of their own.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), groups: vec!["system:authenticated".to_owned()] }
    }

    /// A user who may do everything.
    #[must_use]
    pub fn admin() -> Self {
        let mut admin = Self::new("kubernetes-admin");
        admin.groups.insert(0, "system:masters".to_owned());
        admin
    }

    /// Whoever sends no credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] }
    }

    /// The user a service account is.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
        }
    }
}

/// What users may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// Everything, and whoever sends no credentials is the administrator.
    #[default]
    AllowAll,
    /// What Roles, ClusterRoles and their bindings in the server allow; `system:masters` everything.
    Rbac,
}

/// A refusal put in by hand: whoever it covers gets the API server's 403.
#[derive(Clone, Debug, Default)]
pub struct Denial {
    /// The user refused; everyone when `None`.
    pub user: Option<String>,
    /// The verb refused; all when `None`.
    pub verb: Option<Verb>,
    /// The plural resource name, with `/subresource` when there is one; all when `None`.
    pub resource: Option<String>,
    /// The namespace; all when `None`.
    pub namespace: Option<String>,
}

impl Denial {
    fn covers(&self, request: &Request) -> bool {
        self.user.as_ref().is_none_or(|user| *user == request.user.name)
            && self.verb.is_none_or(|verb| verb == request.verb)
            && self.resource.as_ref().is_none_or(|resource| *resource == resource_name(request))
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == request.route.namespace)
    }
}

/// `plural` or `plural/subresource`.
pub(crate) fn resource_name(request: &Request) -> String {
    let (plural, subresource) = (&request.route.plural, &request.route.subresource);
    if subresource.is_empty() { plural.clone() } else { format!("{plural}/{subresource}") }
}

/// Finds out who sent a request: bearer token or nothing. `None` as `header` means no `Authorization` header.
pub(crate) fn authenticate(
    header: Option<&str>,
    tokens: &BTreeMap<String, User>,
    authorization: Authorization,
    signer: &Signer,
    now: Timestamp,
) -> Result<User, Failure> {
    let Some(header) = header else {
        return Ok(match authorization {
            Authorization::AllowAll => User::admin(),
            Authorization::Rbac => User::anonymous(),
        });
    };
    let token = header.strip_prefix("Bearer ").unwrap_or_default();
    if let Some(user) = tokens.get(token) {
        return Ok(user.clone());
    }
    let (namespace, name) = signer.verify(token, now).ok_or_else(Failure::unauthorized)?;
    Ok(User::service_account(&namespace, &name))
}

/// Refuses what the user may not do.
pub(crate) fn authorize(
    store: &Store,
    request: &Request,
    authorization: Authorization,
    denials: &[Denial],
) -> Result<(), Failure> {
    let denied = denials.iter().any(|denial| denial.covers(request));
    let allowed = || match authorization {
        Authorization::AllowAll => true,
        Authorization::Rbac => rbac::allows(store, &request.user, &rbac::Question::of(request)),
    };
    if !denied && allowed() {
        return Ok(());
    }
    let route = &request.route;
    let scope = if route.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", route.namespace)
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {scope}",
        request.user.name,
        request.verb.as_str(),
        resource_name(request),
        route.group,
    );
    Err(Failure::forbidden(&request.resource, &route.name, &why))
}

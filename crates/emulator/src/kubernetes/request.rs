//! What a request asks for: the path, the query and the verb of the Kubernetes API.

use bytes::Bytes;
use http::Method;
use std::sync::Arc;

use super::auth::User;
use super::resource::ResourceType;
use super::status::{Cause, Failure};

/// The longest name of a field manager.
const MAX_MANAGER_BYTES: usize = 128;

/// The verbs of the Kubernetes API, as authorization and audit name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// One object by name.
    Get,
    /// Many objects.
    List,
    /// Changes of many objects.
    Watch,
    /// POST of a new object, or to a subresource.
    Create,
    /// PUT of a whole object.
    Update,
    /// PATCH, in any of its forms.
    Patch,
    /// Removal of one object.
    Delete,
    /// Removal of many objects.
    DeleteCollection,
}

impl Verb {
    /// The verb as RBAC rules write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A decoded query string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The first value of a parameter; empty when it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// True for `1` and `true`, and for a parameter without value.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| key == name && matches!(value.as_str(), "" | "1" | "true" | "True"))
    }

    /// Is the parameter there at all?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// The parts of a path below `/api/v1` or `/apis/<group>/<version>`; empty texts for what it lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) plural: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

impl Route {
    /// Takes a path apart; `None` for a path that names no resource.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parts: Vec<String> = path.split('/').skip(1).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            // The namespace object itself and its subresources are not "in" the namespace.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        if plural.is_empty() {
            return None;
        }
        let own = str::to_owned;
        Some(Self {
            group: own(group),
            version: own(version),
            namespace: own(namespace),
            plural: own(plural),
            name: own(name),
            subresource: own(subresource),
        })
    }

    /// The verb of a method on this route.
    pub(crate) fn verb(&self, method: &Method, query: &Query) -> Result<Verb, Failure> {
        let one = !self.name.is_empty();
        match *method {
            Method::GET if one => Ok(Verb::Get),
            Method::GET if query.flag("watch") => Ok(Verb::Watch),
            Method::GET => Ok(Verb::List),
            Method::POST if !one || !self.subresource.is_empty() => Ok(Verb::Create),
            Method::PUT if one => Ok(Verb::Update),
            Method::PATCH if one => Ok(Verb::Patch),
            Method::DELETE if one => Ok(Verb::Delete),
            Method::DELETE => Ok(Verb::DeleteCollection),
            _ => Err(Failure::method_not_allowed()),
        }
    }
}

/// A request for a resource that is served, by someone who is known.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) verb: Verb,
    pub(crate) route: Route,
    pub(crate) resource: Arc<ResourceType>,
    pub(crate) query: Query,
    pub(crate) user: User,
    pub(crate) user_agent: String,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Request {
    /// `apiVersion` of objects in this request.
    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(&self.route.version)
    }

    /// True when nothing shall be stored.
    pub(crate) fn dry_run(&self) -> bool {
        self.query.get("dryRun") == "All"
    }

    /// Refuses options that a write does not have.
    pub(crate) fn check_options(&self) -> Result<(), Failure> {
        let kind = match self.verb {
            Verb::Create => "CreateOptions",
            Verb::Update => "UpdateOptions",
            Verb::Patch => "PatchOptions",
            _ => return Ok(()),
        };
        let refuse = |cause| Err(Failure::invalid_options(kind, cause));
        let (dry_run, validation) = (self.query.get("dryRun"), self.query.get("fieldValidation"));
        if !["", "All"].contains(&dry_run) {
            return refuse(Cause::unsupported("dryRun", &format!("[]string{{\"{dry_run}\"}}"), "\"All\""));
        }
        if self.query.get("fieldManager").len() > MAX_MANAGER_BYTES {
            return refuse(Cause::too_long(
                "fieldManager",
                &format!("may not be more than {MAX_MANAGER_BYTES} bytes"),
            ));
        }
        if !["", "Ignore", "Strict", "Warn"].contains(&validation) {
            let supported = "\"\", \"Ignore\", \"Strict\", \"Warn\"";
            return refuse(Cause::unsupported("fieldValidation", &format!("\"{validation}\""), supported));
        }
        Ok(())
    }

    /// The field manager: as given, or the program name of the user agent.
    pub(crate) fn manager(&self) -> String {
        let given = self.query.get("fieldManager");
        let name =
            if given.is_empty() { self.user_agent.split('/').next().unwrap_or_default() } else { given };
        if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let route = |path: &str| {
            Route::parse(path)
                .map(|r| [r.group, r.version, r.namespace, r.plural, r.name, r.subresource].join("|"))
        };
        for (path, expected) in [
            ("/api/v1/pods", "|v1||pods||"),
            ("/api/v1/namespaces", "|v1||namespaces||"),
            ("/api/v1/namespaces/a", "|v1||namespaces|a|"),
            ("/api/v1/namespaces/a/status", "|v1||namespaces|a|status"),
            ("/api/v1/namespaces/a/secrets", "|v1|a|secrets||"),
            ("/api/v1/namespaces/a/serviceaccounts/b/token", "|v1|a|serviceaccounts|b|token"),
            ("/apis/storage.k8s.io/v1/csidrivers/x%2Ey", "storage.k8s.io|v1||csidrivers|x.y|"),
        ] {
            assert_eq!(route(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["/", "/api", "/api/v1", "/apis/g/v1", "/version", "/apis/g/v1/a/b/c/d"] {
            assert_eq!(route(path), None, "{path}");
        }
    }

    #[test]
    fn queries() {
        let query = Query::parse("labelSelector=a%3Db%2Cc&watch=1&x+y=z");
        assert_eq!((query.get("labelSelector"), query.get("x y"), query.get("none")), ("a=b,c", "z", ""));
        assert!(query.flag("watch") && !query.flag("labelSelector"));
    }
}

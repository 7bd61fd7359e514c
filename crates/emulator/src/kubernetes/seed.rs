//! The server from inside: putting objects in, looking at them, changing them, without HTTP.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::auth::User;
use super::request::{Query, Request, Route, Verb};
use super::resource::{ResourceType, split_api_version};
use super::store::Store;
use super::verbs::{self, Answer, Context};
use super::{ApiServer, State, object};

/// The server did not take an object.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejected {
    /// The HTTP status a client would get.
    pub code: u16,
    /// What the server has against it.
    pub message: String,
}

/// Makes the namespaces every cluster has.
pub(super) fn namespaces(store: &mut Store, context: Context<'_>) {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let request = store.registry.by_kind("", "Namespace").map(Arc::clone);
        if let Some(resource) = request {
            let request = internal(Verb::Create, resource, "v1", "", "", Query::default(), &namespace);
            // Into an empty store nothing can be in the way.
            let _ = verbs::perform(store, &request, context);
        }
    }
}

/// A request of the administrator from inside.
fn internal(
    verb: Verb,
    resource: Arc<ResourceType>,
    version: &str,
    namespace: &str,
    name: &str,
    query: Query,
    body: &Value,
) -> Request {
    let route = Route {
        group: resource.group.clone(),
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        plural: resource.plural.clone(),
        name: name.to_owned(),
        subresource: String::new(),
    };
    Request {
        verb,
        route,
        resource,
        query,
        user: User::admin(),
        user_agent: "seed".to_owned(),
        content_type: if verb == Verb::Patch { "application/merge-patch+json" } else { "application/json" }
            .to_owned(),
        body: if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) },
    }
}

impl State {
    fn perform(&self, request: &Request) -> Result<Value, Rejected> {
        let answer = self.with_store(|store| verbs::perform(store, request, self.context()));
        match answer {
            Ok(Answer::Json { body, .. }) => Ok(body),
            Ok(Answer::Watch(_)) => Ok(Value::Null),
            Err(failure) => Err(Rejected {
                code: failure.code,
                message: object::text(&failure.body(), &["message"]).to_owned(),
            }),
        }
    }

    /// A resource by its name, `plural` or `plural.group`.
    fn resource(&self, name: &str) -> Result<Arc<ResourceType>, Rejected> {
        let (plural, group) = name.split_once('.').unwrap_or((name, ""));
        let missing = || Rejected { code: 404, message: format!("no resource {name}") };
        self.store().registry.get(group, plural).cloned().ok_or_else(missing)
    }

    fn resource_of(&self, object: &Value) -> Result<(Arc<ResourceType>, String), Rejected> {
        let (api_version, kind) = (object::text(object, &["apiVersion"]), object::text(object, &["kind"]));
        let (group, version) = split_api_version(api_version);
        let missing = || Rejected { code: 404, message: format!("no kind {kind} in {api_version}") };
        let resource = self.store().registry.by_kind(group, kind).cloned().ok_or_else(missing)?;
        Ok((resource, version.to_owned()))
    }
}

/// The namespace of an object, `default` where it needs one and has none.
fn namespace_of(resource: &ResourceType, object: &Value) -> String {
    match (resource.namespaced, object::namespace(object)) {
        (false, _) => String::new(),
        (true, "") => "default".to_owned(),
        (true, namespace) => namespace.to_owned(),
    }
}

impl ApiServer {
    /// Creates an object, as a POST of the administrator would.
    ///
    /// # Errors
    /// What the server has against it.
    pub fn create(&self, object: &Value) -> Result<Value, Rejected> {
        let (resource, version) = self.state.resource_of(object)?;
        let namespace = namespace_of(&resource, object);
        self.state.perform(&internal(
            Verb::Create,
            resource,
            &version,
            &namespace,
            "",
            Query::default(),
            object,
        ))
    }

    /// Creates an object, or replaces it whatever it was.
    ///
    /// # Errors
    /// What the server has against it.
    pub fn put(&self, object: &Value) -> Result<Value, Rejected> {
        let (resource, version) = self.state.resource_of(object)?;
        let (namespace, name) = (namespace_of(&resource, object), object::name(object).to_owned());
        let Some(old) = self.get(&resource.qualified(), &namespace, &name) else {
            return self.create(object);
        };
        let mut object = object.clone();
        object::copy_meta(&mut object, &old, "resourceVersion");
        self.state.perform(&internal(
            Verb::Update,
            resource,
            &version,
            &namespace,
            &name,
            Query::default(),
            &object,
        ))
    }

    /// Puts every document of a YAML text, in its order.
    ///
    /// # Errors
    /// The first that fails; those before it stay.
    pub fn put_yaml(&self, text: &str) -> Result<(), Rejected> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text)
            .map_err(|_| Rejected { code: 400, message: "not YAML".to_owned() })?;
        for document in documents.iter().filter(|document| !document.is_null()) {
            self.put(document)?;
        }
        Ok(())
    }

    /// An object by resource (`secrets`, `secretproviderclasses.secrets-store.csi.x-k8s.io`), namespace
    /// (empty at the cluster scope) and name.
    #[must_use]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let resource = self.state.resource(resource).ok()?;
        let store = self.state.store();
        store.get(&resource.key(), &(namespace.to_owned(), name.to_owned())).map(|object| (**object).clone())
    }

    /// All objects of a resource in a namespace, or everywhere when it is empty.
    #[must_use]
    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        let Ok(resource) = self.state.resource(resource) else { return Vec::new() };
        let store = self.state.store();
        let key = resource.key();
        let all = store.all(&key);
        all.filter(|((of, _), _)| namespace.is_empty() || of == namespace)
            .map(|(_, object)| (**object).clone())
            .collect()
    }

    /// Merges a patch (RFC 7386) into an object.
    ///
    /// # Errors
    /// What the server has against it.
    pub fn patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Rejected> {
        let resource = self.state.resource(resource)?;
        let version = resource.storage().name.clone();
        self.state.perform(&internal(
            Verb::Patch,
            resource,
            &version,
            namespace,
            name,
            Query::default(),
            patch,
        ))
    }

    /// Deletes an object, at once where that is possible.
    ///
    /// # Errors
    /// What the server has against it.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<(), Rejected> {
        let resource = self.state.resource(resource)?;
        let version = resource.storage().name.clone();
        let now = Query::parse("gracePeriodSeconds=0");
        self.state
            .perform(&internal(Verb::Delete, resource, &version, namespace, name, now, &Value::Null))
            .map(drop)
    }

    /// A token of a service account for this server, as a pod would have it, valid for an hour.
    ///
    /// # Errors
    /// If there is no such service account.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> Result<String, Rejected> {
        let accounts = self.state.resource("serviceaccounts")?;
        let body = json!({"spec": {}});
        let mut request = internal(Verb::Create, accounts, "v1", namespace, name, Query::default(), &body);
        request.route.subresource = "token".to_owned();
        let answer = self.state.perform(&request)?;
        Ok(object::text(&answer, &["status", "token"]).to_owned())
    }

    /// Waits until `condition` holds for what [`Self::get`] returns, and returns that. Looks again after
    /// every change, so bound it with a time-out.
    pub async fn wait_for(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        mut condition: impl FnMut(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let mut revision = 0;
        loop {
            revision = self.changed_after(revision).await;
            let object = self.get(resource, namespace, name);
            if condition(object.as_ref()) {
                return object;
            }
        }
    }
}

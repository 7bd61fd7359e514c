//! The API server under test, and requests to it.

use std::sync::Arc;

use http::{Method, Request};
use http_body_util::BodyExt;
use keymount_emulator::kubernetes::{ApiServer, Authorization, Options, User};
use keymount_emulator::listener::tls::Ca;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::definitions;
use crate::reply::Reply;
use crate::watching::Watching;

/// The forms of a PATCH.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl Form {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// An API server, a namespace of the check's own in it, and a user who may do nothing.
pub struct Target {
    /// A client of the administrator.
    pub client: Client,
    /// A client of a user without any right.
    pub nobody: Client,
    /// How to reach the server with a bearer token.
    with_token: Kubeconfig,
    /// The name of that user.
    pub nobody_name: &'static str,
    /// The namespace of this check, with a service account `default`.
    pub namespace: String,
    /// The double itself; `None` for a real server.
    pub double: Option<ApiServer>,
}

const NOBODY: &str = "test-nobody";

impl Target {
    /// A new double, in process.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn double() -> Self {
        let tokens = [("admin".to_owned(), User::admin()), ("nobody".to_owned(), User::new(NOBODY))];
        let options = Options {
            tls: Some(Arc::new(Ca::new().expect("a certificate authority"))),
            authorization: Authorization::Rbac,
            tokens: tokens.into(),
            // As the API tier runs: kube-apiserver alone.
            controllers: false,
            ..Options::default()
        };
        let server = ApiServer::start(options).await.expect("the double starts");
        let admin = Kubeconfig::from_yaml(&server.kubeconfig(Some("admin"))).expect("a kubeconfig");
        let nobody = Kubeconfig::from_yaml(&server.kubeconfig(Some("nobody"))).expect("a kubeconfig");
        Self::new(admin, nobody, Some(server)).await
    }

    /// The server that `KUBECONFIG` names; `KEYMOUNT_NOBODY_KUBECONFIG` has the user without rights.
    ///
    /// # Panics
    /// When a variable is missing or the server cannot be reached.
    pub async fn real() -> Self {
        #[allow(clippy::disallowed_methods, reason = "this is where the tests are configured")]
        let read = |name: &str| {
            let path = std::env::var(name)
                .unwrap_or_else(|_| panic!("{name} names the kubeconfig of a test server"));
            Kubeconfig::read_from(path).expect("a kubeconfig")
        };
        Self::new(read("KUBECONFIG"), read("KEYMOUNT_NOBODY_KUBECONFIG"), None).await
    }

    async fn new(admin: Kubeconfig, nobody: Kubeconfig, double: Option<ApiServer>) -> Self {
        // Tests of one process install it more than once.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let namespace = format!("contract-{:08x}", rand::random::<u32>());
        let target = Self {
            client: client(admin).await,
            nobody: client(nobody.clone()).await,
            with_token: nobody,
            nobody_name: NOBODY,
            namespace,
            double,
        };
        target.post("/api/v1/namespaces", &json!({"metadata": {"name": target.namespace}})).await.expect(201);
        // Where no controller manager runs nobody else makes it.
        let account = json!({"metadata": {"name": "default"}});
        let made = target.post(&target.core("serviceaccounts"), &account).await;
        assert!([201, 409].contains(&made.code), "{made:?}");
        definitions::install(&target).await;
        target
    }

    /// A client with this bearer token.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn client_of(&self, token: &str) -> Client {
        let mut kubeconfig = self.with_token.clone();
        for user in &mut kubeconfig.auth_infos {
            user.auth_info.get_or_insert_default().token = Some(token.to_owned().into());
        }
        client(kubeconfig).await
    }

    /// The path of a core resource in the namespace of this check.
    #[must_use]
    pub fn core(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    /// The path of SecretProviderClasses in the namespace of this check.
    #[must_use]
    pub fn classes(&self) -> String {
        self.custom(definitions::GROUP, "v1", "secretproviderclasses")
    }

    /// The path of a custom resource in the namespace of this check.
    #[must_use]
    pub fn custom(&self, group: &str, version: &str, plural: &str) -> String {
        format!("/apis/{group}/{version}/namespaces/{}/{plural}", self.namespace)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    /// POST of an object.
    pub async fn post(&self, path: &str, object: &Value) -> Reply {
        self.send(Method::POST, path, "application/json", object.to_string().into_bytes()).await
    }

    /// PUT of an object.
    pub async fn put(&self, path: &str, object: &Value) -> Reply {
        self.send(Method::PUT, path, "application/json", object.to_string().into_bytes()).await
    }

    /// PATCH.
    pub async fn patch(&self, form: Form, path: &str, patch: &Value) -> Reply {
        self.send(Method::PATCH, path, form.media_type(), patch.to_string().into_bytes()).await
    }

    /// DELETE with options, which may be `null`.
    pub async fn delete(&self, path: &str, options: &Value) -> Reply {
        let body = if options.is_null() { Vec::new() } else { options.to_string().into_bytes() };
        self.send(Method::DELETE, path, "application/json", body).await
    }

    /// Any request of the administrator.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, method: Method, path: &str, media_type: &str, body: Vec<u8>) -> Reply {
        self.send_as(&self.client, method, path, media_type, body).await
    }

    /// Any request of one of the clients.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send_as(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        media_type: &str,
        body: Vec<u8>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", "contract/1.0");
        if !media_type.is_empty() {
            request = request.header("content-type", media_type);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = client.send(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole answer").to_bytes();
        Reply::new(&head, &bytes)
    }

    /// Opens a watch; the path carries the query but for `watch`.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn watch(&self, path: &str) -> Watching {
        let separator = if path.contains('?') { '&' } else { '?' };
        let request = Request::builder()
            .uri(format!("{path}{separator}watch=1"))
            .body(Body::empty())
            .expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        assert_eq!(response.status(), 200, "a watch of {path}");
        Watching::new(response.into_body())
    }
}

async fn client(kubeconfig: Kubeconfig) -> Client {
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a client configuration");
    // Watches of these checks are silent for longer than the default.
    config.read_timeout = None;
    // The answers are what is checked, 504 among them.
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

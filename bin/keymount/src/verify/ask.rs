//! What is to be tried, and what it takes: the class, and a token of the service account.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::storage::v1::CSIDriver;
use keymount_api::{DRIVER_NAME, SecretProviderClass, volume_context};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use super::{Arguments, Attempt, Report};
use crate::access::{Cluster, explain};
use crate::output;
use crate::status::{class_of, csi_volumes};

/// Audiences that the provider has a use for.
const AUDIENCES: [&str; 2] =
    [keymount_identity::WORKLOAD_IDENTITY_AUDIENCE, keymount_identity::IDENTITY_BINDING_AUDIENCE];

/// Life of the tokens that are asked for, in seconds: the shortest there is.
const TOKEN_SECONDS: i64 = 600;

/// One class and who wants it.
pub(crate) struct Question {
    pub(crate) namespace: String,
    pub(crate) class: String,
    pub(crate) service_account: String,
    pub(crate) secret: Option<String>,
    /// Parameters of the class.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// All that the arguments ask for.
pub(crate) async fn questions(
    arguments: &Arguments,
    cluster: &Cluster,
    namespace: &str,
) -> anyhow::Result<Vec<Question>> {
    let mut wanted = Vec::new();
    if let Some(name) = &arguments.pod {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        let pod = pods
            .get(name)
            .await
            .map_err(|error| explain(&error, &format!("read the pod {namespace}/{name}")))?;
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        let account = account.unwrap_or_else(|| arguments.service_account.clone());
        for (_, source) in csi_volumes(&pod) {
            let secret = source.node_publish_secret_ref.as_ref().map(|secret| secret.name.clone());
            wanted.push((class_of(source).to_owned(), account.clone(), secret));
        }
        let only = |class: &String| arguments.class.as_ref().is_none_or(|only| only == class);
        wanted.retain(|(class, ..)| only(class));
        ensure!(
            !wanted.is_empty(),
            "the pod {namespace}/{name} does not mount {}",
            arguments.class.as_deref().unwrap_or("a class")
        );
    } else if let Some(class) = &arguments.class {
        wanted.push((
            class.clone(),
            arguments.service_account.clone(),
            arguments.node_publish_secret.clone(),
        ));
    }
    let mut questions = Vec::new();
    for (class, service_account, secret) in wanted {
        let object = match &arguments.file {
            Some(path) => from_file(path, &class)?,
            None => {
                let classes: Api<SecretProviderClass> = Api::namespaced(cluster.client.clone(), namespace);
                classes
                    .get(&class)
                    .await
                    .map_err(|error| explain(&error, &format!("read the class {namespace}/{class}")))?
            }
        };
        ensure!(
            object.spec.provider == "azure",
            "the class {class} is of the provider {:?}; only classes of azure can be tried",
            object.spec.provider
        );
        let namespace = namespace.to_owned();
        questions.push(Question {
            namespace,
            class,
            service_account,
            secret,
            parameters: object.spec.parameters,
        });
    }
    Ok(questions)
}

/// The class of this name in a file of several documents.
fn from_file(path: &std::path::Path, name: &str) -> anyhow::Result<SecretProviderClass> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).with_context(|| format!("{} is no YAML", path.display()))?;
    let is_it = |value: &Value| value["kind"] == "SecretProviderClass" && value["metadata"]["name"] == name;
    let found = documents.into_iter().find(is_it);
    let found =
        found.with_context(|| format!("there is no SecretProviderClass {name} in {}", path.display()))?;
    serde_json::from_value(found)
        .with_context(|| format!("the SecretProviderClass {name} cannot be read; `keymount lint` says why"))
}

impl Question {
    /// Tries it on this machine.
    pub(crate) async fn here(
        &self,
        cluster: &Cluster,
        cloud: &str,
        timeout: Duration,
    ) -> anyhow::Result<Report> {
        let attempt = Attempt {
            attributes: self.attributes(self.tokens(cluster).await?.as_deref()),
            secrets: self.secrets(cluster).await?,
            cloud_name: cloud.to_owned(),
        };
        let steps = attempt.make(timeout).await?;
        Ok(Report::new(self, "this machine", steps))
    }

    /// The attributes that the driver would send.
    pub(crate) fn attributes(&self, tokens: Option<&str>) -> Value {
        // What belongs to kubelet is taken from kubelet alone.
        let own = self.parameters.iter().filter(|(key, _)| !key.starts_with(volume_context::RESERVED_PREFIX));
        let mut attributes: Value =
            own.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        attributes[volume_context::POD_NAME] = "keymount-verify".into();
        attributes[volume_context::POD_NAMESPACE] = self.namespace.as_str().into();
        attributes[volume_context::SERVICE_ACCOUNT] = self.service_account.as_str().into();
        if let Some(tokens) = tokens {
            attributes[volume_context::TOKENS] = tokens.into();
        }
        attributes
    }

    /// Tokens as kubelet would send them: for the audiences of the CSIDriver object.
    async fn tokens(&self, cluster: &Cluster) -> anyhow::Result<Option<String>> {
        let mut tokens = BTreeMap::new();
        for audience in self.audiences(cluster).await {
            let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), &self.namespace);
            let request = TokenRequest {
                spec: TokenRequestSpec {
                    audiences: vec![audience.clone()],
                    expiration_seconds: Some(TOKEN_SECONDS),
                    bound_object_ref: None,
                },
                ..TokenRequest::default()
            };
            let doing =
                format!("make a token for the service account {}/{}", self.namespace, self.service_account);
            let made =
                accounts.create_token_request(&self.service_account, &PostParams::default(), &request).await;
            let made = made.map_err(|error| explain(&error, &doing))?;
            let status = made.status.context("the API server made no token")?;
            tokens.insert(
                audience,
                json!({"token": status.token, "expirationTimestamp": status.expiration_timestamp}),
            );
        }
        Ok((!tokens.is_empty()).then(|| json!(tokens).to_string()))
    }

    /// The audiences for which kubelet sends tokens; where the CSIDriver object may not be read, those that the provider
    /// has a use for.
    pub(super) async fn audiences(&self, cluster: &Cluster) -> Vec<String> {
        if self.parameters.get("clientID").is_none_or(String::is_empty) {
            return Vec::new();
        }
        let drivers: Api<CSIDriver> = Api::all(cluster.client.clone());
        match drivers.get_opt(DRIVER_NAME).await {
            Ok(found) => {
                let requests = found.and_then(|driver| driver.spec.token_requests).unwrap_or_default();
                let audiences = requests.into_iter().map(|request| request.audience);
                audiences.filter(|audience| AUDIENCES.contains(&audience.as_str())).collect()
            }
            Err(error) => {
                output::note(&format!(
                    "{}; it is taken to ask for tokens as it should",
                    explain(&error, "read the CSIDriver object")
                ));
                vec![AUDIENCES[0].to_owned()]
            }
        }
    }

    /// The Secret of nodePublishSecretRef as kubelet would send it.
    async fn secrets(&self, cluster: &Cluster) -> anyhow::Result<String> {
        let Some(name) = &self.secret else { return Ok("null".to_owned()) };
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), &self.namespace);
        let doing = format!("read the Secret {}/{name}", self.namespace);
        let secret = secrets.get(name).await.map_err(|error| explain(&error, &doing))?;
        let text = |(key, value): (String, k8s_openapi::ByteString)| {
            (key, String::from_utf8_lossy(&value.0).into_owned())
        };
        let data: BTreeMap<_, _> = secret.data.unwrap_or_default().into_iter().map(text).collect();
        Ok(json!(data).to_string())
    }
}

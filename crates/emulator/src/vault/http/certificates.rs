//! Writing certificates and their policies.

use axum::body::Body;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Request, StatusCode};
use keymount_sensitive::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admitted, Answer, Attributes, Call, Tags, body, ok};
use crate::pki::{Bundle, Format, PrivateKey};
use crate::reply;
use crate::vault::error::VaultError;
use crate::vault::kind::{Certificate, Type};
use crate::vault::object::{Change, Collection, Entry};
use crate::vault::policy::Policy;
use crate::vault::spec::{alone, assemble, blocking};

#[derive(Deserialize)]
struct Create {
    policy: Option<Value>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct Import {
    value: SecretString,
    pwd: Option<SecretString>,
    policy: Option<Value>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct Update {
    policy: Option<Value>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

impl Call<'_> {
    pub(super) async fn certificates(&self, asked: &Admitted, request: Request<Body>) -> Answer {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (&asked.method, path.as_slice()) {
            (&Method::POST, [name, "create"]) => self.create_certificate(name, body(request).await?).await,
            (&Method::POST, [name, "import"]) => self.import_certificate(name, body(request).await?),
            (&Method::PATCH, [name, "policy"]) => self.update_policy(name, &body(request).await?),
            (&Method::PATCH, [name]) => self.update_certificate(name, "", body(request).await?),
            (&Method::PATCH, [name, version]) if *version != "pending" => {
                self.update_certificate(name, version, body(request).await?)
            }
            (&Method::GET, [name, "policy"]) => self.policy(name),
            (&Method::GET, [name, "pending"]) => self.pending(name),
            (_, ["contacts" | "issuers", ..]) => {
                Err(VaultError::not_emulated("Certificate contacts and issuers"))
            }
            (_, [_, "pending", ..]) => Err(VaultError::not_emulated("Changing a pending certificate")),
            _ => self.common::<Certificate>(asked),
        }
    }

    async fn create_certificate(&self, name: &str, create: Create) -> Answer {
        let policy = match create.policy {
            Some(policy) => policy,
            None => self
                .vault
                .edit(|contents| contents.policies.get(&name.to_ascii_lowercase()).cloned())
                .ok_or_else(|| VaultError::bad_parameter("Property policy is required."))?,
        };
        let policy = Policy::parse(&policy)?;
        if policy.issuer() != "Self" {
            return Err(VaultError::not_emulated(&format!("The certificate issuer {}", policy.issuer())));
        }
        let properties = create.attributes.unwrap_or_default().properties(create.tags)?;
        let now = self.vault.clock.now();
        let (template, algorithm) = (policy.template(now)?, policy.algorithm()?);
        let old = self.vault.edit(|contents| {
            contents.is_free::<Certificate>(name)?;
            let old = contents.keys.get(name).and_then(Entry::current);
            Ok::<_, VaultError>(old.and_then(|version| version.body.private.clone()))
        })?;
        let reused = old.filter(|_| policy.reuses_key());
        let bundle = blocking(move || {
            let key = match reused {
                Some(old) => PrivateKey::from_pkcs8(&old.to_pkcs8()?)?,
                None => PrivateKey::generate(algorithm)?,
            };
            alone(&template, key)
        })
        .await?;
        let made = assemble(bundle, policy.format()?.unwrap_or_default(), &policy, now)?;
        self.vault.add_certificate(name, made, &properties, now)?;
        // The service is never done at once, and pollers count on it; here the first poll finds it done.
        let mut response = reply::json(StatusCode::ACCEPTED, &self.operation(name, false));
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("0"));
        Ok(response)
    }

    fn import_certificate(&self, name: &str, import: Import) -> Answer {
        let password = import.pwd.as_ref().map(|pwd| pwd.expose().as_str()).unwrap_or_default();
        let (bundle, read) = Bundle::read(import.value.expose(), password)?;
        let policy = Policy::parse(import.policy.as_ref().unwrap_or(&json!({})))?;
        let format = policy.format()?.unwrap_or(read);
        if format != read {
            return Err(VaultError::bad_parameter(match format {
                Format::Pkcs12 => "The specified PKCS#12 X.509 certificate content can not be read.",
                Format::Pem => "The specified PEM X.509 certificate content is in an unexpected format.",
            }));
        }
        let properties = import.attributes.unwrap_or_default().properties(import.tags)?;
        let now = self.vault.clock.now();
        let made = assemble(bundle, format, &policy, now)?;
        let version = self.vault.add_certificate(name, made, &properties, now)?;
        self.show::<Certificate>(name, &version)
    }

    fn update_certificate(&self, name: &str, version: &str, update: Update) -> Answer {
        let change = update.attributes.unwrap_or_default().change(update.tags)?;
        if let Some(policy) = &update.policy {
            self.update_policy(name, policy)?;
        }
        let now = self.vault.clock.now();
        self.vault.edit(|contents| {
            let id = contents.version::<Certificate>(name, version)?.id.clone();
            // Key and secret follow their certificate.
            apply(&mut contents.certificates, name, &id, &change, now);
            apply(&mut contents.keys, name, &id, &change, now);
            apply(&mut contents.secrets, name, &id, &change, now);
            Ok::<_, VaultError>(())
        })?;
        self.show::<Certificate>(name, version)
    }

    fn policy(&self, name: &str) -> Answer {
        let missing = || VaultError::not_found(Type::Certificate, name);
        let policy = self.vault.edit(|contents| {
            contents.entry::<Certificate>(name)?;
            contents.policies.get(&name.to_ascii_lowercase()).cloned().ok_or_else(missing)
        })?;
        let mut policy = policy;
        policy["id"] = self.place(name).id(Type::Certificate, "policy").into();
        Ok(ok(policy))
    }

    /// Replaces the members of the policy that the change has.
    fn update_policy(&self, name: &str, change: &Value) -> Answer {
        Policy::parse(change)?;
        let now = self.vault.clock.now().as_second();
        self.vault.edit(|contents| {
            contents.entry::<Certificate>(name)?;
            let policy = contents.policies.entry(name.to_ascii_lowercase()).or_insert_with(|| json!({}));
            for (member, value) in change.as_object().into_iter().flatten() {
                if member != "id" && member != "attributes" && !value.is_null() {
                    policy[member] = value.clone();
                }
            }
            policy["attributes"]["updated"] = now.into();
            Ok::<_, VaultError>(())
        })?;
        self.policy(name)
    }

    /// The operation that made the newest version. It is always completed.
    fn pending(&self, name: &str) -> Answer {
        self.vault.edit(|contents| contents.entry::<Certificate>(name).map(drop))?;
        Ok(ok(self.operation(name, true)))
    }

    fn operation(&self, name: &str, done: bool) -> Value {
        let place = self.place(name);
        let mut operation = json!({
            "id": place.id(Type::Certificate, "pending"),
            "issuer": { "name": "Self" },
            "cancellation_requested": false,
            "status": if done { "completed" } else { "inProgress" },
            "request_id": reply::uuid().replace('-', ""),
        });
        if done {
            operation["target"] = place.id(Type::Certificate, "").into();
        }
        operation
    }
}

fn apply<B>(
    collection: &mut Collection<B>,
    name: &str,
    version: &str,
    change: &Change,
    now: jiff::Timestamp,
) {
    if let Some(found) = collection.get_mut(name).and_then(|entry| entry.version_mut(version)) {
        found.change(change, now);
    }
}

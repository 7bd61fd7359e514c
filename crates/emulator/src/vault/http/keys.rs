//! Writing keys.

use axum::body::Body;
use http::{Method, Request};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Admitted, Answer, Attributes, Call, Tags, body, ok};
use crate::pki;
use crate::vault::error::VaultError;
use crate::vault::kind::{Key, Type};
use crate::vault::object::{Entry, Properties, Version};
use crate::vault::spec::{KeySpec, KeyType, blocking};

#[derive(Deserialize)]
struct Create {
    kty: String,
    key_size: Option<u32>,
    crv: Option<String>,
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct Import {
    key: Map<String, Value>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct Update {
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

impl Call<'_> {
    pub(super) async fn keys(&self, asked: &Admitted, request: Request<Body>) -> Answer {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (&asked.method, path.as_slice()) {
            (&Method::POST, [name, "create"]) => self.create_key(name, body(request).await?).await,
            (&Method::POST, [name, "rotate"]) => self.rotate_key(name).await,
            (&Method::PUT, [name]) => self.import_key(name, body(request).await?).await,
            (&Method::PATCH, [name]) => self.update_key(name, "", body(request).await?),
            (&Method::PATCH, [name, version]) => self.update_key(name, version, body(request).await?),
            (&Method::GET, [name, "rotationpolicy"]) => self.rotation_policy(name, None),
            (&Method::PUT, [name, "rotationpolicy"]) => {
                self.rotation_policy(name, Some(body(request).await?))
            }
            (&Method::POST, [_, _, operation]) => {
                Err(VaultError::not_emulated(&format!("The key operation {operation}")))
            }
            _ => self.common::<Key>(asked),
        }
    }

    async fn create_key(&self, name: &str, create: Create) -> Answer {
        let spec = KeySpec {
            name: name.to_owned(),
            key: KeyType { kty: create.kty, size: create.key_size, curve: create.crv },
            jwk: None,
            operations: create.key_ops,
            properties: create.attributes.unwrap_or_default().properties(create.tags)?,
        };
        let version = self.vault.put_key(&spec).await?;
        self.show::<Key>(name, &version)
    }

    async fn import_key(&self, name: &str, import: Import) -> Answer {
        let operations = import.key.get("key_ops").and_then(|list| Vec::deserialize(list).ok());
        let spec = KeySpec {
            operations,
            properties: import.attributes.unwrap_or_default().properties(import.tags)?,
            jwk: Some(import.key),
            ..KeySpec::new(name, KeyType::default())
        };
        let version = self.vault.put_key(&spec).await?;
        self.show::<Key>(name, &version)
    }

    async fn rotate_key(&self, name: &str) -> Answer {
        let old = self.vault.edit(|contents| {
            let old = contents.entry::<Key>(name).map(Entry::current)?;
            Ok::<_, VaultError>(old.map(|version| version.body.clone()))
        })?;
        let old = old.ok_or_else(|| VaultError::not_found(Type::Key, name))?;
        let Some(private) = old.private.clone() else {
            return Err(VaultError::not_emulated("Rotation of an imported key"));
        };
        let made = blocking(move || private.generate_alike()).await?;
        let mut jwk = pki::public_jwk(&made);
        if let Some(kty) = old.jwk.get("kty") {
            jwk.insert("kty".to_owned(), kty.clone());
        }
        let body = Key { jwk, operations: old.operations, private: Some(made.into()) };
        let version = Version::new(&Properties::default(), false, body, self.vault.clock.now());
        let id = version.id.clone();
        self.vault.edit(|contents| contents.push(name, version))?;
        self.show::<Key>(name, &id)
    }

    fn update_key(&self, name: &str, version: &str, update: Update) -> Answer {
        let change = update.attributes.unwrap_or_default().change(update.tags)?;
        let now = self.vault.clock.now();
        self.vault.edit(|contents| {
            contents.version::<Key>(name, version)?;
            let entry = contents.keys.get_mut(name);
            if let Some(found) = entry.and_then(|entry| entry.version_mut(version)) {
                found.change(&change, now);
                if let Some(operations) = update.key_ops {
                    found.body.operations = operations;
                }
            }
            Ok::<_, VaultError>(())
        })?;
        self.show::<Key>(name, version)
    }

    fn rotation_policy(&self, name: &str, new: Option<Value>) -> Answer {
        let now = self.vault.clock.now().as_second();
        let policy = self.vault.edit(|contents| {
            let created = contents.version::<Key>(name, "")?.created;
            let default = json!({
                "lifetimeActions":
                    [{ "trigger": { "timeBeforeExpiry": "P30D" }, "action": { "type": "Notify" } }],
                "attributes": { "created": created, "updated": created },
            });
            if let Some(mut new) = new {
                let expires = new.pointer("/attributes/expiryTime").cloned();
                new["attributes"] = json!({ "expiryTime": expires, "created": created, "updated": now });
                contents.rotations.insert(name.to_ascii_lowercase(), new);
            }
            Ok::<_, VaultError>(
                contents.rotations.get(&name.to_ascii_lowercase()).cloned().unwrap_or(default),
            )
        })?;
        let mut policy = policy;
        policy["id"] = self.place(name).id(Type::Key, "rotationpolicy").into();
        Ok(ok(policy))
    }
}

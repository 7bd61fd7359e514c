//! What is in a vault, and the rules that tie its objects together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::error::VaultError;
use super::kind::{Certificate, Key, Kind, Secret, Type};
use super::object::{Collection, Deleted, Entry, Version};

/// All objects of a vault.
#[derive(Default)]
pub(crate) struct Contents {
    pub(super) secrets: Collection<Secret>,
    pub(super) keys: Collection<Key>,
    pub(super) certificates: Collection<Certificate>,
    /// Policy of each certificate, by lower-case name.
    pub(super) policies: BTreeMap<String, Value>,
    /// Rotation policy of each key that has one, by lower-case name.
    pub(super) rotations: BTreeMap<String, Value>,
}

impl Contents {
    pub(super) fn entry<K: Kind>(&self, name: &str) -> Result<&Entry<K>, VaultError> {
        K::collection(self).get(name).ok_or_else(|| VaultError::not_found(K::TYPE, name))
    }

    /// A version to be read: found, and enabled.
    pub(super) fn readable<K: Kind>(&self, name: &str, version: &str) -> Result<&Version<K>, VaultError> {
        let found = self.version::<K>(name, version)?;
        if found.enabled { Ok(found) } else { Err(VaultError::disabled(K::TYPE, "get")) }
    }

    pub(super) fn version<K: Kind>(&self, name: &str, version: &str) -> Result<&Version<K>, VaultError> {
        let entry = self.entry::<K>(name)?;
        entry.version(version).ok_or_else(|| VaultError::not_found(K::TYPE, &format!("{name}/{version}")))
    }

    /// Adds a version of a secret or key that stands alone.
    pub(super) fn push<K: Kind>(&mut self, name: &str, version: Version<K>) -> Result<(), VaultError> {
        self.is_free::<K>(name)?;
        let current = K::collection(self).get(name).and_then(Entry::current);
        if current.is_some_and(|current| current.managed) {
            return Err(VaultError::managed(K::TYPE, "set"));
        }
        K::collection_mut(self).push(name, version);
        Ok(())
    }

    /// Adds a version of a certificate with its key and secret.
    pub(super) fn push_certificate(
        &mut self,
        name: &str,
        certificate: Version<Certificate>,
        key: Key,
        secret: Secret,
    ) -> Result<(), VaultError> {
        self.is_free::<Certificate>(name)?;
        self.is_free::<Key>(name)?;
        self.is_free::<Secret>(name)?;
        if self.certificates.get(name).is_none()
            && (self.keys.get(name).is_some() || self.secrets.get(name).is_some())
        {
            let text = format!("A key or secret of the name {name} exists already.");
            return Err(VaultError::new(http::StatusCode::CONFLICT, "Conflict", text));
        }
        self.policies.insert(name.to_ascii_lowercase(), certificate.body.policy.clone());
        self.keys.push(name, beside(&certificate, key));
        self.secrets.push(name, beside(&certificate, secret));
        self.certificates.push(name, certificate);
        Ok(())
    }

    /// That no deleted object keeps the name.
    pub(super) fn is_free<K: Kind>(&self, name: &str) -> Result<(), VaultError> {
        match K::collection(self).get_deleted(name) {
            Some(_) => Err(VaultError::recoverable(K::TYPE, name)),
            None => Ok(()),
        }
    }

    pub(super) fn delete<K: Kind>(&mut self, name: &str, now: Timestamp) -> Result<&Deleted<K>, VaultError> {
        if self.entry::<K>(name)?.current().is_some_and(|version| version.managed)
            && K::TYPE != Type::Certificate
        {
            return Err(VaultError::managed(K::TYPE, "delete"));
        }
        if K::TYPE == Type::Certificate {
            self.keys.delete(name, now);
            self.secrets.delete(name, now);
        }
        let deleted = K::collection_mut(self).delete(name, now);
        deleted.ok_or_else(|| VaultError::not_found(K::TYPE, name))
    }

    pub(super) fn recover<K: Kind>(&mut self, name: &str) -> Result<&Entry<K>, VaultError> {
        if K::TYPE == Type::Certificate {
            self.keys.recover(name);
            self.secrets.recover(name);
        }
        let recovered = K::collection_mut(self).recover(name);
        recovered.ok_or_else(|| VaultError::deleted_not_found(K::TYPE, name))
    }

    pub(super) fn purge<K: Kind>(&mut self, name: &str) -> Result<(), VaultError> {
        if !K::collection_mut(self).purge(name) {
            return Err(VaultError::deleted_not_found(K::TYPE, name));
        }
        if K::TYPE == Type::Certificate {
            self.keys.purge(name);
            self.secrets.purge(name);
            self.policies.remove(&name.to_ascii_lowercase());
        }
        if K::TYPE == Type::Key {
            self.rotations.remove(&name.to_ascii_lowercase());
        }
        Ok(())
    }
}

/// The version of a key or secret that belongs to a certificate's.
fn beside<B>(certificate: &Version<Certificate>, body: B) -> Version<B> {
    Version {
        id: certificate.id.clone(),
        enabled: certificate.enabled,
        not_before: certificate.not_before,
        expires: certificate.expires,
        created: certificate.created,
        updated: certificate.updated,
        tags: certificate.tags.clone(),
        managed: true,
        body,
    }
}

//! Key Vault: vaults with secrets, keys and certificates, and their data-plane REST API.
//!
//! Contract: the Key Vault data-plane reference, api-versions 7.2 to 2025-07-01.

mod access;
mod contents;
mod error;
mod http;
mod kind;
mod object;
mod policy;
mod spec;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use keymount_clock::WallClock;
use keymount_sensitive::SecretString;
use serde::Deserialize;

pub use access::{Access, Grant, Model};
pub use error::VaultError;
pub use object::Properties;
pub use spec::{CertificateSpec, KeySpec, KeyType, SecretSpec};

pub(crate) use self::http::{answer, decorate, is_vault_path};
use contents::Contents;
use kind::{Certificate, Key, Secret, Type};

/// How a vault answers lists.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listing {
    /// Items on a page, 1 to 25, where the client does not say; 25 if left out.
    pub page_size: Option<usize>,
    /// The first page of each list is empty and has a `nextLink`, as the service may do.
    pub empty_first_page: bool,
}

/// One vault.
pub struct Vault {
    name: String,
    clock: WallClock,
    tenant: Option<String>,
    settings: Mutex<(Access, Listing)>,
    contents: Mutex<Contents>,
}

impl Vault {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who may do what from now on.
    pub fn set_access(&self, access: Access) {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).0 = access;
    }

    /// How lists are answered from now on.
    pub fn set_listing(&self, listing: Listing) {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).1 = listing;
    }

    fn settings(&self) -> (Access, Listing) {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a version of a text secret; answers its version id.
    ///
    /// # Errors
    /// As the REST API: a name that is not valid, a deleted secret of that name, one that belongs to a
    /// certificate.
    pub fn set_secret(&self, name: &str, value: &str) -> Result<String, VaultError> {
        self.put_secret(&SecretSpec::new(name, value))
    }

    /// Adds a version of a secret; answers its version id.
    ///
    /// # Errors
    /// As [`Vault::set_secret`].
    pub fn put_secret(&self, secret: &SecretSpec) -> Result<String, VaultError> {
        spec::check_name(&secret.name)?;
        let value = Arc::new(SecretString::new(secret.value.expose().clone()));
        let body = Secret { value, content_type: secret.content_type.clone() };
        let version = object::Version::new(&secret.properties, false, body, self.clock.now());
        let id = version.id.clone();
        self.edit(|contents| contents.push(&secret.name, version))?;
        Ok(id)
    }

    /// Adds a version of a key; answers its version id. RSA keys take a moment to make.
    ///
    /// # Errors
    /// As the REST API.
    pub async fn put_key(&self, key: &KeySpec) -> Result<String, VaultError> {
        spec::check_name(&key.name)?;
        let body = key.make().await?;
        let version = object::Version::new(&key.properties, false, body, self.clock.now());
        let id = version.id.clone();
        self.edit(|contents| contents.push(&key.name, version))?;
        Ok(id)
    }

    /// Adds a version of a certificate with its key and secret; answers the version id they share.
    ///
    /// # Errors
    /// As the REST API.
    pub async fn put_certificate(&self, certificate: &CertificateSpec) -> Result<String, VaultError> {
        spec::check_name(&certificate.name)?;
        let now = self.clock.now();
        let made = certificate.make(now).await?;
        self.add_certificate(&certificate.name, made, &certificate.properties, now)
    }

    fn add_certificate(
        &self,
        name: &str,
        made: spec::Made,
        properties: &Properties,
        now: Timestamp,
    ) -> Result<String, VaultError> {
        let mut version = object::Version::new(properties, false, made.certificate, now);
        version.not_before = version.not_before.or(Some(made.valid.0));
        version.expires = version.expires.or(Some(made.valid.1));
        let id = version.id.clone();
        self.edit(|contents| contents.push_certificate(name, version, made.key, made.secret))?;
        Ok(id)
    }

    /// Disables or enables a version of a secret (the newest for an empty id).
    ///
    /// # Errors
    /// If there is no such secret or version.
    pub fn enable_secret(&self, name: &str, version: &str, enabled: bool) -> Result<(), VaultError> {
        let change = object::Change { enabled: Some(enabled), ..object::Change::default() };
        let now = self.clock.now();
        self.edit(|contents| {
            let missing = || VaultError::not_found(Type::Secret, name);
            let entry = contents.secrets.get_mut(name).ok_or_else(missing)?;
            entry.version_mut(version).ok_or_else(missing)?.change(&change, now);
            Ok(())
        })
    }

    /// Deletes a secret, so that it can be recovered.
    ///
    /// # Errors
    /// If there is none, or if it belongs to a certificate.
    pub fn delete_secret(&self, name: &str) -> Result<(), VaultError> {
        let now = self.clock.now();
        self.edit(|contents| contents.delete::<Secret>(name, now).map(drop))
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Contents) -> T) -> T {
        edit(&mut self.contents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The vaults of one emulator.
pub(crate) struct Vaults {
    clock: WallClock,
    list: Mutex<Vec<Arc<Vault>>>,
}

impl Vaults {
    pub(crate) const fn new(clock: WallClock) -> Self {
        Self { clock, list: Mutex::new(Vec::new()) }
    }

    /// The vault of this name, if there is one.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Vault>> {
        self.list().iter().find(|vault| vault.name.eq_ignore_ascii_case(name)).cloned()
    }

    /// The vault of this name, made if there was none.
    pub(crate) fn get_or_create(&self, name: &str, tenant: Option<String>) -> Arc<Vault> {
        let mut list = self.list();
        if let Some(vault) = list.iter().find(|vault| vault.name.eq_ignore_ascii_case(name)) {
            return Arc::clone(vault);
        }
        let vault = Arc::new(Vault {
            name: name.to_owned(),
            clock: self.clock.clone(),
            tenant,
            settings: Mutex::default(),
            contents: Mutex::default(),
        });
        list.push(Arc::clone(&vault));
        vault
    }

    /// Names of all vaults, oldest first.
    pub(crate) fn names(&self) -> Vec<String> {
        self.list().iter().map(|vault| vault.name.clone()).collect()
    }

    /// The oldest vault, which answers where the client names none.
    pub(crate) fn first(&self) -> Option<String> {
        self.list().first().map(|vault| vault.name.clone())
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<Vault>>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

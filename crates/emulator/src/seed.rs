//! Seeds: what an emulator is filled with, as YAML or JSON.
//!
//! The format is that of the structures below in camel case; `examples/emulator-seed.yaml` shows all of
//! it. Unknown fields are refused.

use serde::Deserialize;

use crate::entra::{Identity, PodBinding, Tenant};
use crate::faults::Rule;
use crate::vault::{Access, CertificateSpec, KeySpec, Listing, SecretSpec, VaultError};
use crate::world::World;

/// Content of an emulator.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Seed {
    /// Tenants; the first one is the default.
    pub tenants: Vec<Tenant>,
    /// Applications and managed identities.
    pub identities: Vec<Identity>,
    /// Which pods have which identity (pod identity).
    pub pod_bindings: Vec<PodBinding>,
    /// Vaults and what is in them.
    pub vaults: Vec<VaultSeed>,
    /// Fault rules in force from the start.
    pub faults: Vec<Rule>,
}

/// Content of a vault.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VaultSeed {
    /// Its name.
    pub name: String,
    /// Tenant id; the first tenant if left out.
    pub tenant: Option<String>,
    /// Who may do what.
    pub access: Option<Access>,
    /// How lists are answered.
    pub listing: Option<Listing>,
    /// Secrets; several of one name are its versions, oldest first.
    pub secrets: Vec<SecretSpec>,
    /// Keys; several of one name are its versions, oldest first.
    pub keys: Vec<KeySpec>,
    /// Certificates; several of one name are its versions, oldest first.
    pub certificates: Vec<CertificateSpec>,
}

/// Why a seed cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// It does not have the form of a seed.
    #[error("the seed is not valid at line {line}, column {column}: {reason}")]
    Format {
        /// Line, from 1; 0 if unknown.
        line: u64,
        /// Column, from 1; 0 if unknown.
        column: u64,
        /// What is wrong, without quoting values.
        reason: String,
    },
    /// An object that a vault does not take.
    #[error("the seed of vault {vault} has {object} that does not fit: {error}")]
    Object {
        /// Name of the vault.
        vault: String,
        /// Type and name of the object.
        object: String,
        /// What the vault says.
        error: Box<VaultError>,
    },
    /// A vault name that is not one.
    #[error("the seed has a vault name that is not 3 to 24 letters, digits and hyphens")]
    VaultName,
}

const DEMO: &str = include_str!("seed/demo.yaml");

impl Seed {
    /// Reads a seed.
    ///
    /// # Errors
    /// [`SeedError::Format`] with the place.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        serde_saphyr::from_str(text).map_err(|error| {
            let place = error.location();
            SeedError::Format {
                line: place.map(|place| place.line()).unwrap_or_default(),
                column: place.map(|place| place.column()).unwrap_or_default(),
                reason: reason(error.without_snippet()),
            }
        })
    }

    /// The demonstration content.
    ///
    /// # Errors
    /// None is expected.
    pub fn demo() -> Result<Self, SeedError> {
        Self::parse(DEMO)
    }

    pub(crate) async fn apply(self, world: &World) -> Result<(), SeedError> {
        for tenant in self.tenants {
            world.directory.add_tenant(tenant);
        }
        for identity in self.identities {
            world.directory.add(identity);
        }
        for binding in self.pod_bindings {
            world.directory.bind_pods(binding);
        }
        for vault in self.vaults {
            vault.apply(world).await?;
        }
        for rule in self.faults {
            world.observer.faults.add(rule);
        }
        Ok(())
    }
}

impl VaultSeed {
    async fn apply(self, world: &World) -> Result<(), SeedError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !(3..=24).contains(&self.name.len()) || !self.name.chars().all(is_allowed) {
            return Err(SeedError::VaultName);
        }
        let vault = world.vaults.get_or_create(&self.name, self.tenant);
        if let Some(access) = self.access {
            vault.set_access(access);
        }
        if let Some(listing) = self.listing {
            vault.set_listing(listing);
        }
        let refused = |kind: &str, name: &str, error| SeedError::Object {
            vault: self.name.clone(),
            object: format!("{kind} {name}"),
            error: Box::new(error),
        };
        for secret in &self.secrets {
            vault.put_secret(secret).map_err(|error| refused("secret", &secret.name, error))?;
        }
        for key in &self.keys {
            vault.put_key(key).await.map_err(|error| refused("key", &key.name, error))?;
        }
        for certificate in &self.certificates {
            let put = vault.put_certificate(certificate).await;
            put.map_err(|error| refused("certificate", &certificate.name, error))?;
        }
        Ok(())
    }
}

/// What is wrong with a seed, as far as it can be said without quoting a value.
fn reason(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error {
        Error::SerdeUnknownField { .. }
        | Error::SerdeMissingField { .. }
        | Error::DuplicateMappingKey { .. } => error.to_string(),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("expected {expected}")
        }
        _ => "this is not what a seed has here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_the_place_and_no_value() {
        for (text, line, reason) in [
            ("vaults:\n  - name: kv\n    secret: []\n", 3, "unknown field"),
            ("vaults:\n  - name: kv\n    secrets:\n      - name: a\n", 4, "missing field"),
            ("vaults:\n  - name: kv\n    secrets: hunter2\n", 3, ""),
            ("identities:\n  - clientId: a\n    kind: hunter2\n", 3, ""),
        ] {
            let Err(SeedError::Format { line: at, reason: why, .. }) = Seed::parse(text).map(drop) else {
                panic!("a format error for {text}")
            };
            assert_eq!(at, line, "{text}: {why}");
            assert!(why.contains(reason) && !why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn example_and_demo_are_seeds() {
        let example = include_str!("../../../examples/emulator-seed.yaml");
        let seed = Seed::parse(example).map_err(|error| error.to_string()).expect("a seed");
        assert!(!seed.vaults.is_empty() && !seed.identities.is_empty() && !seed.faults.is_empty());
        assert!(!seed.tenants.is_empty() && !seed.pod_bindings.is_empty());
        assert!(Seed::demo().is_ok());
        for keys in
            ["cluster", "{ url: http://a }", "{ url: https://a, ca: /b.pem }", "{ inline: { keys: [] } }"]
        {
            let federated = format!("[{{ issuer: i, subject: s, keys: {keys} }}]");
            let text = format!("identities: [{{ clientId: a, federated: {federated} }}]");
            assert!(Seed::parse(&text).is_ok(), "{text}");
        }
        assert!(
            Seed::parse(r#"{"vaults": [{"name": "kv1", "secrets": [{"name": "a", "value": "b"}]}]}"#).is_ok()
        );
    }
}

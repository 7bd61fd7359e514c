//! Objects as seeds and tests describe them, and how they are made.

use std::sync::Arc;

use der::Encode;
use jiff::{Timestamp, ToSpan};
use keymount_sensitive::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::VaultError;
use super::kind::{Certificate, Key, Secret};
use super::object::Properties;
use super::policy::{self, Policy};
use crate::pki::{self, Authority, Bundle, Format, PkiError, PrivateKey, Template};

/// A secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSpec {
    /// Name: letters, digits and hyphens.
    pub name: String,
    /// Value.
    pub value: SecretString,
    /// Content type.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Attributes and tags.
    #[serde(default)]
    pub properties: Properties,
}

impl SecretSpec {
    /// An enabled text secret.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        let value = SecretString::new(value.to_owned());
        Self { name: name.to_owned(), value, content_type: None, properties: Properties::default() }
    }
}

/// What kind of key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyType {
    /// `RSA`, `RSA-HSM`, `EC` or `EC-HSM`.
    #[serde(rename = "type")]
    pub kty: String,
    /// Bits of an RSA key.
    #[serde(default)]
    pub size: Option<u32>,
    /// Curve of an EC key: `P-256`, `P-384`, `P-521` or `P-256K`.
    #[serde(default)]
    pub curve: Option<String>,
}

impl Default for KeyType {
    fn default() -> Self {
        Self { kty: "RSA".to_owned(), size: None, curve: None }
    }
}

impl KeyType {
    async fn generate(&self) -> Result<PrivateKey, VaultError> {
        let algorithm = policy::algorithm(&self.kty, self.size, self.curve.as_deref())?;
        blocking(move || PrivateKey::generate(algorithm)).await
    }
}

/// A key: either one to be made, or the public members of one there is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// Name: letters, digits and hyphens.
    pub name: String,
    /// What to make; RSA with 2048 bits if left out.
    #[serde(default)]
    pub key: KeyType,
    /// A JSON Web Key to be taken as it is, instead of making one. Private members are dropped.
    #[serde(default)]
    pub jwk: Option<Map<String, Value>>,
    /// Operations it is for; all that the type can, if left out.
    #[serde(default)]
    pub operations: Option<Vec<String>>,
    /// Attributes and tags.
    #[serde(default)]
    pub properties: Properties,
}

impl KeySpec {
    /// A key to be made.
    #[must_use]
    pub fn new(name: &str, key: KeyType) -> Self {
        Self { name: name.to_owned(), key, jwk: None, operations: None, properties: Properties::default() }
    }

    pub(super) async fn make(&self) -> Result<Key, VaultError> {
        let (jwk, private) = match &self.jwk {
            Some(jwk) => (public_members(jwk)?, None),
            None => {
                let private = self.key.generate().await?;
                let mut jwk = pki::public_jwk(&private);
                jwk.insert("kty".to_owned(), self.key.kty.as_str().into());
                (jwk, Some(Arc::new(private)))
            }
        };
        let operations = self.operations.clone().unwrap_or_else(|| default_operations(&jwk));
        Ok(Key { jwk, operations, private })
    }
}

/// Operations of a key that names none.
pub(super) fn default_operations(jwk: &Map<String, Value>) -> Vec<String> {
    let operations: &[&str] = match jwk.get("kty").and_then(Value::as_str).unwrap_or_default() {
        "EC" | "EC-HSM" => &["sign", "verify"],
        "oct" | "oct-HSM" => &["wrapKey", "unwrapKey", "encrypt", "decrypt"],
        _ => &["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"],
    };
    operations.iter().map(|&operation| operation.to_owned()).collect()
}

/// `kty` and the public members of a JWK, which are all that a vault ever shows.
fn public_members(jwk: &Map<String, Value>) -> Result<Map<String, Value>, VaultError> {
    let public = ["kty", "n", "e", "crv", "x", "y"];
    let members: Map<String, Value> = jwk
        .iter()
        .filter(|(name, value)| public.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let needed: &[&str] = match members.get("kty").and_then(Value::as_str) {
        Some("RSA" | "RSA-HSM") => &["n", "e"],
        Some("EC" | "EC-HSM") => &["crv", "x", "y"],
        Some("oct" | "oct-HSM") => &[],
        _ => return Err(VaultError::bad_parameter("Property kty has an unsupported value.")),
    };
    match needed.iter().find(|name| members.get(**name).and_then(Value::as_str).is_none()) {
        Some(missing) => Err(VaultError::bad_parameter(format!("Property {missing} is required."))),
        None => Ok(members),
    }
}

/// A certificate: one to be issued, or one to be imported.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateSpec {
    /// Name: letters, digits and hyphens.
    pub name: String,
    /// Subject, such as `CN=site`; `CN={name}` if left out.
    #[serde(default)]
    pub subject: Option<String>,
    /// DNS names.
    #[serde(default)]
    pub dns_names: Vec<String>,
    /// Its key; RSA with 2048 bits if left out.
    #[serde(default)]
    pub key: KeyType,
    /// Whether the secret is PEM; otherwise it is a PFX.
    #[serde(default)]
    pub pem: bool,
    /// Whether an intermediate and a root stand behind it; otherwise it signs itself.
    #[serde(default)]
    pub chain: bool,
    /// Months it is valid; 12 if left out.
    #[serde(default)]
    pub months: Option<i32>,
    /// A PEM bundle, or base64 of a PFX, to be imported instead.
    #[serde(default)]
    pub import: Option<SecretString>,
    /// Password of the PFX.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// Attributes and tags.
    #[serde(default)]
    pub properties: Properties,
}

/// A certificate with all its parts.
pub(super) struct Made {
    pub(super) certificate: Certificate,
    pub(super) key: Key,
    pub(super) secret: Secret,
    /// Not before and not after, seconds since 1970.
    pub(super) valid: (i64, i64),
}

impl CertificateSpec {
    /// A self-signed certificate with an RSA key, as PFX.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            subject: None,
            dns_names: Vec::new(),
            key: KeyType::default(),
            pem: false,
            chain: false,
            months: None,
            import: None,
            password: None,
            properties: Properties::default(),
        }
    }

    pub(super) async fn make(&self, now: Timestamp) -> Result<Made, VaultError> {
        if let Some(value) = &self.import {
            let password = self.password.as_ref().map(|password| password.expose().as_str());
            let (bundle, format) = Bundle::read(value.expose(), password.unwrap_or_default())?;
            return assemble(bundle, format, &Policy::default(), now);
        }
        let format = if self.pem { Format::Pem } else { Format::Pkcs12 };
        let subject = self.subject.clone().unwrap_or_else(|| format!("CN={}", self.name));
        let until = now
            .to_zoned(jiff::tz::TimeZone::UTC)
            .checked_add(self.months.unwrap_or(12).months())
            .map_err(|_| VaultError::bad_parameter("Property months has invalid value."))?;
        let template =
            Template { dns_names: self.dns_names.clone(), ..Template::new(&subject, now, until.timestamp()) };
        let key = self.key.generate().await?;
        let chain = self.chain;
        let bundle =
            blocking(move || if chain { chained(&template, key) } else { alone(&template, key) }).await?;
        assemble(bundle, format, &Policy::default(), now)
    }
}

/// A certificate that signs itself.
pub(super) fn alone(template: &Template, key: PrivateKey) -> Result<Bundle, PkiError> {
    let certificate = pki::issue(template, &key, None)?;
    Ok(Bundle { key, certificates: vec![certificate] })
}

/// A certificate below an intermediate below a root, both made for it.
fn chained(template: &Template, key: PrivateKey) -> Result<Bundle, PkiError> {
    let (from, until) = (template.not_before, template.not_after);
    let root = Authority::new(&Template::authority("CN=Emulated root", from, until), None)?;
    let below = Template::authority("CN=Emulated intermediate", from, until);
    let intermediate = Authority::new(&below, Some(&root))?;
    let leaf = pki::issue(template, &key, Some(&intermediate))?;
    Ok(Bundle { key, certificates: vec![leaf, intermediate.certificate, root.certificate] })
}

/// The three objects of a bundle.
pub(super) fn assemble(
    bundle: Bundle,
    format: Format,
    policy: &Policy,
    now: Timestamp,
) -> Result<Made, VaultError> {
    let leaf = bundle.certificates.first().ok_or(PkiError::Content("no certificate"))?;
    let tbs = leaf.tbs_certificate();
    let subject = tbs.subject().to_string();
    let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs().cast_signed();
    let valid = (seconds(&tbs.validity().not_before), seconds(&tbs.validity().not_after));
    let certificate = Certificate {
        der: Arc::new(leaf.to_der().map_err(|_| PkiError::Internal)?),
        content_type: format.content_type(),
        policy: policy.complete((bundle.key.algorithm(), format), &subject, now),
        subject,
    };
    let value = Arc::new(bundle.write(format)?);
    let secret = Secret { value, content_type: Some(format.content_type().to_owned()) };
    let jwk = pki::public_jwk(&bundle.key);
    let operations = default_operations(&jwk);
    let key = Key { jwk, operations, private: Some(Arc::new(bundle.key)) };
    Ok(Made { certificate, key, secret, valid })
}

/// Runs what takes long off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PkiError> + Send + 'static,
) -> Result<T, VaultError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.unwrap_or(Err(PkiError::Internal))?)
}

/// Names have 1 to 127 letters, digits and hyphens.
pub(super) fn check_name(name: &str) -> Result<(), VaultError> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=127).contains(&name.len()) && name.chars().all(is_allowed) {
        return Ok(());
    }
    Err(VaultError::bad_parameter(format!("The request URI contains an invalid name: {name}")))
}

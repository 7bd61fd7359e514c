//! Certificate policies: what a certificate is to look like.

use std::net::IpAddr;

use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::VaultError;
use crate::pki::{Algorithm, Format, Template};

/// A policy as a client writes it. What is left out has Key Vault's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Policy {
    key_props: Option<KeyProps>,
    secret_props: Option<SecretProps>,
    x509_props: Option<X509Props>,
    lifetime_actions: Option<Value>,
    issuer: Option<Issuer>,
    attributes: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct KeyProps {
    exportable: Option<bool>,
    kty: Option<String>,
    key_size: Option<u32>,
    crv: Option<String>,
    reuse_key: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct SecretProps {
    #[serde(rename = "contentType")]
    content_type: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct X509Props {
    subject: Option<String>,
    sans: Option<AlternativeNames>,
    ekus: Option<Vec<String>>,
    key_usage: Option<Vec<String>>,
    validity_months: Option<i32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct AlternativeNames {
    dns_names: Vec<String>,
    emails: Vec<String>,
    upns: Vec<String>,
    ip_addresses: Vec<IpAddr>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Issuer {
    name: Option<String>,
}

const DEFAULT_EKUS: [&str; 2] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];
const DEFAULT_KEY_USAGE: [&str; 2] = ["digitalSignature", "keyEncipherment"];

impl Policy {
    pub(super) fn parse(value: &Value) -> Result<Self, VaultError> {
        Self::deserialize(value).map_err(|_| VaultError::bad_parameter("The policy is not valid."))
    }

    pub(super) fn issuer(&self) -> &str {
        self.issuer.as_ref().and_then(|issuer| issuer.name.as_deref()).unwrap_or("Unknown")
    }

    /// Whether a new version keeps the key of the one before.
    pub(super) fn reuses_key(&self) -> bool {
        self.key_props.as_ref().and_then(|props| props.reuse_key).unwrap_or(false)
    }

    /// What key to make.
    pub(super) fn algorithm(&self) -> Result<Algorithm, VaultError> {
        let props = self.key_props.clone().unwrap_or_default();
        algorithm(props.kty.as_deref().unwrap_or("RSA"), props.key_size, props.crv.as_deref())
    }

    /// The format the policy asks for, if it asks.
    pub(super) fn format(&self) -> Result<Option<Format>, VaultError> {
        let Some(text) = self.secret_props.as_ref().and_then(|props| props.content_type.as_deref()) else {
            return Ok(None);
        };
        let unknown = || VaultError::bad_parameter(format!("The content type {text} is not supported."));
        Format::from_content_type(text).map(Some).ok_or_else(unknown)
    }

    /// What the certificate says, from now on.
    pub(super) fn template(&self, now: Timestamp) -> Result<Template, VaultError> {
        let props = self.x509_props.clone().unwrap_or_default();
        let sans = props.sans.unwrap_or_default();
        let subject = props.subject.filter(|subject| !subject.is_empty());
        let subject = subject.or_else(|| sans.dns_names.first().map(|name| format!("CN={name}")));
        let subject = subject.ok_or_else(|| {
            VaultError::bad_parameter(
                "Property policy has invalid value: subject or subject alternative names are missing.",
            )
        })?;
        let months = props.validity_months.unwrap_or(12);
        let until = now.to_zoned(jiff::tz::TimeZone::UTC).checked_add(months.months());
        let until =
            until.map_err(|_| VaultError::bad_parameter("Property validity_months has invalid value."))?;
        let mut template = Template::new(&subject, now, until.timestamp());
        template.dns_names = sans.dns_names;
        template.emails = sans.emails;
        template.emails.extend(sans.upns);
        template.addresses = sans.ip_addresses;
        if let Some(ekus) = props.ekus {
            template.extended_key_usages = ekus;
        }
        if let Some(key_usage) = props.key_usage {
            template.key_usages = key_usage;
        }
        Ok(template)
    }

    /// The policy with its defaults filled in, as the service answers it (without `id`). `made` is the
    /// key and format there is, `subject` that of the certificate.
    pub(super) fn complete(&self, made: (Algorithm, Format), subject: &str, now: Timestamp) -> Value {
        let key = self.key_props.clone().unwrap_or_default();
        let x509 = self.x509_props.clone().unwrap_or_default();
        let (kty, size, curve) = match made.0 {
            Algorithm::Rsa(bits) => ("RSA", bits, None),
            Algorithm::P256 => ("EC", 256, Some("P-256")),
            Algorithm::P384 => ("EC", 384, Some("P-384")),
            Algorithm::P521 => ("EC", 521, Some("P-521")),
            Algorithm::P256K => ("EC", 256, Some("P-256K")),
        };
        let mut policy = json!({
            "key_props": {
                "exportable": key.exportable.unwrap_or(true),
                "kty": key.kty.as_deref().unwrap_or(kty),
                "key_size": size,
                "reuse_key": key.reuse_key.unwrap_or(false),
            },
            "secret_props": { "contentType": made.1.content_type() },
            "x509_props": {
                "subject": x509.subject.as_deref().unwrap_or(subject),
                "ekus": x509.ekus.unwrap_or_else(|| DEFAULT_EKUS.map(str::to_owned).to_vec()),
                "key_usage": x509.key_usage.unwrap_or_else(|| DEFAULT_KEY_USAGE.map(str::to_owned).to_vec()),
                "validity_months": x509.validity_months.unwrap_or(12),
            },
            "lifetime_actions": self.lifetime_actions.clone().unwrap_or_else(|| json!([])),
            "issuer": { "name": self.issuer() },
            "attributes": {
                "enabled": self.attributes.as_ref().and_then(|one| one.get("enabled")).cloned().unwrap_or(true.into()),
                "created": now.as_second(),
                "updated": now.as_second(),
            },
        });
        if let Some(curve) = curve {
            policy["key_props"]["crv"] = curve.into();
        }
        if let Some(sans) = x509.sans {
            policy["x509_props"]["sans"] = json!({ "dns_names": sans.dns_names, "emails": sans.emails, "upns": sans.upns, "ip_addresses": sans.ip_addresses });
        }
        policy
    }
}

/// The algorithm that `kty`, `key_size` and `crv` of the REST API name.
pub(super) fn algorithm(kty: &str, size: Option<u32>, curve: Option<&str>) -> Result<Algorithm, VaultError> {
    match (kty, curve, size) {
        ("RSA" | "RSA-HSM", _, size) => Ok(Algorithm::Rsa(size.unwrap_or(2048))),
        ("EC" | "EC-HSM", Some("P-256"), _) | ("EC" | "EC-HSM", None, None | Some(256)) => {
            Ok(Algorithm::P256)
        }
        ("EC" | "EC-HSM", Some("P-384"), _) | ("EC" | "EC-HSM", None, Some(384)) => Ok(Algorithm::P384),
        ("EC" | "EC-HSM", Some("P-521"), _) | ("EC" | "EC-HSM", None, Some(521)) => Ok(Algorithm::P521),
        ("EC" | "EC-HSM", Some("P-256K" | "SECP256K1"), _) => Ok(Algorithm::P256K),
        _ => Err(VaultError::bad_parameter("Property kty, crv or key_size has an unsupported value.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_service() {
        let policy =
            Policy::parse(&json!({ "x509_props": { "subject": "CN=site" }, "issuer": { "name": "Self" } }))
                .expect("a policy");
        assert_eq!((policy.issuer(), policy.algorithm()), ("Self", Ok(Algorithm::Rsa(2048))));
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let template = policy.template(now).expect("a template");
        assert_eq!(template.not_after.to_string(), "2024-11-14T22:13:20Z");
        let complete = policy.complete((Algorithm::Rsa(2048), Format::Pkcs12), "CN=site", now);
        assert_eq!(complete["secret_props"]["contentType"], "application/x-pkcs12");
        assert_eq!(
            complete["key_props"],
            json!({ "exportable": true, "kty": "RSA", "key_size": 2048, "reuse_key": false })
        );
        assert!(Policy::default().template(now).is_err());
    }

    #[test]
    fn algorithms() {
        for (kty, size, curve, expected) in [
            ("RSA", None, None, Some(Algorithm::Rsa(2048))),
            ("RSA-HSM", Some(4096), None, Some(Algorithm::Rsa(4096))),
            ("EC", None, None, Some(Algorithm::P256)),
            ("EC", Some(384), None, Some(Algorithm::P384)),
            ("EC-HSM", None, Some("P-521"), Some(Algorithm::P521)),
            ("EC", None, Some("P-1"), None),
            ("oct", None, None, None),
        ] {
            assert_eq!(algorithm(kty, size, curve).ok(), expected, "{kty} {size:?} {curve:?}");
        }
    }
}

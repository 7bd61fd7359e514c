//! X.509 certificates.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use der::DateTime;
use der::asn1::{Ia5String, UtcTime};
use der::flagset::FlagSet;
use jiff::Timestamp;
use sha2::Sha256;
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use super::{PkiError, PrivateKey};

/// What a certificate says.
#[derive(Clone, Debug)]
pub struct Template {
    /// Distinguished name as RFC 4514 writes it, such as `CN=site, O=Contoso`.
    pub subject: String,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
    /// Extended key usages as dotted object identifiers.
    pub extended_key_usages: Vec<String>,
    /// Key usages in Key Vault's spelling (`digitalSignature`, `keyEncipherment`, ...).
    pub key_usages: Vec<String>,
    /// Whether it is a certificate authority.
    pub authority: bool,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

impl Template {
    /// A TLS server and client certificate without names but the subject.
    #[must_use]
    pub fn new(subject: &str, not_before: Timestamp, not_after: Timestamp) -> Self {
        Self {
            subject: subject.to_owned(),
            dns_names: Vec::new(),
            emails: Vec::new(),
            addresses: Vec::new(),
            extended_key_usages: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"].map(str::to_owned).to_vec(),
            key_usages: ["digitalSignature", "keyEncipherment"].map(str::to_owned).to_vec(),
            authority: false,
            not_before,
            not_after,
        }
    }

    /// A certificate authority.
    #[must_use]
    pub fn authority(subject: &str, not_before: Timestamp, not_after: Timestamp) -> Self {
        Self {
            authority: true,
            extended_key_usages: Vec::new(),
            key_usages: ["keyCertSign", "cRLSign", "digitalSignature"].map(str::to_owned).to_vec(),
            ..Self::new(subject, not_before, not_after)
        }
    }
}

/// A certificate with the key to sign others.
pub struct Authority {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
}

impl Authority {
    /// A root, or an intermediate below `issuer`, with a new P-256 key.
    ///
    /// # Errors
    /// See [`issue`].
    pub fn new(template: &Template, issuer: Option<&Self>) -> Result<Self, PkiError> {
        let key = PrivateKey::generate(super::Algorithm::P256)?;
        Ok(Self { certificate: issue(template, &key, issuer)?, key })
    }
}

/// Issues a certificate for a key, signed by the issuer, or by the key itself if there is none.
///
/// # Errors
/// [`PkiError::Property`] for what X.509 cannot hold.
pub fn issue(
    template: &Template,
    subject_key: &PrivateKey,
    issuer: Option<&Authority>,
) -> Result<Certificate, PkiError> {
    let subject = Name::from_str(&template.subject).map_err(|_| PkiError::Property("subject"))?;
    let validity = Validity::new(time(template.not_before)?, time(template.not_after)?);
    let serial = SerialNumber::generate(&mut rand::rng());
    let profile = Profile {
        issuer: issuer.map(|issuer| issuer.certificate.tbs_certificate().subject().clone()),
        subject,
        alternatives: alternatives(template)?,
        key_usages: key_usages(&template.key_usages)?,
        extended: extended(&template.extended_key_usages)?,
        authority: template.authority,
    };
    let builder = CertificateBuilder::new(profile, serial, validity, subject_key.public()?)
        .map_err(|_| PkiError::Property("validity"))?;
    sign(builder, issuer.map_or(subject_key, |issuer| &issuer.key))
}

fn sign(builder: CertificateBuilder<Profile>, key: &PrivateKey) -> Result<Certificate, PkiError> {
    let built = match key {
        PrivateKey::Rsa(key) => {
            let signer = rsa::pkcs1v15::SigningKey::<Sha256>::new(key.as_ref().clone());
            builder.build::<_, rsa::pkcs1v15::Signature>(&signer)
        }
        PrivateKey::P256(key) => {
            builder.build::<_, p256::ecdsa::DerSignature>(&p256::ecdsa::SigningKey::from(key))
        }
        PrivateKey::P384(key) => {
            builder.build::<_, p384::ecdsa::DerSignature>(&p384::ecdsa::SigningKey::from(key))
        }
        PrivateKey::P521(key) => {
            builder.build::<_, p521::ecdsa::DerSignature>(&p521::ecdsa::SigningKey::from(key))
        }
        PrivateKey::P256K(key) => {
            builder.build::<_, k256::ecdsa::DerSignature>(&k256::ecdsa::SigningKey::from(key))
        }
    };
    built.map_err(|_| PkiError::Internal)
}

fn time(at: Timestamp) -> Result<Time, PkiError> {
    let seconds = u64::try_from(at.as_second()).map_err(|_| PkiError::Property("validity"))?;
    let since_epoch = Duration::from_secs(seconds);
    if let Ok(time) = UtcTime::from_unix_duration(since_epoch) {
        return Ok(time.into());
    }
    DateTime::from_unix_duration(since_epoch).map(Time::from).map_err(|_| PkiError::Property("validity"))
}

fn alternatives(template: &Template) -> Result<Vec<GeneralName>, PkiError> {
    let text =
        |text: &String| Ia5String::new(text).map_err(|_| PkiError::Property("subject alternative name"));
    let mut names = Vec::new();
    for name in &template.dns_names {
        names.push(GeneralName::DnsName(text(name)?));
    }
    for email in &template.emails {
        names.push(GeneralName::Rfc822Name(text(email)?));
    }
    names.extend(template.addresses.iter().map(|address| GeneralName::from(*address)));
    Ok(names)
}

fn key_usages(names: &[String]) -> Result<FlagSet<KeyUsages>, PkiError> {
    names.iter().try_fold(FlagSet::default(), |flags, name| {
        let flag = match name.as_str() {
            "digitalSignature" => KeyUsages::DigitalSignature,
            "nonRepudiation" => KeyUsages::NonRepudiation,
            "keyEncipherment" => KeyUsages::KeyEncipherment,
            "dataEncipherment" => KeyUsages::DataEncipherment,
            "keyAgreement" => KeyUsages::KeyAgreement,
            "keyCertSign" => KeyUsages::KeyCertSign,
            "cRLSign" => KeyUsages::CRLSign,
            "encipherOnly" => KeyUsages::EncipherOnly,
            "decipherOnly" => KeyUsages::DecipherOnly,
            _ => return Err(PkiError::Property("key_usage")),
        };
        Ok(flags | flag)
    })
}

fn extended(oids: &[String]) -> Result<Vec<ObjectIdentifier>, PkiError> {
    oids.iter().map(|oid| ObjectIdentifier::new(oid).map_err(|_| PkiError::Property("ekus"))).collect()
}

struct Profile {
    issuer: Option<Name>,
    subject: Name,
    alternatives: Vec<GeneralName>,
    key_usages: FlagSet<KeyUsages>,
    extended: Vec<ObjectIdentifier>,
    authority: bool,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, subject: &Name) -> Name {
        self.issuer.as_ref().unwrap_or(subject).clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        spk: SubjectPublicKeyInfoRef<'_>,
        issuer_spk: SubjectPublicKeyInfoRef<'_>,
        tbs: &x509_cert::certificate::TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut list = Vec::new();
        let mut add = |extension: &dyn Fn(&[Extension]) -> der::Result<Extension>| {
            let made = extension(&list)?;
            list.push(made);
            Ok::<_, x509_cert::builder::Error>(())
        };
        let subject = tbs.subject();
        add(&|list| SubjectKeyIdentifier::try_from(spk.clone())?.to_extension(subject, list))?;
        add(&|list| {
            let issuer = SubjectKeyIdentifier::try_from(issuer_spk.clone())?;
            AuthorityKeyIdentifier { key_identifier: Some(issuer.0), ..Default::default() }
                .to_extension(subject, list)
        })?;
        add(&|list| {
            BasicConstraints { ca: self.authority, path_len_constraint: None }.to_extension(subject, list)
        })?;
        if !self.key_usages.is_empty() {
            add(&|list| KeyUsage(self.key_usages).to_extension(subject, list))?;
        }
        if !self.extended.is_empty() {
            add(&|list| ExtendedKeyUsage(self.extended.clone()).to_extension(subject, list))?;
        }
        if !self.alternatives.is_empty() {
            add(&|list| SubjectAltName(self.alternatives.clone()).to_extension(subject, list))?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Algorithm;

    #[test]
    fn every_kind_of_key_signs_itself() {
        let (from, until) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(2_000_000_000).expect("a time"));
        for algorithm in [Algorithm::Rsa(2048), Algorithm::P256, Algorithm::P384, Algorithm::P521] {
            let key = PrivateKey::generate(algorithm).expect("a key");
            let certificate =
                issue(&Template::new("CN=self,O=Contoso", from, until), &key, None).expect("one");
            let tbs = certificate.tbs_certificate();
            assert_eq!(tbs.subject(), tbs.issuer());
            assert_eq!(*tbs.subject_public_key_info(), key.public().expect("public"));
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let until = Timestamp::from_second(2_000_000_000).expect("a time");
        let key = PrivateKey::generate(Algorithm::P256).expect("a key");
        let template = Template::new("CN=x", Timestamp::UNIX_EPOCH, until);
        for (template, property) in [
            (Template { subject: "no name".to_owned(), ..template.clone() }, "subject"),
            (Template { key_usages: vec!["sign".to_owned()], ..template.clone() }, "key_usage"),
            (Template { extended_key_usages: vec!["1.x".to_owned()], ..template.clone() }, "ekus"),
            (Template { dns_names: vec!["ä.de".to_owned()], ..template }, "subject alternative name"),
        ] {
            assert_eq!(issue(&template, &key, None).err(), Some(PkiError::Property(property)));
        }
    }
}

//! TLS with a certificate authority made at start.
//!
//! Every name a client asks for gets a certificate of that authority, so that `kv.vault.azure.net`,
//! the authorities of all clouds and invented suffixes work alike, and clients keep their checks on.
//! Its root and leaves are valid from 2020 to 2049, because a test's clock may be anywhere in between.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use der::Encode;
use der::pem::LineEnding;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use tokio_rustls::TlsAcceptor;

use crate::faults::{Facts, Faults, Service, TlsProblem};
use crate::pki::{Algorithm, Authority, PkiError, PrivateKey, Template, issue};

/// Certificates kept; a client that asks for more names makes the cache start again.
const MAX_NAMES: usize = 512;

const NOT_BEFORE: i64 = 1_577_836_800; // 2020-01-01
const NOT_AFTER: i64 = 2_493_072_000; // 2049-01-01
const EXPIRED: i64 = 1_580_515_200; // 2020-02-01

/// The certificate authority of one emulator.
pub struct Ca {
    root: Authority,
    leaf_key: PrivateKey,
}

impl Ca {
    /// A new root with a new key.
    ///
    /// # Errors
    /// None is expected.
    pub fn new() -> Result<Self, PkiError> {
        let template = Template::authority(
            "CN=Keymount emulator (no real authority),O=Keymount",
            seconds(NOT_BEFORE),
            seconds(NOT_AFTER),
        );
        Ok(Self { root: Authority::new(&template, None)?, leaf_key: PrivateKey::generate(Algorithm::P256)? })
    }

    /// The root certificate, for clients to trust.
    ///
    /// # Errors
    /// None is expected.
    pub fn pem(&self) -> Result<String, PkiError> {
        use der::EncodePem;
        self.root.certificate.to_pem(LineEnding::LF).map_err(|_| PkiError::Internal)
    }

    /// The root certificate in DER.
    ///
    /// # Errors
    /// None is expected.
    pub fn der(&self) -> Result<Vec<u8>, PkiError> {
        self.root.certificate.to_der().map_err(|_| PkiError::Internal)
    }

    fn leaf(
        &self,
        name: &str,
        addresses: Vec<IpAddr>,
        until: i64,
    ) -> Result<CertificateDer<'static>, PkiError> {
        // A common name has at most 64 characters; clients look at the alternative names only.
        let template = Template {
            dns_names: vec![name.to_owned()],
            addresses,
            ..Template::new("CN=Keymount emulator", seconds(NOT_BEFORE), seconds(until))
        };
        let certificate = issue(&template, &self.leaf_key, Some(&self.root))?;
        Ok(CertificateDer::from(certificate.to_der().map_err(|_| PkiError::Internal)?))
    }
}

fn seconds(unix: i64) -> Timestamp {
    Timestamp::from_second(unix).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// An acceptor that offers HTTP/2 and HTTP/1.1 and issues a certificate for whatever name is asked.
/// `addresses` go into the certificate of clients that name none.
///
/// # Errors
/// None is expected.
pub fn acceptor(ca: &Arc<Ca>, addresses: &[IpAddr], faults: Faults) -> Result<TlsAcceptor, PkiError> {
    let provider = Arc::new(ring::default_provider());
    let key = rustls_key(&ca.leaf_key)?;
    let resolver = Resolver {
        ca: Arc::clone(ca),
        stranger: Ca::new()?,
        key,
        addresses: addresses.to_vec(),
        faults,
        issued: Mutex::default(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| PkiError::Internal)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn rustls_key(key: &PrivateKey) -> Result<Arc<dyn SigningKey>, PkiError> {
    let der = PrivatePkcs8KeyDer::from(key.to_pkcs8()?.to_vec());
    ring::sign::any_ecdsa_type(&der.into()).map_err(|_| PkiError::Internal)
}

struct Resolver {
    ca: Arc<Ca>,
    /// An authority nobody trusts.
    stranger: Ca,
    key: Arc<dyn SigningKey>,
    addresses: Vec<IpAddr>,
    faults: Faults,
    issued: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    fn for_name(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let addresses = || if name == LOCAL { self.addresses.clone() } else { Vec::new() };
        let facts = Facts { service: Service::Vault, host: name, method: "", path: "" };
        if let Some(problem) = self.faults.handshake(&facts) {
            let certificate = match problem {
                TlsProblem::Refused => return None,
                TlsProblem::Expired => self.ca.leaf(name, addresses(), EXPIRED),
                TlsProblem::WrongName => self.ca.leaf("wrong.name.invalid", Vec::new(), NOT_AFTER),
                TlsProblem::Untrusted => {
                    let certificate = self.stranger.leaf(name, addresses(), NOT_AFTER).ok()?;
                    let key = rustls_key(&self.stranger.leaf_key).ok()?;
                    return Some(Arc::new(CertifiedKey::new(vec![certificate], key)));
                }
            };
            return Some(Arc::new(CertifiedKey::new(vec![certificate.ok()?], Arc::clone(&self.key))));
        }
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issued.get(name) {
            return Some(Arc::clone(known));
        }
        if issued.len() >= MAX_NAMES {
            issued.clear();
        }
        let certificate = self.ca.leaf(name, addresses(), NOT_AFTER).ok()?;
        let made = Arc::new(CertifiedKey::new(vec![certificate], Arc::clone(&self.key)));
        issued.insert(name.to_owned(), Arc::clone(&made));
        Some(made)
    }
}

/// The name of the certificate for clients that send none, which are those that use an address.
const LOCAL: &str = "localhost";

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.for_name(&hello.server_name().unwrap_or(LOCAL).to_ascii_lowercase())
    }
}

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::kubernetes::reread::READ_AGAIN;

const SERVER: &str = "api.example.com";

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A certificate of this authority's and its key, both as PEM.
    fn signed(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// An API server that this authority vouches for, and which asks for certificates of `clients`.
    fn server(&self, clients: &Self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.der().into()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (certificate, key) = self.signed(SERVER);
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap()
    }
}

/// Whether the client trusts the server, and if so whether it showed a certificate.
async fn meet(client: &ClientConfig, server: ServerConfig) -> io::Result<bool> {
    let (here, there) = tokio::io::duplex(1 << 16);
    let accepted = tokio::spawn(TlsAcceptor::from(Arc::new(server)).accept(there));
    let connector = TlsConnector::from(Arc::new(client.clone()));
    let _stream = connector.connect(ServerName::try_from(SERVER).unwrap(), here).await?;
    Ok(accepted.await.unwrap()?.get_ref().1.peer_certificates().is_some())
}

fn configuration() -> Config {
    Config::new(http::Uri::from_static("https://api.example.com"))
}

#[tokio::test]
async fn the_servers_authority_counts_and_nothing_else() {
    let (ours, other) = (Authority::new(), Authority::new());
    let trusting = |config: &Config| client_config(config).unwrap();
    let mut config = configuration();
    config.root_cert = Some(vec![other.der(), ours.der()]);
    assert!(!meet(&trusting(&config), ours.server(&ours)).await.unwrap());
    config.root_cert = Some(vec![other.der()]);
    assert!(meet(&trusting(&config), ours.server(&ours)).await.is_err());
    config.accept_invalid_certs = true;
    assert!(!meet(&trusting(&config), ours.server(&ours)).await.unwrap());
}

#[tokio::test]
async fn a_client_certificate_is_shown_from_data_or_files() {
    let ours = Authority::new();
    let (certificate, key) = ours.signed("driver");
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let user = AuthInfo {
        client_certificate: Some(file("certificate", &certificate)),
        client_key: Some(file("key", &key)),
        ..AuthInfo::default()
    };
    let mut config = configuration();
    config.root_cert = Some(vec![ours.der()]);
    config.auth_info = user.clone();
    assert!(meet(&client_config(&config).unwrap(), ours.server(&ours)).await.unwrap());
    // Data counts more than the files, which are of no use now.
    config.auth_info = AuthInfo {
        client_certificate: Some(file("certificate", "none")),
        client_certificate_data: Some(STANDARD.encode(&certificate)),
        client_key: Some("/nowhere".to_owned()),
        client_key_data: Some(STANDARD.encode(&key).into()),
        ..user.clone()
    };
    assert!(meet(&client_config(&config).unwrap(), ours.server(&ours)).await.unwrap());

    for (user, expected) in [
        (AuthInfo { client_key: None, ..user.clone() }, "has client-certificate and no client-key"),
        (AuthInfo { client_certificate: None, ..user.clone() }, "has client-key and no client-certificate"),
        (AuthInfo { client_key: Some("/nowhere".to_owned()), ..user.clone() }, "failed to read /nowhere"),
        (
            AuthInfo { client_key_data: Some("?".to_owned().into()), ..user.clone() },
            "client-key of the kubeconfig is no base64",
        ),
        (
            AuthInfo { client_key_data: Some(STANDARD.encode("?").into()), ..user },
            "client-key of the kubeconfig is no base64",
        ),
    ] {
        config.auth_info = user;
        let error = client_config(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clusters_authority_is_read_again_and_may_be_gone() {
    let (before, after) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.crt");
    std::fs::write(&path, before.pem()).unwrap();
    let mut config = configuration();
    config.root_cert_file = Some(path.clone());
    let client = client_config(&config).unwrap();
    assert!(meet(&client, before.server(&before)).await.is_ok());

    std::fs::write(&path, after.pem()).unwrap();
    assert!(meet(&client, after.server(&after)).await.is_err());
    tokio::time::advance(READ_AGAIN).await;
    assert!(meet(&client, after.server(&after)).await.is_ok());

    std::fs::remove_file(&path).unwrap();
    tokio::time::advance(READ_AGAIN).await;
    assert!(meet(&client, after.server(&after)).await.is_ok());
}

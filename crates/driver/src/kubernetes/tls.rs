//! TLS with the API server: whom the driver trusts, and the certificate that it shows.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keymount_pem::decode_base64;
use keymount_sensitive::SecretBytes;
use kube::Config;
use kube::config::AuthInfo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier as SystemRoots;
use secrecy::ExposeSecret as _;

use super::reread::Reread;

/// TLS cannot be set up as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that the configuration names cannot be read.
    #[error("failed to read {}: {source} (check {field} of the kubeconfig)", path.display())]
    File {
        /// The entry that names it.
        field: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An entry is neither base64 nor PEM of what it should be.
    #[error("{0} of the kubeconfig is no base64 of a PEM block of its kind")]
    Malformed(&'static str),
    /// One of the two is missing.
    #[error("the kubeconfig's user has {0} and no {1}: both are needed")]
    Half(&'static str, &'static str),
    /// The key does not fit, or an authority cannot be used.
    #[error("TLS with the API server cannot be set up: {0} (check the certificates of the kubeconfig)")]
    Tls(#[from] rustls::Error),
    /// No authority can be read.
    #[error("no authority for the API server: {0} (check certificate-authority of the kubeconfig's cluster)")]
    Roots(#[from] rustls::client::VerifierBuilderError),
}

/// What the connections to the API server are made with.
pub(super) fn client_config(config: &Config) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier(config, provider)?);
    Ok(match identity(&config.auth_info)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    })
}

fn verifier(config: &Config, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if config.accept_invalid_certs {
        return Ok(Arc::new(Verifier { provider, trusted: Trusted::Anyone }));
    }
    if let Some(path) = &config.root_cert_file {
        let file = Reread::new(path, |path| authorities_of(path, &provider))?;
        return Ok(Arc::new(Verifier { provider, trusted: Trusted::File(file) }));
    }
    match &config.root_cert {
        Some(certificates) => {
            let certificates =
                certificates.iter().map(|der| CertificateDer::from(der.as_slice()).into_owned());
            Ok(authorities(certificates, provider)?)
        }
        // As client-go does: the system's.
        None => Ok(Arc::new(SystemRoots::new(provider)?)),
    }
}

fn authorities(
    certificates: impl Iterator<Item = CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

fn authorities_of(
    path: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    const FIELD: &str = "certificate-authority";
    let pem = read(FIELD, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.expose()).collect();
    authorities(certificates.map_err(|_| TlsError::Malformed(FIELD))?.into_iter(), Arc::clone(provider))
}

/// The client's certificate with its chain, and the key. Data counts more than a file beside it.
fn identity(
    user: &AuthInfo,
) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
    const CERTIFICATE: &str = "client-certificate";
    const KEY: &str = "client-key";
    let certificate =
        pem(CERTIFICATE, user.client_certificate_data.as_deref(), user.client_certificate.as_deref())?;
    let key_data = user.client_key_data.as_ref().map(|data| data.expose_secret());
    match (certificate, pem(KEY, key_data, user.client_key.as_deref())?) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(TlsError::Half(CERTIFICATE, KEY)),
        (None, Some(_)) => Err(TlsError::Half(KEY, CERTIFICATE)),
        (Some(certificate), Some(key)) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.expose()).collect();
            let chain = chain.map_err(|_| TlsError::Malformed(CERTIFICATE))?;
            let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| TlsError::Malformed(KEY))?;
            Ok(Some((chain, key)))
        }
    }
}

fn pem(field: &'static str, data: Option<&str>, file: Option<&str>) -> Result<Option<SecretBytes>, TlsError> {
    match (data, file) {
        (Some(data), _) => decode_base64(data.as_bytes()).map(Some).map_err(|_| TlsError::Malformed(field)),
        (None, Some(file)) => read(field, Path::new(file)).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(field: &'static str, path: &Path) -> Result<SecretBytes, TlsError> {
    let read = std::fs::read(path);
    read.map(SecretBytes::new).map_err(|source| TlsError::File { field, path: path.to_owned(), source })
}

/// What rustls and the system have no verifier for.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trusted: Trusted,
}

#[derive(Debug)]
enum Trusted {
    /// `insecure-skip-tls-verify` of the kubeconfig: any certificate, of whoever has its key.
    Anyone,
    /// The authorities of a file: the cluster's own are replaced while pods run.
    File(Reread<Arc<WebPkiServerVerifier>>),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trusted {
            Trusted::Anyone => Ok(ServerCertVerified::assertion()),
            Trusted::File(file) => file
                .current(|path| authorities_of(path, &self.provider))
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

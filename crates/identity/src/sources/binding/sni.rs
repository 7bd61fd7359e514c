//! The TLS server name of a cluster's token proxy: a hash of the cluster's id, which the API server's
//! certificate carries in a name of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::BindingOptions;
use crate::transport::{Roots, install_tls_provider};

const SALT: &str = "identity-binding";
const SAN: (&str, &str) = ("hcp-kubernetes.", ".svc.cluster.local");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Texts are those of the Go stack.
pub(super) async fn compute(options: &BindingOptions) -> Result<String, String> {
    let id = cluster_id(options)
        .await
        .map_err(|error| format!("extract cluster ID from API server certificate: {error}"))?;
    Ok(name_for(&id))
}

/// `a`, the hash in lower-case base32 with the digits first and without padding, `.ests.aks`.
fn name_for(cluster_id: &str) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let hash = digest(&SHA256, format!("{SALT}{cluster_id}").as_bytes());
    let mut name = String::from("a");
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in hash.as_ref() {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            name.push(char::from(ALPHABET[(bits >> held) as usize & 31]));
        }
    }
    if held > 0 {
        name.push(char::from(ALPHABET[(bits << (5 - held)) as usize & 31]));
    }
    name + ".ests.aks"
}

async fn cluster_id(options: &BindingOptions) -> Result<String, String> {
    let file = options.ca_file.display();
    if let Err(error) = tokio::fs::metadata(&options.ca_file).await {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory",
            io::ErrorKind::PermissionDenied => "permission denied",
            _ => "input/output error",
        };
        return Err(format!(
            "read CA file {file}: open {file}: {reason} (use --sni-name flag to skip automatic SNI detection)"
        ));
    }
    let roots = Roots::only_file(&options.ca_file).load();
    if roots.is_empty() {
        return Err(format!("no valid certificates found in {file}"));
    }
    install_tls_provider();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let leaf = tokio::time::timeout(CONNECT_TIMEOUT, server_certificate(options, config))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        .map_err(|error| format!("TLS connect to API server: {error}"))?;
    id_in(&leaf)
}

async fn server_certificate(
    options: &BindingOptions,
    config: ClientConfig,
) -> io::Result<CertificateDer<'static>> {
    let (host, port) = &options.api_server;
    let mut addresses = options.transport.resolver.addresses(host).await.map_err(io::Error::other)?;
    for address in &mut addresses {
        if address.port() == 0 {
            address.set_port(*port);
        }
    }
    let stream = TcpStream::connect(addresses.as_slice()).await?;
    let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let leaf = certificates.and_then(<[_]>::first);
    leaf.map(|leaf| leaf.clone().into_owned())
        .ok_or_else(|| io::Error::other("no certificates presented by API server"))
}

fn id_in(leaf: &CertificateDer<'_>) -> Result<String, String> {
    let certificate = webpki::EndEntityCert::try_from(leaf)
        .map_err(|error| format!("the API server's certificate cannot be read: {error}"))?;
    let id = certificate.valid_dns_names().find_map(|name| name.strip_prefix(SAN.0)?.strip_suffix(SAN.1));
    match id {
        Some("") => Err(format!("empty cluster ID in SAN \"{}{}\"", SAN.0, SAN.1)),
        Some(id) => Ok(id.to_owned()),
        None => {
            Err("cluster ID SAN not found in API server certificate (use --sni-name flag to provide SNI \
                     name explicitly)"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_computed_by_the_rule() {
        for (id, name) in [
            ("696995ccb303450001b31a18", "aeaf29ip1hi5q38ebc3u4daum81u0unk52t5bg50j25234fmuj78g.ests.aks"),
            ("abc123def456", "avimke6u6l2eeq8qc1cneuaq4sl2e1av9t4clqgun97le32hub670.ests.aks"),
        ] {
            assert_eq!(name_for(id), name);
        }
    }

    #[test]
    fn the_id_stands_in_a_name_of_the_certificate() {
        let certificate = |names: &[&str]| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let parameters = rcgen::CertificateParams::new(names).expect("parameters");
            parameters.self_signed(&key).expect("a certificate").der().clone()
        };
        let found = id_in(&certificate(&["kubernetes", "hcp-kubernetes.abc123.svc.cluster.local"]));
        assert_eq!(found.as_deref(), Ok("abc123"));
        let none = id_in(&certificate(&["kubernetes.default.svc.cluster.local"]));
        assert!(
            none.expect_err("an error").starts_with("cluster ID SAN not found in API server certificate")
        );
    }

    #[tokio::test]
    async fn without_the_clusters_authority_the_flag_is_named() {
        let options = BindingOptions {
            ca_file: "/absent/ca.crt".into(),
            ..BindingOptions::in_cluster(None, crate::transport::TransportOptions::default())
        };
        assert_eq!(
            compute(&options).await.expect_err("an error"),
            "extract cluster ID from API server certificate: read CA file /absent/ca.crt: open /absent/ca.crt: \
             no such file or directory (use --sni-name flag to skip automatic SNI detection)"
        );
    }
}

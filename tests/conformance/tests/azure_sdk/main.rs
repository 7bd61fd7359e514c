//! The emulator against clients nobody here wrote: the official Azure SDK for Rust.
//!
//! Host names are the real ones, resolved to the emulator; TLS is verified against its authority, and the
//! SDK's own check that a challenge belongs to the vault stays on.

mod certificates;
mod credentials;
mod keys;
mod secrets;

use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use keymount_emulator::entra::Identity;
use keymount_emulator::{DEFAULT_TENANT, Emulator, Options};

const APP: &str = "11111111-0000-4000-8000-000000000001";
const VAULT: &str = "https://kv1.vault.azure.net";

/// An emulator with a vault and an application.
struct Bench {
    emulator: Emulator,
}

impl Bench {
    async fn start() -> Self {
        let emulator = Emulator::start(Options::default()).await.expect("an emulator");
        emulator.directory().add(Identity::with_secret(APP, "s3cret"));
        let _ = emulator.vault("kv1");
        Self { emulator }
    }

    /// Options of an SDK client that finds Azure at the emulator, and does not try again.
    fn options(&self) -> ClientOptions {
        let ca = self.emulator.ca().der().expect("DER");
        // The SDK has the address of the metadata service fixed; as the proxy of plain HTTP the emulator
        // is asked for it all the same.
        let imds = reqwest::Proxy::http(self.emulator.started().imds).expect("an address");
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_der(&ca).expect("a certificate")])
            .proxy(imds)
            .resolve("kv1.vault.azure.net", self.emulator.address())
            .resolve("login.microsoftonline.com", self.emulator.address())
            .build()
            .expect("a client");
        ClientOptions {
            transport: Some(Transport::new(Arc::new(client))),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        }
    }

    fn credential(&self) -> Arc<dyn TokenCredential> {
        self.with_secret("s3cret")
    }

    fn with_secret(&self, secret: &str) -> Arc<dyn TokenCredential> {
        let options = ClientSecretCredentialOptions { client_options: self.options() };
        let secret = Secret::new(secret.to_owned());
        ClientSecretCredential::new(DEFAULT_TENANT, APP.to_owned(), secret, Some(options))
            .expect("a credential")
    }
}

/// HTTP status and service error code of a failed call.
fn refusal<T>(result: azure_core::Result<T>) -> (StatusCode, String) {
    let error = result.err().expect("an error");
    let azure_core::error::ErrorKind::HttpResponse { status, error_code, .. } = error.kind() else {
        panic!("a response, not {error}")
    };
    (*status, error_code.clone().unwrap_or_default())
}

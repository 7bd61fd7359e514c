//! The vault client with its cache and its gate, without a vault.

use std::sync::Arc;
use std::time::Duration;

use keymount_clock::WallClock;
use keymount_identity::transport::{Http, Scripted, TransportOptions, answer};
use keymount_identity::{
    BindingOptions, Credential, Identities, ManagedIdentityId, NMI_ENDPOINT, Options, Region, Session,
};
use keymount_keyvault::{CacheOptions, GateOptions, Lane, Vaults, VaultsOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use url::Url;

use crate::Work;

const RESOURCE: &str = "https://vault.azure.net";

/// From the cache, as one mount after the other asks.
pub(crate) fn cached() -> Work {
    mounts(CacheOptions { ttl: Duration::from_secs(3600), ..CacheOptions::default() })
}

/// From the vault: request, answer, JSON.
pub(crate) fn fetched() -> Work {
    mounts(CacheOptions { ttl: Duration::ZERO, ..CacheOptions::default() })
}

/// Mounts of ten secrets.
fn mounts(cache: CacheOptions) -> Work {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let azure = Azure::new(cache, &runtime);
    Box::new(move || runtime.block_on(azure.mount()))
}

struct Azure {
    vaults: Arc<Vaults>,
    session: Session,
}

impl Azure {
    fn new(cache: CacheOptions, runtime: &Runtime) -> Self {
        let _entered = runtime.enter();
        let http: Arc<dyn Http> = Arc::new(Scripted::new(|request| async move {
            let body = if request.url().path().contains("oauth2") {
                r#"{"access_token":"t","expires_in":"86400","token_type":"Bearer"}"#.to_owned()
            } else {
                let id = format!("https://kv.vault.azure.net{}0123456789abcdef", request.url().path());
                let attributes =
                    r#""attributes":{"enabled":true,"created":1,"updated":1,"recoveryLevel":"Recoverable"}"#;
                format!(r#"{{"value":"{:064}","id":"{id}",{attributes},"tags":{{"a":"b"}}}}"#, 0)
            };
            Ok(answer(200, body))
        }));
        let endpoint = Url::parse(NMI_ENDPOINT).expect("a URL");
        let identities = Arc::new(Identities::new(Options {
            entra: Arc::clone(&http),
            node: Arc::clone(&http),
            imds_endpoint: endpoint.clone(),
            arc: None,
            binding: BindingOptions::in_cluster(None, TransportOptions::default()),
            nmi_endpoint: endpoint,
            region: Region::default(),
            clock: WallClock::system(),
            observer: Arc::new(()),
        }));
        let credential = Credential::ManagedIdentity(ManagedIdentityId::parse("app"));
        let session = identities.login(credential).expect("a session");
        let vaults = Arc::new(Vaults::new(VaultsOptions {
            http,
            clock: WallClock::system(),
            cache,
            gate: GateOptions::default(),
            observer: Arc::new(()),
        }));
        Self { vaults, session }
    }

    async fn mount(&self) {
        let url = Url::parse("https://kv.vault.azure.net/").expect("a URL");
        let deadline = Instant::now() + Duration::from_secs(600);
        let (host, session) = ("kv.vault.azure.net", self.session.clone());
        let vault = self.vaults.vault(url, host, Some(RESOURCE), session, Lane::Mount, deadline);
        for number in 0..10 {
            let secret = vault.secret(&format!("s-{number}"), "").await.map_err(|error| error.to_string());
            assert!(secret.expect("a secret").value.is_some());
        }
    }
}

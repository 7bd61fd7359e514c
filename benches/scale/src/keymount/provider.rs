//! The provider of one node: what a mount asks of the real identity and vault clients, all objects at once.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::try_join_all;
use keymount_identity::transport::{Http, TransportOptions};
use keymount_identity::{
    Authority, BindingOptions, Credential, IMDS_ENDPOINT, Identities, NMI_ENDPOINT, Options, Pod, Region,
};
use keymount_keyvault::{CacheOptions, GateOptions, Lane, VaultError, Vaults, VaultsOptions};
use keymount_sensitive::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::azure::{Wire, host};
use crate::shape::Shape;
use crate::world::World;

/// What tokens for vaults of the public cloud are asked for.
const RESOURCE: &str = "https://vault.azure.net";

/// Kubelet renews a pod's token when so many seconds of its hour have passed.
const RENEWED_AFTER: i64 = 48 * 60;

pub(super) struct Provider {
    shape: Shape,
    world: Arc<World>,
    identities: Arc<Identities>,
    vaults: Arc<Vaults>,
    authority: Authority,
    classes: Vec<Class>,
}

/// What the volumes of one class have in common.
struct Class {
    pod: Pod,
    vault: Url,
    host: String,
    objects: Vec<String>,
}

/// The service account token of one pod, as kubelet last brought it.
#[derive(Default)]
pub(super) struct PodToken {
    until: i64,
    token: String,
}

impl Provider {
    pub(super) fn new(world: &Arc<World>, node: usize) -> Self {
        let shape = world.shape;
        let http: Arc<dyn Http> = Arc::new(Wire(Arc::clone(&world.azure)));
        let url = |text: &str| Url::parse(text).expect("a constant");
        let identities = Identities::new(Options {
            entra: Arc::clone(&http),
            node: Arc::clone(&http),
            imds_endpoint: url(IMDS_ENDPOINT),
            arc: None,
            binding: BindingOptions::in_cluster(None, TransportOptions::default()),
            nmi_endpoint: url(NMI_ENDPOINT),
            region: Region::default(),
            clock: world.clock.clone(),
            observer: Arc::new(()),
        });
        let vaults = Vaults::new(VaultsOptions {
            http,
            clock: world.clock.clone(),
            cache: CacheOptions {
                ttl: std::time::Duration::from_secs(shape.cache_seconds),
                ..CacheOptions::default()
            },
            gate: GateOptions::default(),
            observer: Arc::new(()),
        });
        let class = |group: usize| {
            let class = shape.class(node, group);
            let host = host(shape.vault(class));
            Class {
                pod: Pod {
                    namespace: format!("team-{class}"),
                    service_account: "app".to_owned(),
                    ..Pod::default()
                },
                vault: url(&format!("https://{host}/")),
                host,
                objects: (0..shape.objects).map(|object| format!("secret-{class}-{object}")).collect(),
            }
        };
        Self {
            shape,
            world: Arc::clone(world),
            identities: Arc::new(identities),
            vaults: Arc::new(vaults),
            authority: Authority::new("", None, "tenant").expect("the public cloud's"),
            classes: (0..shape.classes_per_node).map(class).collect(),
        }
    }

    pub(super) fn namespace(&self, volume: usize) -> &str {
        &self.classes[self.shape.group(volume)].pod.namespace
    }

    /// Fetches the content of a volume and gives its version.
    pub(super) async fn mount(
        &self,
        volume: usize,
        token: &str,
        lane: Lane,
        deadline: Instant,
    ) -> Result<u32, VaultError> {
        let class = &self.classes[self.shape.group(volume)];
        let credential = Credential::WorkloadIdentity {
            authority: self.authority.clone(),
            client_id: class.pod.namespace.clone(),
            token: SecretString::new(token.to_owned()),
            pod: class.pod.clone(),
        };
        let session = self.identities.login(credential).expect("no Arc machine");
        let url = class.vault.clone();
        let vault = self.vaults.vault(url, &class.host, Some(RESOURCE), session, lane, deadline);
        let fetched = try_join_all(class.objects.iter().map(|object| vault.secret(object, ""))).await?;
        let version = |id: &str| id.rsplit('/').next().and_then(|version| version.parse().ok());
        Ok(fetched.iter().filter_map(|secret| version(secret.id.as_deref()?)).min().unwrap_or_default())
    }

    /// The token of a pod, renewed as kubelet does. `phase` tells pods apart.
    pub(super) fn token(&self, volume: usize, phase: i64, known: &mut PodToken) -> String {
        let now = self.world.clock.now().as_second();
        if now >= known.until {
            // As if kubelet had renewed it all the time.
            let age = (now + phase).rem_euclid(RENEWED_AFTER);
            known.until = now - age + RENEWED_AFTER;
            let pod = &self.classes[self.shape.group(volume)].pod;
            let claims = format!(
                r#"{{"iss":"https://cluster","sub":"system:serviceaccount:{}:{}","exp":{},"jti":"{phase}"}}"#,
                pod.namespace,
                pod.service_account,
                now - age + 3600
            );
            known.token = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        }
        known.token.clone()
    }
}

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use http::StatusCode;
use keymount_sensitive::SecretString;

use super::*;
use crate::authority::Authority;
use crate::credential::Pod;
use crate::service_account::tests::jwt;
use crate::sources::imds::ManagedIdentityId;
use crate::transport::{Answer, Request, Scripted, TransportOptions, answer};

pub(super) const NOW: i64 = 1_800_000_000;

/// A stand-in for Entra: accepts what `accepts` says and numbers the tokens it issues.
pub(super) struct Issuer {
    pub(super) http: Arc<Scripted>,
    pub(super) identities: Arc<Identities>,
}

pub(super) type Form = HashMap<String, String>;

impl Issuer {
    pub(super) fn new(accepts: impl Fn(&Form) -> bool + Send + Sync + 'static) -> Self {
        Self::answering(move |form, number| {
            if accepts(form) {
                answer(200, format!(r#"{{"access_token":"token-{number}","expires_in":3600}}"#))
            } else {
                answer(400, r#"{"error":"invalid_grant","error_codes":[700213]}"#)
            }
        })
    }

    pub(super) fn answering(respond: impl Fn(&Form, usize) -> Answer + Send + Sync + 'static) -> Self {
        let issued = AtomicUsize::new(0);
        let http = Arc::new(Scripted::new(move |request: Request| {
            let form = url::form_urlencoded::parse(request.body().unwrap_or_default()).into_owned().collect();
            let answer = respond(&form, issued.fetch_add(1, Ordering::SeqCst));
            // A round trip takes time: long enough for everybody else to ask meanwhile.
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(answer)
            }
        }));
        let entra: Arc<dyn Http> = Arc::<Scripted>::clone(&http);
        let identities = Arc::new(Identities::new(Options {
            node: Arc::clone(&entra),
            entra,
            imds_endpoint: Url::parse(imds::DEFAULT_ENDPOINT).expect("a URL"),
            arc: None,
            binding: BindingOptions::in_cluster(None, TransportOptions::default()),
            nmi_endpoint: Url::parse(nmi::DEFAULT_ENDPOINT).expect("a URL"),
            region: Region::default(),
            clock: WallClock::simulated(jiff::Timestamp::from_second(NOW).expect("a time")),
            observer: Arc::new(()),
        }));
        Self { http, identities }
    }

    pub(super) fn requests(&self) -> usize {
        self.http.log().len()
    }

    pub(super) async fn access(&self, credential: Credential) -> Result<Access, TokenError> {
        let deadline = Instant::now() + Duration::from_secs(100);
        self.identities.login(credential).expect("a session").access(&scope(), deadline).await
    }
}

use crate::session::Access;

pub(super) fn scope() -> Scope {
    Scope::of("https://vault.azure.net")
}

pub(super) fn authority() -> Authority {
    Authority::new("https://login.test", None, "tenant").expect("an authority")
}

pub(super) fn pod(namespace: &str, service_account: &str) -> Pod {
    Pod {
        namespace: namespace.to_owned(),
        name: "web-0".to_owned(),
        uid: "1".to_owned(),
        service_account: service_account.to_owned(),
    }
}

/// A pod's own, honest credential. `signature` makes its token another than its neighbours'.
pub(super) fn workload(client: &str, namespace: &str, account: &str, signature: &str) -> Credential {
    let subject = format!("system:serviceaccount:{namespace}:{account}");
    Credential::WorkloadIdentity {
        authority: authority(),
        client_id: client.to_owned(),
        token: jwt("https://issuer.test", &subject, NOW + 3600, signature),
        pod: pod(namespace, account),
    }
}

fn principal(secret: &str) -> Credential {
    Credential::ServicePrincipal {
        authority: authority(),
        client_id: "app".to_owned(),
        proof: ClientProof::Secret(SecretString::new(secret.to_owned())),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_mounts_at_once_ask_once() {
    let issuer = Issuer::new(|_| true);
    let mounts = (0..100).map(|_| issuer.access(principal("s3cret")));
    for outcome in futures::future::join_all(mounts).await {
        assert_eq!(outcome.expect("a token").token.secret().expose(), "token-0");
    }
    issuer.access(principal("s3cret")).await.expect("a token");
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_ahead_of_its_end_without_keeping_a_mount_waiting() {
    let issuer = Issuer::new(|_| true);
    let get = async || issuer.access(principal("s")).await.expect("a token").token.secret().expose().clone();
    assert_eq!(get().await, "token-0");
    tokio::time::advance(Duration::from_secs(46 * 60)).await;
    let asked = Instant::now();
    assert_eq!(get().await, "token-0");
    assert_eq!(asked.elapsed(), Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(get().await, "token-1");
    assert_eq!(issuer.requests(), 2);
    tokio::time::advance(Duration::from_secs(3601)).await;
    assert_eq!(get().await, "token-2", "an expired one is never served");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_issuer_is_bridged_while_the_token_lives() {
    let issuer = Issuer::answering(|_, number| match number {
        0 => answer(200, r#"{"access_token":"first","expires_in":3600}"#),
        _ => answer(503, ""),
    });
    issuer.access(principal("s")).await.expect("a token");
    tokio::time::advance(Duration::from_secs(56 * 60)).await;
    assert_eq!(issuer.access(principal("s")).await.expect("a token").token.secret().expose(), "first");
    tokio::time::advance(Duration::from_secs(4 * 60)).await;
    assert!(issuer.access(principal("s")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_replaced_once_for_all() {
    let issuer = Issuer::new(|_| true);
    let session = issuer.identities.login(principal("s")).expect("a session");
    let deadline = Instant::now() + Duration::from_secs(100);
    let rejected = session.access(&scope(), deadline).await.expect("a token");
    let scope = scope();
    let renewals = (0..10).map(|_| session.renew(&scope, &rejected, None, deadline));
    for renewed in futures::future::join_all(renewals).await {
        assert_eq!(renewed.expect("a token").token.secret().expose(), "token-1");
    }
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn claims_of_a_challenge_reach_the_issuer() {
    let seen = Arc::new(Mutex::new(String::new()));
    let record = Arc::clone(&seen);
    let issuer = Issuer::new(move |form| {
        record.lock().expect("the lock").clone_from(&form["claims"]);
        true
    });
    let session = issuer.identities.login(principal("s")).expect("a session");
    let deadline = Instant::now() + Duration::from_secs(100);
    let rejected = session.access(&scope(), deadline).await.expect("a token");
    let demand = r#"{"access_token":{"nbf":{"value":"1"}}}"#;
    session.renew(&scope(), &rejected, Some(demand), deadline).await.expect("a token");
    assert!(seen.lock().expect("the lock").contains("nbf"));
}

#[tokio::test(start_paused = true)]
async fn who_joins_late_is_not_cut_short_by_the_first_ones_deadline() {
    let issuer = Issuer::answering(|_, number| {
        answer(if number == 0 { 503 } else { 200 }, r#"{"access_token":"t","expires_in":3600}"#)
    });
    let session = issuer.identities.login(principal("s")).expect("a session");
    let now = Instant::now();
    let scope = scope();
    let hasty = session.access(&scope, now + Duration::from_millis(10));
    let patient = session.access(&scope, now + Duration::from_secs(60));
    let (hasty, patient) = tokio::join!(hasty, patient);
    assert!(hasty.is_err_and(|error| error.is_deadline()));
    assert!(patient.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_nodes_identities_share_tokens_but_not_with_each_other() {
    let issuer = Issuer::new(|_| true);
    for id in ["", "one", "two", "one", ""] {
        issuer.access(Credential::ManagedIdentity(ManagedIdentityId::parse(id))).await.expect("a token");
    }
    assert_eq!(issuer.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn pod_identity_is_asked_for_each_mount_and_once_within_it() {
    let issuer = Issuer::answering(|_, _| {
        answer(200, r#"{"token":{"access_token":"t","expires_in":"3600"},"clientid":"c"}"#)
    });
    let deadline = Instant::now() + Duration::from_secs(100);
    for mount in 1..=3 {
        let session =
            issuer.identities.login(Credential::PodIdentity { pod: pod("shop", "web") }).expect("a session");
        for _ in 0..3 {
            session.access(&scope(), deadline).await.expect("a token");
        }
        assert_eq!(issuer.requests(), mount);
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_one_request_is_everybodys() {
    let issuer = Issuer::answering(|_, _| Answer { status: StatusCode::FORBIDDEN, ..answer(200, "no") });
    let session = issuer.identities.login(principal("s")).expect("a session");
    let (deadline, scope) = (Instant::now() + Duration::from_secs(100), scope());
    let all = (0..20).map(|_| session.access(&scope, deadline));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_err));
    assert_eq!(issuer.requests(), 1);
}

//! I6 as attacks: whatever a tenant presents, it gets no token and no key of another identity.

use super::tests::{Issuer, NOW, authority, pod, scope, workload};
use super::*;
use crate::service_account::tests::jwt;
use keymount_sensitive::SecretString;

/// An issuer that knows one honest pod: client `victim`, service account bank:web, tokens signed `good…`.
fn issuer() -> Issuer {
    Issuer::new(|form| {
        let token = form.get("client_assertion").map(String::as_str).unwrap_or_default();
        let signed = token.rsplit('.').next().is_some_and(|signature| signature.starts_with("good"));
        let secret = form.get("client_secret").is_some_and(|secret| secret == "right");
        (form["client_id"] == "victim" && signed) || secret
    })
}

fn honest(signature: &str) -> Credential {
    workload("victim", "bank", "web", signature)
}

#[tokio::test(start_paused = true)]
async fn i6_a_forged_token_with_the_victims_subject_gets_nothing() {
    let issuer = issuer();
    let victim = issuer.access(honest("good-1")).await.expect("a token");
    assert!(victim.key.is_some());
    // Kubelet reports the attacker's own namespace; the forged token claims the victim's.
    for (namespace, account) in [("evil", "web"), ("bank", "other"), ("evil", "")] {
        let forged = Credential::WorkloadIdentity {
            authority: authority(),
            client_id: "victim".to_owned(),
            token: jwt("https://issuer.test", "system:serviceaccount:bank:web", NOW + 3600, "forged"),
            pod: pod(namespace, account),
        };
        let session = issuer.identities.login(forged).expect("a session");
        assert_eq!(session.claimed_key(), None, "nothing cached may be served under this token");
        let before = issuer.requests();
        assert!(session.access(&scope(), Instant::now() + Duration::from_secs(9)).await.is_err());
        assert_eq!(issuer.requests(), before + 1, "it had to ask, and was refused");
    }
}

#[tokio::test(start_paused = true)]
async fn i6_a_forged_token_of_the_very_same_service_account_pays_an_exchange_and_fails() {
    let issuer = issuer();
    issuer.access(honest("good-1")).await.expect("a token");
    let before = issuer.requests();
    assert!(issuer.access(honest("forged")).await.is_err());
    assert_eq!(issuer.requests(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn i6_each_token_is_accepted_once_before_it_shares() {
    let issuer = issuer();
    let first = issuer.access(honest("good-1")).await.expect("a token");
    issuer.access(honest("good-1")).await.expect("a token");
    assert_eq!(issuer.requests(), 1, "accepted before");
    let second = issuer.access(honest("good-2")).await.expect("a token");
    assert_eq!(issuer.requests(), 2, "another pod's token pays its own exchange");
    assert_eq!(first.key, second.key, "and is the same identity then");
    issuer.access(honest("good-2")).await.expect("a token");
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn i6_a_token_accepted_for_one_client_is_no_proof_for_another() {
    let issuer = issuer();
    issuer.access(honest("good-1")).await.expect("a token");
    assert!(issuer.access(workload("another", "bank", "web", "good-1")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn i6_service_accounts_of_one_name_in_two_namespaces_are_two_identities() {
    let issuer = Issuer::new(|_| true);
    let bank = issuer.access(workload("victim", "bank", "web", "s")).await.expect("a token");
    let shop = issuer.access(workload("victim", "shop", "web", "s")).await.expect("a token");
    assert_ne!(bank.key, shop.key);
    assert_ne!(bank.token.secret().expose(), shop.token.secret().expose());
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn i6_knowing_the_client_id_is_not_enough() {
    let issuer = issuer();
    let principal = |secret: &str| Credential::ServicePrincipal {
        authority: authority(),
        client_id: "app".to_owned(),
        proof: ClientProof::Secret(SecretString::new(secret.to_owned())),
    };
    let owner = issuer.access(principal("right")).await.expect("a token");
    let thief = issuer.identities.login(principal("wrong")).expect("a session");
    assert_ne!(thief.claimed_key(), owner.key);
    assert!(thief.access(&scope(), Instant::now() + Duration::from_secs(9)).await.is_err());
    assert!(issuer.access(principal("right")).await.is_ok(), "the owner is not disturbed");
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn i6_a_revoked_identity_loses_its_cached_token() {
    let revoked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&revoked);
    let issuer = Issuer::new(move |_| !flag.load(Ordering::SeqCst));
    issuer.access(honest("good-1")).await.expect("a token");
    issuer.access(honest("good-1")).await.expect("the cached token");
    revoked.store(true, Ordering::SeqCst);
    assert!(issuer.access(honest("good-2")).await.is_err(), "the next exchange is refused");
    assert!(issuer.access(honest("good-1")).await.is_err(), "and then nobody of it is served");
}

#[tokio::test(start_paused = true)]
async fn i6_tokens_that_are_not_kubelets_work_but_share_nothing() {
    let issuer = Issuer::new(|_| true);
    let opaque = |token: &str| Credential::WorkloadIdentity {
        authority: authority(),
        client_id: "victim".to_owned(),
        token: SecretString::new(token.to_owned()),
        pod: pod("bank", "web"),
    };
    for (mount, token) in ["opaque", "opaque", "a.b.c"].into_iter().enumerate() {
        let access = issuer.access(opaque(token)).await.expect("a token");
        assert!(access.key.is_none());
        assert_eq!(issuer.requests(), mount + 1, "each mount asks for itself");
    }
    let expired = Credential::WorkloadIdentity {
        authority: authority(),
        client_id: "victim".to_owned(),
        token: jwt("https://issuer.test", "system:serviceaccount:bank:web", NOW, "s"),
        pod: pod("bank", "web"),
    };
    assert!(issuer.access(expired).await.expect("a token").key.is_none());
}

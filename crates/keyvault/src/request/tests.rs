use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use keymount_clock::WallClock;
use keymount_identity::transport::{Request, Scripted, TransportOptions, answer};
use keymount_identity::{
    Authority, BindingOptions, ClientProof, Credential, IMDS_ENDPOINT, Identities, NMI_ENDPOINT, Options,
    Region, Session,
};

use super::*;
use crate::cache::CacheOptions;
use crate::error::VaultReason;
use crate::gate::{GateOptions, Lane};
use crate::vaults::{Vaults, VaultsOptions};

const CHALLENGE: &str =
    r#"Bearer authorization="https://login.evil.test/other", resource="https://vault.azure.net""#;

/// Entra and a vault in one script: tokens are `<client>-<number>`; what the vault answers, and how
/// long it takes, is up to each test.
struct World {
    http: Arc<Scripted>,
    identities: Arc<Identities>,
    vaults: Arc<Vaults>,
}

type Reply = BoxFuture<'static, Answer>;

impl World {
    fn new(vault: impl Fn(&Request, Option<&str>) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_ttl(Duration::from_secs(10), vault)
    }

    fn with_ttl(
        ttl: Duration,
        vault: impl Fn(&Request, Option<&str>) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let issued = AtomicUsize::new(0);
        let http = Arc::new(Scripted::new(move |request: Request| {
            if request.url().host_str() == Some("login.test") {
                let form = url::form_urlencoded::parse(request.body().unwrap_or_default()).into_owned();
                let client = form.into_iter().find(|(name, _)| name == "client_id").map(|(_, id)| id);
                let (client, number) = (client.unwrap_or_default(), issued.fetch_add(1, Ordering::SeqCst));
                let token = format!(r#"{{"access_token":"{client}-{number}","expires_in":3600}}"#);
                return async { Ok(answer(200, token)) }.boxed();
            }
            let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let reply = vault(&request, bearer.and_then(|value| value.strip_prefix("Bearer ")));
            async move { Ok(reply.await) }.boxed()
        }));
        let endpoint = |text| Url::parse(text).expect("a URL");
        let identities = Arc::new(Identities::new(Options {
            entra: Arc::<Scripted>::clone(&http),
            node: Arc::<Scripted>::clone(&http),
            imds_endpoint: endpoint(IMDS_ENDPOINT),
            arc: None,
            binding: BindingOptions::in_cluster(None, TransportOptions::default()),
            nmi_endpoint: endpoint(NMI_ENDPOINT),
            region: Region::default(),
            clock: WallClock::system(),
            observer: Arc::new(()),
        }));
        let vaults = Arc::new(Vaults::new(VaultsOptions {
            http: Arc::<Scripted>::clone(&http),
            clock: WallClock::system(),
            cache: CacheOptions { ttl, ..CacheOptions::default() },
            gate: GateOptions::default(),
            observer: Arc::new(()),
        }));
        Self { http, identities, vaults }
    }

    fn session(&self, client: &str) -> Session {
        let credential = Credential::ServicePrincipal {
            authority: Authority::new("https://login.test", None, "t").expect("an authority"),
            client_id: client.to_owned(),
            proof: ClientProof::Secret(format!("secret of {client}").into()),
        };
        self.identities.login(credential).expect("a session")
    }

    fn vault(&self, client: &str) -> Vault {
        self.vault_until(client, Duration::from_secs(100))
    }

    fn vault_until(&self, client: &str, time: Duration) -> Vault {
        self.vault_for(Lane::Mount, client, time)
    }

    fn vault_for(&self, lane: Lane, client: &str, time: Duration) -> Vault {
        self.vaults.vault(
            Url::parse("https://kv.vault.azure.net/").expect("a URL"),
            "kv.vault.azure.net",
            Some("https://vault.azure.net"),
            self.session(client),
            lane,
            Instant::now() + time,
        )
    }

    fn asked(&self) -> usize {
        self.http.count("kv.vault.azure.net")
    }
}

fn after(millis: u64, reply: Answer) -> Reply {
    async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        reply
    }
    .boxed()
}

fn secret(value: &str) -> Answer {
    let id = "https://kv.vault.azure.net/secrets/s/1";
    answer(200, format!(r#"{{"value":"{value}","id":"{id}"}}"#))
}

async fn read(vault: &Vault) -> Result<String, VaultError> {
    let bundle = vault.secret("s", "").await?;
    Ok(bundle.value.as_ref().map(|value| value.expose().clone()).unwrap_or_default())
}

fn denied() -> Answer {
    answer(403, r#"{"error":{"code":"Forbidden","innererror":{"code":"AccessDenied"}}}"#)
}

#[tokio::test(start_paused = true)]
async fn the_first_request_carries_the_token_already() {
    let world = World::new(|_, token| after(1, if token == Some("app-0") { secret("v") } else { denied() }));
    assert_eq!(read(&world.vault("app")).await.expect("a secret"), "v");
    assert_eq!(
        world.http.log(),
        [
            "POST https://login.test/t/oauth2/v2.0/token",
            "GET https://kv.vault.azure.net/secrets/s/?api-version=7.4"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_401_is_answered_once_and_never_at_the_authority_it_names() {
    let world = World::new(|_, token| {
        let refused = answer(401, "").with_header("www-authenticate", CHALLENGE);
        after(1, if token == Some("app-1") { secret("v") } else { refused })
    });
    assert_eq!(read(&world.vault("app")).await.expect("a secret"), "v");
    assert_eq!((world.http.log().len(), world.http.count("evil")), (4, 0));

    let stubborn = World::new(|_, _| after(1, answer(401, "").with_header("www-authenticate", CHALLENGE)));
    let error = read(&stubborn.vault("app")).await.expect_err("an error");
    assert!(error.to_string().contains("RESPONSE 401: 401 Unauthorized"), "{error}");
    assert_eq!((stubborn.asked(), error.reason()), (2, VaultReason::Unauthorized));

    let bare = World::new(|_, _| after(1, answer(401, "")));
    assert!(read(&bare.vault("app")).await.expect_err("an error").to_string().contains("RESPONSE 401"));
    assert_eq!(bare.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_for_something_else_gets_no_token() {
    let foreign = r#"Bearer authorization="https://login.test/t", resource="https://management.azure.com""#;
    let world = World::new(move |_, _| after(1, answer(401, "").with_header("www-authenticate", foreign)));
    let error = read(&world.vault("app")).await.expect_err("an error");
    assert!(
        error.to_string().starts_with("challenge resource \"https://management.azure.com\" doesn't match")
    );
    assert_eq!((world.asked(), world.http.count("POST")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_demand_for_claims_is_passed_on() {
    let demand = r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
    let world = World::new(move |_, token| {
        let refused = answer(401, "").with_header("www-authenticate", demand);
        after(1, if token == Some("app-1") { secret("v") } else { refused })
    });
    assert_eq!(read(&world.vault("app")).await.expect("a secret"), "v");
}

#[tokio::test(start_paused = true)]
async fn without_a_known_resource_the_vaults_challenge_tells() {
    let world = World::new(|_, token| {
        let unauthenticated = answer(401, "").with_header("www-authenticate", CHALLENGE);
        after(1, if token.is_some() { secret("v") } else { unauthenticated })
    });
    let vault = world.vaults.vault(
        Url::parse("https://kv.vault.azure.net/").expect("a URL"),
        "kv.vault.azure.net",
        None,
        world.session("app"),
        Lane::Mount,
        Instant::now() + Duration::from_secs(100),
    );
    assert_eq!(read(&vault).await.expect("a secret"), "v");
    assert!(vault.secret("t", "").await.is_ok());
    assert_eq!((world.asked(), world.http.count("POST")), (3, 1), "found out once");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_equal_mounts_cost_one_call_per_ttl() {
    let world = Arc::new(World::new(|_, _| after(50, secret("v"))));
    let mounts = (0..100).map(|n| {
        let world = Arc::clone(&world);
        async move {
            // One starts every 250 ms: 25 s in all, that is ceil(25 / 10) = 3 calls.
            tokio::time::sleep(Duration::from_millis(250 * n)).await;
            read(&world.vault("app")).await.expect("a secret")
        }
    });
    join_all(mounts).await;
    assert_eq!((world.asked(), world.http.count("POST")), (3, 1));
    let off = World::with_ttl(Duration::ZERO, |_, _| after(50, secret("v")));
    join_all((0..10).map(|_| async { read(&off.vault("app")).await.expect("a secret") })).await;
    assert_eq!(off.asked(), 10);
}

#[tokio::test(start_paused = true)]
async fn i6_two_identities_at_the_same_moment_never_share() {
    let world = World::new(|_, token| {
        let owner = token.unwrap_or_default().split('-').next().unwrap_or_default().to_owned();
        after(50, secret(&format!("for {owner}")))
    });
    let read = async |client: &str| read(&world.vault(client)).await.expect("a secret");
    let (one, two, again) = tokio::join!(read("one"), read("two"), read("one"));
    assert_eq!((one.as_str(), two.as_str(), again.as_str()), ("for one", "for two", "for one"));
    assert_eq!(world.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn i6_who_loses_its_permission_loses_what_is_cached_and_nobody_else_does() {
    let revoked = Arc::new(Mutex::new(String::new()));
    let script = Arc::clone(&revoked);
    let world = World::new(move |request, token| {
        let owner = token.unwrap_or_default().split('-').next().unwrap_or_default();
        let denied_to = script.lock().expect("the lock").clone();
        let slow = request.url().path().contains("slow");
        after(if slow { 500 } else { 50 }, if owner == denied_to { denied() } else { secret(owner) })
    });
    let (one, two) = (world.vault("one"), world.vault("two"));
    assert_eq!((read(&one).await.is_ok(), read(&two).await.is_ok()), (true, true));
    // A slow answer that was granted before the permission went must not come into the cache after.
    let slow = one.secret("slow", "");
    let lost = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        *revoked.lock().expect("the lock") = "one".to_owned();
        let other = one.secret("other", "").await.err().expect("an error");
        assert_eq!(other.reason(), VaultReason::AccessPolicy);
    };
    let (slow, ()) = tokio::join!(slow, lost);
    assert!(slow.is_ok(), "granted when it was asked");
    for name in ["s", "slow", "other"] {
        assert!(one.secret(name, "").await.is_err(), "{name}");
    }
    let before = world.asked();
    assert_eq!(read(&two).await.expect("a secret"), "two");
    assert_eq!(world.asked(), before, "the other identity's content is still cached");
}

#[tokio::test(start_paused = true)]
async fn i6_knowing_the_client_id_reads_nothing_from_the_cache() {
    let world = World::new(|_, _| after(1, secret("v")));
    read(&world.vault("app")).await.expect("a secret");
    let thief = world
        .identities
        .login(Credential::ServicePrincipal {
            authority: Authority::new("https://login.test", None, "t").expect("an authority"),
            client_id: "app".to_owned(),
            proof: ClientProof::Secret("guess".to_owned().into()),
        })
        .expect("a session");
    let url = Url::parse("https://kv.vault.azure.net/").expect("a URL");
    let deadline = Instant::now() + Duration::from_secs(9);
    let vault = world.vaults.vault(url, "kv", Some("https://vault.azure.net"), thief, Lane::Mount, deadline);
    read(&vault).await.expect("this issuer believes everybody");
    assert_eq!((world.asked(), world.http.count("POST")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_429_ends_after_four_tries_with_the_services_text() {
    let world = World::new(|_, _| after(1, answer(429, r#"{"error":{"code":"Throttled"}}"#)));
    let error = read(&world.vault("app")).await.expect_err("an error");
    let text = error.to_string();
    assert!(text.contains("RESPONSE 429: 429 Too Many Requests\nERROR CODE: Throttled"), "{text}");
    assert_eq!((world.asked(), error.reason()), (4, VaultReason::Throttled));

    let patient = World::new(|_, _| after(1, answer(429, "").with_header("retry-after", "61")));
    let began = Instant::now();
    let error = read(&patient.vault("app")).await.expect_err("an error");
    assert!(error.to_string().contains("RESPONSE 429"));
    assert_eq!(patient.asked(), 1);
    assert!(began.elapsed() < Duration::from_secs(1));
    let rotation = patient.vault_for(Lane::Rotation, "app", Duration::from_secs(30));
    let next = read(&rotation).await.expect_err("an error");
    assert!(matches!(next, VaultError::Throttled { .. }), "{next}");
    assert_eq!(patient.asked(), 1, "the vault is left alone");
}

/// Nobody waits for a rotation; to begin anew would cost what it has got so far.
#[tokio::test(start_paused = true)]
async fn a_rotation_bears_429s_as_long_as_it_has_time() {
    for (strikes, served) in [(7, true), (1000, false)] {
        let calls = AtomicUsize::new(0);
        let world = World::new(move |_, _| {
            let throttled = calls.fetch_add(1, Ordering::SeqCst) < strikes;
            after(1, if throttled { answer(429, "").with_header("retry-after", "5") } else { secret("v") })
        });
        let rotation = world.vault_for(Lane::Rotation, "app", Duration::from_secs(60));
        let outcome = read(&rotation).await;
        assert_eq!(outcome.is_ok(), served, "{strikes}");
        assert!(world.asked() <= 13, "one in five seconds: {}", world.asked());
        if let Err(error) = outcome {
            assert_eq!(error.reason(), VaultReason::Throttled);
        }
    }
}

/// Where a 429 is the exception only who got it waits, as long as it was told or on the schedule.
#[tokio::test(start_paused = true)]
async fn one_refused_of_many_waits_alone() {
    for (lane, asked, shortest) in [
        (Lane::Mount, Some("2"), Duration::from_secs(2)),
        (Lane::Mount, None, Duration::from_millis(640)),
        (Lane::Rotation, Some("1"), Duration::from_secs(1)),
        (Lane::Rotation, None, Duration::from_millis(640)),
    ] {
        let refused = AtomicUsize::new(0);
        let world = World::new(move |request, _| {
            let unlucky =
                request.url().path().ends_with("/unlucky/") && refused.fetch_add(1, Ordering::SeqCst) < 2;
            after(
                1,
                match asked {
                    Some(pause) if unlucky => answer(429, "").with_header("retry-after", pause),
                    None if unlucky => answer(429, ""),
                    _ => secret("v"),
                },
            )
        });
        let vault = world.vault_for(lane, "app", Duration::from_secs(100));
        for number in 0..32 {
            vault.secret(&format!("s{number}"), "").await.expect("a secret");
        }
        let began = Instant::now();
        let unlucky = vault.secret("unlucky", "");
        let other = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            vault.secret("other", "").await.map(|_| began.elapsed())
        };
        let (unlucky, other) = tokio::join!(unlucky, other);
        assert!(unlucky.is_ok());
        assert!(began.elapsed() >= shortest * 2, "{:?}", began.elapsed());
        assert!(other.expect("a secret") < Duration::from_millis(20), "the other does not wait");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_to_the_second() {
    let calls = AtomicUsize::new(0);
    let world = World::new(move |_, _| {
        let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        after(0, if first { answer(429, "").with_header("retry-after", "7") } else { secret("v") })
    });
    let began = Instant::now();
    read(&world.vault("app")).await.expect("a secret");
    assert_eq!(began.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_mounts_on_a_throttled_vault_sends_a_handful_of_requests() {
    let opened = Instant::now() + Duration::from_secs(20);
    let world = Arc::new(World::new(move |_, _| {
        after(20, if Instant::now() < opened { answer(429, "") } else { secret("v") })
    }));
    let mounts = (0..250).map(|n| {
        let world = Arc::clone(&world);
        async move { world.vault(&format!("client{n}")).secret("s", "").await.is_ok() }
    });
    let served = join_all(mounts).await.into_iter().filter(|ok| *ok).count();
    assert!(served >= 240, "{served}");
    let wasted = world.asked() - served;
    assert!(wasted < 40, "{wasted} requests were answered with 429");
}

#[tokio::test(start_paused = true)]
async fn server_errors_are_tried_again_as_long_as_there_is_time() {
    let world = World::new(|_, _| after(1, answer(503, "")));
    let began = Instant::now();
    let error = read(&world.vault("app")).await.expect_err("an error");
    assert!(error.to_string().contains("RESPONSE 503"));
    assert_eq!(world.asked(), 4);
    assert!((7040..=11_500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let began = Instant::now();
    let error = read(&world.vault_until("app", Duration::from_secs(2))).await.expect_err("an error");
    assert!(error.to_string().contains("RESPONSE 503"), "the reason, not the deadline: {error}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_hangs_is_named_with_stage_and_time() {
    let world = World::new(|_, _| after(1_000_000, secret("v")));
    let error = read(&world.vault_until("app", Duration::from_secs(9))).await.expect_err("an error");
    assert_eq!(
        error.to_string(),
        "context deadline exceeded: GET https://kv.vault.azure.net/secrets/s/?api-version=7.4 \
         was waiting for an answer for 9 s"
    );
}

#[tokio::test(start_paused = true)]
async fn lists_are_followed_to_their_end_on_this_vault_only() {
    let page = |name: &str, next: &str| {
        let id = format!("https://kv.vault.azure.net/secrets/s/{name}");
        answer(200, format!(r#"{{"value":[{{"id":"{id}","attributes":{{}}}}],"nextLink":{next}}}"#))
    };
    let world = World::new(move |request, token| {
        assert!(token.is_some());
        let last = request.url().query().is_some_and(|query| query.contains("skiptoken=2"));
        let next = r#""https://kv.vault.azure.net/secrets/s/versions?api-version=7.4&$skiptoken=2""#;
        after(1, if last { page("b", "null") } else { page("a", next) })
    });
    let list = world.vault("app").versions(ObjectKind::Secret, "s").await.expect("a list");
    assert_eq!(
        list.iter().map(|entry| entry.id.rsplit('/').next()).collect::<Vec<_>>(),
        [Some("a"), Some("b")]
    );
    assert_eq!(world.asked(), 2);
    for foreign in [
        "https://evil.test/secrets/s/versions",
        "http://kv.vault.azure.net/secrets/s/versions",
        "https://kv.vault.azure.net:8443/x",
        "https://user@kv.vault.azure.net/x",
        "/secrets/s/versions",
    ] {
        let world = World::new(move |_, _| after(1, page("a", &format!("\"{foreign}\""))));
        let error = world.vault("app").versions(ObjectKind::Secret, "s").await.err().expect("an error");
        assert_eq!(error.reason(), VaultReason::Suspicious, "{foreign}");
        assert_eq!(world.http.log().len(), 2);
    }
    let endless = World::new(move |_, _| after(0, page("a", r#""https://kv.vault.azure.net/x""#)));
    let vault = endless.vault("app");
    assert!(matches!(vault.versions(ObjectKind::Secret, "s").await.err(), Some(VaultError::EndlessList(_))));
}

#[tokio::test(start_paused = true)]
async fn redirects_and_odd_successes_are_errors() {
    for status in [302, 307, 203, 204] {
        let world = World::new(move |_, _| {
            after(1, answer(status, "").with_header("location", "https://evil.test/"))
        });
        let error = read(&world.vault("app")).await.expect_err("an error");
        assert!(error.to_string().contains(&format!("RESPONSE {status}")), "{error}");
        assert_eq!(world.http.count("evil"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn i5_a_vault_that_echoes_the_token_does_not_get_it_printed() {
    let world =
        World::new(|_, token| after(1, answer(500, format!("you sent {}", token.unwrap_or_default()))));
    let error = read(&world.vault("app")).await.expect_err("an error");
    assert!(!error.to_string().contains("app-0"), "{error}");
}

/// Two hundred and fifty nodes start pods at once on one vault that serves twenty requests a second: all are served,
/// none waits for long behind the others, and what is refused stays in proportion to what is served.
#[tokio::test(start_paused = true)]
async fn fault_10_two_hundred_and_fifty_nodes_share_a_throttled_vault() {
    const NODES: usize = 250;
    const A_SECOND: f64 = 20.0;
    let bucket = Arc::new(Mutex::new((A_SECOND, Instant::now())));
    let refused = Arc::new(AtomicUsize::new(0));
    let worlds: Vec<_> = (0..NODES)
        .map(|_| {
            let (bucket, refused) = (Arc::clone(&bucket), Arc::clone(&refused));
            World::new(move |_, _| {
                let mut bucket = bucket.lock().expect("the lock");
                let now = Instant::now();
                bucket.0 = A_SECOND.min(bucket.0 + A_SECOND * (now - bucket.1).as_secs_f64());
                bucket.1 = now;
                if bucket.0 >= 1.0 {
                    bucket.0 -= 1.0;
                    return after(10, secret("v"));
                }
                refused.fetch_add(1, Ordering::SeqCst);
                after(5, answer(429, ""))
            })
        })
        .collect();
    let began = Instant::now();
    // Kubelet asks again after a failure: so does each node here, in its own time.
    let nodes = worlds.iter().enumerate().map(|(number, world)| async move {
        let client = format!("client{number}");
        while world.vault(&client).secret("s", "").await.is_err() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        began.elapsed()
    });
    let mut took = join_all(nodes).await;
    took.sort();
    let refused = refused.load(Ordering::SeqCst);
    println!("median {:?}, last {:?}, refused {refused}", took[NODES / 2], took[NODES - 1]);
    assert!(took[NODES - 1] < Duration::from_secs(180), "the last one is served after {:?}", took[NODES - 1]);
    assert!(refused < NODES * 8, "{refused} refusals for {NODES} nodes");
}

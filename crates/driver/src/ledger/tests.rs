use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keymount_volume::VolumeError;

use super::*;
use crate::request::PodRef;

fn request(target: &str, class: &str) -> Arc<PublishRequest> {
    Arc::new(PublishRequest {
        target: PathBuf::from(target),
        pod: PodRef::default(),
        class: class.to_owned(),
        context: BTreeMap::from([("secretProviderClass".to_owned(), class.to_owned())]),
        context_tokens: None,
        secret_tokens: None,
        secrets: None,
        readonly: true,
        group: None,
    })
}

fn ledger() -> (Arc<Ledger>, CancellationToken) {
    let closing = CancellationToken::new();
    (Arc::new(Ledger::new(closing.clone())), closing)
}

async fn mounted(_: Arc<PublishRequest>) -> bool {
    true
}

/// Work that takes ten seconds unless it is cancelled, and counts how often it ran.
fn slow(
    runs: &Arc<AtomicUsize>,
) -> impl Fn(
    Arc<PublishRequest>,
    CancellationToken,
) -> futures::future::BoxFuture<'static, Result<Published, PublishError>>
+ use<> {
    let runs = Arc::clone(runs);
    move |_, cancel| {
        let runs = Arc::clone(&runs);
        Box::pin(async move {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::select! {
                () = cancel.cancelled() => Err(PublishError::ShuttingDown),
                () = tokio::time::sleep(Duration::from_secs(10)) => Ok(Published::Mounted),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn equal_requests_share_one_operation_and_a_cancelled_caller_stops_nothing() {
    let (ledger, _closing) = ledger();
    let runs = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (ledger, work) = (Arc::clone(&ledger), slow(&runs));
            tokio::spawn(async move { ledger.publish(request("/t", "a"), work, mounted).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Kubelet gives up on all of them but the last.
    callers[..19].iter().for_each(tokio::task::JoinHandle::abort);
    let last = callers.into_iter().next_back().unwrap();
    assert!(matches!(last.await.unwrap(), Ok(Published::Mounted)));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn another_request_for_a_busy_target_is_refused_and_other_targets_do_not_wait() {
    let (ledger, _closing) = ledger();
    let runs = Arc::new(AtomicUsize::new(0));
    let first = tokio::spawn({
        let (ledger, work) = (Arc::clone(&ledger), slow(&runs));
        async move { ledger.publish(request("/t", "a"), work, mounted).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = ledger.publish(request("/t", "b"), slow(&runs), mounted).await.unwrap_err();
    assert!(matches!(*other, PublishError::Busy(_)), "{other}");
    let quick = ledger.publish(request("/u", "a"), |_, _| async { Ok(Published::Unchanged) }, mounted).await;
    assert!(matches!(quick, Ok(Published::Unchanged)));
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn unpublish_cancels_a_running_publish_and_runs_after_it() {
    let (ledger, _closing) = ledger();
    let runs = Arc::new(AtomicUsize::new(0));
    let publish = tokio::spawn({
        let (ledger, work) = (Arc::clone(&ledger), slow(&runs));
        async move { ledger.publish(request("/t", "a"), work, mounted).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = tokio::time::Instant::now();
    let unpublishes = Arc::new(AtomicUsize::new(0));
    let unpublish = || {
        let count = Arc::clone(&unpublishes);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        }
    };
    let both = tokio::join!(
        ledger.unpublish(Path::new("/t"), unpublish),
        ledger.unpublish(Path::new("/t"), unpublish)
    );
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(unpublishes.load(Ordering::SeqCst), 1, "the second joins the first");
    assert!(began.elapsed() < Duration::from_secs(2), "the provider call was not waited for");
    assert!(publish.await.unwrap().is_err());
    assert!(
        ledger.targets.lock().unwrap().known.is_empty(),
        "nothing is remembered of a target without a volume"
    );
}

#[tokio::test(start_paused = true)]
async fn a_publish_waits_for_the_unpublish_before_it() {
    let (ledger, _closing) = ledger();
    let order = Arc::new(Mutex::new(Vec::new()));
    let unpublish = tokio::spawn({
        let (ledger, order) = (Arc::clone(&ledger), Arc::clone(&order));
        async move {
            ledger
                .unpublish(Path::new("/t"), || {
                    let order = Arc::clone(&order);
                    async move {
                        tokio::time::sleep(Duration::from_secs(5)).await;
                        order.lock().unwrap().push("unpublished");
                        Ok(())
                    }
                })
                .await
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let published = ledger
        .publish(
            request("/t", "a"),
            |_, _| {
                let order = Arc::clone(&order);
                async move {
                    order.lock().unwrap().push("published");
                    Ok(Published::Mounted)
                }
            },
            mounted,
        )
        .await;
    assert!(published.is_ok() && unpublish.await.unwrap().is_ok());
    assert_eq!(*order.lock().unwrap(), ["unpublished", "published"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_one_failed_request_and_frees_the_target() {
    let (ledger, _closing) = ledger();
    let failed =
        ledger.publish(request("/t", "a"), |_, _| async { panic!("as asked") }, mounted).await.unwrap_err();
    assert!(matches!(*failed, PublishError::Panicked), "{failed}");
    let next = ledger.publish(request("/t", "a"), |_, _| async { Ok(Published::Mounted) }, mounted).await;
    assert!(next.is_ok());
    let failed = ledger.unpublish(Path::new("/t"), || async { panic!("as asked") }).await.unwrap_err();
    assert!(matches!(*failed, UnpublishError::Panicked), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_process_cancels_publishes_and_lets_unpublishes_finish() {
    let (ledger, closing) = ledger();
    let runs = Arc::new(AtomicUsize::new(0));
    let publish = tokio::spawn({
        let (ledger, work) = (Arc::clone(&ledger), slow(&runs));
        async move { ledger.publish(request("/t", "a"), work, mounted).await }
    });
    let unpublish = tokio::spawn({
        let ledger = Arc::clone(&ledger);
        async move {
            let work = || async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(UnpublishError::Volume(VolumeError::NotMounted("/u".into())))
            };
            ledger.unpublish(Path::new("/u"), work).await
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = tokio::time::Instant::now();
    closing.cancel();
    ledger.drained().await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(publish.await.unwrap().is_err());
    assert!(matches!(*unpublish.await.unwrap().unwrap_err(), UnpublishError::Volume(_)));
    let late = ledger.publish(request("/t", "a"), slow(&runs), mounted).await.unwrap_err();
    assert!(matches!(*late, PublishError::ShuttingDown));
}

//! The vault changes, and so does the volume.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

use super::{Stage, now};
use crate::demo::cluster::{PATIENCE, wait_for};
use crate::demo::reader::Reader;

const NEW: &str = "correct-horse-battery-staple";

pub(super) async fn tell(stage: &mut Stage<'_>, pod: &Pod) -> anyhow::Result<()> {
    stage.terminal.step(
        "Rotation",
        "The secret gets a new version in the vault while an application reads the file all the time. The driver\n\
         fetches every 2 s here (2 minutes by default) and switches from the whole old to the whole new generation.",
    );
    let path = stage.cluster.target(pod).join("db-password");
    let reader = Reader::start(path.clone())?;
    let began = now();
    stage.admin.set_secret("db-password", NEW).await?;
    let end = tokio::time::Instant::now() + PATIENCE;
    while std::fs::read_to_string(&path).is_ok_and(|content| content != NEW)
        && tokio::time::Instant::now() < end
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = began.elapsed();
    let api = stage.cluster.secrets();
    let is_new = |secret: &k8s_openapi::api::core::v1::Secret| {
        secret
            .data
            .as_ref()
            .and_then(|data| data.get("password"))
            .is_some_and(|value| value.0 == NEW.as_bytes())
    };
    let synced = wait_for(&api, "web-db", |secret| secret.is_some_and(is_new)).await?;
    let seen = reader.stop();
    for (content, times) in &seen.contents {
        stage.terminal.show(&format!("read {times:>7} times: {content:?}"));
    }
    stage.terminal.check(
        seen.contents.contains_key(NEW),
        &format!("the new version was in the file {:.1} s after it was in the vault", took.as_secs_f64()),
    );
    let only_whole = seen.contents.keys().all(|content| content == NEW || content == "battery-staple");
    stage.terminal.check(
        only_whole && seen.failures == 0,
        "every read saw the old or the new content, never anything between",
    );
    stage.terminal.check(
        seen.held_open == "battery-staple",
        "a descriptor that was open all along still shows what it was opened for",
    );
    stage.terminal.check(synced.is_some_and(|secret| is_new(&secret)), "the Kubernetes Secret followed");
    Ok(())
}

//! What a mistake looks like.

use super::Stage;
use super::mount::mounts;
use crate::demo::cluster::{CLASS, wait_for};

pub(super) async fn tell(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    stage.terminal.step(
        "A mistake",
        "Another class with a typing error: objectName db-pasword. This is what `kubectl describe pod` shows.",
    );
    let before = mounts(&stage.layout.root).len();
    let yaml = CLASS
        .replace("{TENANT}", &stage.endpoints.tenant)
        .replace("  name: web\n", "  name: typo\n")
        .replace(
            "objectName: db-password\n          objectType",
            "objectName: db-pasword\n          objectType",
        );
    stage.cluster.apply(&serde_saphyr::from_str(&yaml)?).await?;
    let pod = stage.cluster.create_pod("typo", "typo").await?;
    let failed = stage.cluster.publish(&pod).await.err();
    let text = failed.as_ref().map(ToString::to_string).unwrap_or_default();
    stage.terminal.quote(&text);
    stage.terminal.check(
        text.contains("db-pasword") && text.contains("SecretNotFound"),
        "the error names the object and the vault's reason",
    );
    stage.terminal.check(text.contains("hint:"), "and says what to do");
    stage.terminal.check(
        mounts(&stage.layout.root).len() == before,
        "nothing was mounted: the pod does not start on an empty volume",
    );
    let status = wait_for(&stage.cluster.statuses(), "typo-demo-typo", |status| status.is_some()).await?;
    let condition = status.as_ref().and_then(|status| status.status.conditions.first());
    if let Some(condition) = condition {
        stage.terminal.show(&format!(
            "{}={}  {}  {}",
            condition.type_, condition.status, condition.reason, condition.message
        ));
    }
    stage.terminal.check(
        condition.is_some_and(|condition| condition.status == "False"),
        "the failed mount is visible in the namespace",
    );
    stage.cluster.remove_pod(&pod).await?;
    Ok(())
}

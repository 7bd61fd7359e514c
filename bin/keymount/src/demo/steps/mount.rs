//! A pod's volume gets its secrets, and loses them again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt as _;

use super::{Stage, now};
use crate::demo::cluster::{CLASS, wait_for};

/// Pods that start together to show that they share one fetch.
const CROWD: usize = 20;

/// All pods of the demo: the first one, the crowd, and the one with the mistake.
pub(in crate::demo) const PODS: u64 = CROWD as u64 + 2;

pub(super) async fn tell(stage: &mut Stage<'_>) -> anyhow::Result<Pod> {
    stage.terminal.step(
        "A class and a pod",
        "A SecretProviderClass names objects of a vault; a pod names the class in an inline CSI volume.",
    );
    let yaml = CLASS.replace("{TENANT}", &stage.endpoints.tenant);
    let shown: Vec<&str> = yaml.lines().skip(1).collect();
    stage.terminal.quote(&shown.join("\n"));
    stage.cluster.apply(&serde_saphyr::from_str(&yaml)?).await?;
    let pod = stage.cluster.create_pod("web-1", "web").await?;

    stage.terminal.step(
        "The volume",
        "Kubelet asks the driver, the driver the provider, the provider exchanges the pod's service account token for\n\
         an Entra token and fetches all objects at once. The tmpfs appears at the mount path complete, or not at all.",
    );
    let began = now();
    let published = stage.cluster.publish(&pod).await;
    let took = began.elapsed();
    stage.terminal.check(published.is_ok(), &format!("mounted in {:.1} ms", took.as_secs_f64() * 1000.0));
    if let Err(error) = published {
        anyhow::bail!("{error}\n{}", stage.processes.driver.last_words(stage.layout));
    }
    let target = stage.cluster.target(&pod);
    for (path, mode, content) in files(&target) {
        stage.terminal.show(&format!("{mode:04o}  {:<14} {content}", path.display()));
    }
    let password = std::fs::read_to_string(target.join("db-password")).unwrap_or_default();
    stage.terminal.check(
        password == "battery-staple",
        "the file holds the newest version of the secret, byte for byte",
    );
    let requests = stage.admin.requests().await?;
    stage.terminal.check(
        (requests.vault(), requests.tokens()) == (3, 1),
        &format!(
            "3 objects cost {} vault requests and {} token request: no probes, no discovery",
            requests.vault(),
            requests.tokens()
        ),
    );

    let mut crowd = Vec::new();
    for number in 2..2 + CROWD {
        crowd.push(stage.cluster.create_pod(&format!("web-{number}"), "web").await?);
    }
    let before = stage.admin.requests().await?;
    let began = now();
    let mut mounted = 0;
    for pod in &crowd {
        mounted += usize::from(stage.cluster.publish(pod).await.is_ok());
    }
    let took = began.elapsed();
    let requests = stage.admin.requests().await?.vault() - before.vault();
    // Objects times the lifetimes of the cache that began meanwhile, however many pods there are.
    let most = 3 * (took.as_secs() + 1);
    stage.terminal.check(
        mounted == CROWD && requests <= most,
        &format!(
            "{CROWD} more pods of the same service account: {} ms, {requests} vault requests of at most {most}",
            took.as_millis()
        ),
    );
    for pod in &crowd {
        stage.cluster.remove_pod(pod).await?;
    }
    secrets(stage, &pod).await?;
    Ok(pod)
}

async fn secrets(stage: &mut Stage<'_>, pod: &Pod) -> anyhow::Result<()> {
    stage.terminal.step(
        "The Kubernetes Secrets and the status",
        "secretObjects of the class, for environment variables and ingresses. Written behind the mount, never in front\n\
         of it, and only when something changed.",
    );
    let api = stage.cluster.secrets();
    let [opaque, tls] =
        [wait_for(&api, "web-db", |s| s.is_some()).await?, wait_for(&api, "web-tls", |s| s.is_some()).await?];
    for secret in [&opaque, &tls].into_iter().flatten() {
        let sizes =
            secret.data.iter().flatten().map(|(key, value)| format!("{key} ({} bytes)", value.0.len()));
        let keys: Vec<String> = sizes.collect();
        stage.terminal.show(&format!(
            "secret/{:<10} {:<18} {}",
            secret.name_any(),
            secret.type_.as_deref().unwrap_or_default(),
            keys.join(", ")
        ));
    }
    let text = opaque.as_ref().and_then(|secret| value(secret, "password"));
    stage.terminal.check(text.as_deref() == Some("battery-staple"), "web-db holds the password");
    let pem = |key: &str, marker: &str| {
        tls.as_ref().and_then(|s| value(s, key)).is_some_and(|pem| pem.contains(marker))
    };
    stage.terminal.check(
        pem("tls.crt", "BEGIN CERTIFICATE") && pem("tls.key", "PRIVATE KEY"),
        "web-tls holds certificate chain and key, taken out of the vault's PFX",
    );
    let name = format!("{}-demo-web", pod.name_any());
    let status = wait_for(&stage.cluster.statuses(), &name, |s| s.is_some_and(|s| s.status.mounted)).await?;
    if let Some(status) = &status {
        let conditions = status.status.conditions.iter().map(|c| format!("{}={}", c.type_, c.status));
        let conditions: Vec<String> = conditions.collect();
        stage.terminal.show(&format!("secretproviderclasspodstatus/{name}  {}", conditions.join(" ")));
    }
    stage.terminal.check(
        status.is_some_and(|s| s.status.objects.len() == 3),
        "the pod's status lists its objects with their versions",
    );
    Ok(())
}

/// Clean-up.
pub(in crate::demo) async fn end(stage: &mut Stage<'_>, pod: &Pod) -> anyhow::Result<()> {
    stage.terminal.step(
        "The end of the pod",
        "Kubelet unpublishes; the Secrets go with the last pod that needed them.",
    );
    let target = stage.cluster.target(pod);
    let began = now();
    stage.cluster.remove_pod(pod).await?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    stage.terminal.check(
        !target.exists() && mounts(stage.layout.root.as_path()).is_empty(),
        &format!("unmounted in {took:.1} ms, nothing is left at the mount path"),
    );
    let api = stage.cluster.secrets();
    let gone = wait_for(&api, "web-db", |s| s.is_none()).await?.is_none()
        && wait_for(&api, "web-tls", |s| s.is_none()).await?.is_none();
    stage.terminal.check(gone, "the Secrets are gone");
    Ok(())
}

fn value(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

/// Files of a volume as a container sees them: path, mode, and a line about the content.
fn files(target: &Path) -> Vec<(PathBuf, u32, String)> {
    let mut found = Vec::new();
    collect(target, Path::new(""), &mut found);
    found.sort();
    found
}

fn collect(directory: &Path, below: &Path, found: &mut Vec<(PathBuf, u32, String)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("..") {
            continue;
        }
        let (path, shown) = (entry.path(), below.join(&name));
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => collect(&path, &shown, found),
            Ok(metadata) => found.push((shown, metadata.permissions().mode() & 0o7777, about(&path))),
            Err(_) => {}
        }
    }
}

/// The content itself if it is short; these are demo secrets.
fn about(path: &Path) -> String {
    let content = std::fs::read(path).unwrap_or_default();
    match std::str::from_utf8(&content) {
        Ok(text) if text.len() <= 40 && !text.contains('\n') => format!("{text:?}"),
        Ok(text) => {
            let blocks: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
                .collect();
            format!("{} bytes: {}", content.len(), blocks.join(", "))
        }
        Err(_) => format!("{} bytes: {}…", content.len(), STANDARD.encode(&content[..content.len().min(12)])),
    }
}

/// What is mounted below a directory.
pub(in crate::demo) fn mounts(root: &Path) -> Vec<String> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = root.display().to_string();
    all.lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|at| at.starts_with(&below))
        .map(str::to_owned)
        .collect()
}

//! The processes of the demo.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::layout::{AUTHORITY, Layout, VAULT_SUFFIX};

/// How long a process may take to end before it is ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the emulator says that everything is.
#[derive(Deserialize)]
pub(super) struct Endpoints {
    pub(super) kubernetes: String,
    pub(super) admin: String,
    pub(super) tenant: String,
    pub(super) imds: String,
}

/// One process and its name.
pub(super) struct Process {
    pub(super) name: &'static str,
    child: Child,
}

/// All three.
pub(super) struct Processes {
    pub(super) emulator: Process,
    pub(super) provider: Process,
    pub(super) driver: Process,
}

fn this_program(subcommand: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["internal", subcommand]).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// Starts the emulator and waits until it says where it is.
pub(super) async fn start_emulator(layout: &Layout) -> anyhow::Result<(Process, Endpoints)> {
    let mut command = this_program("emulate")?;
    command
        .args(["--json", "--seed", "demo", "--vault-suffix", VAULT_SUFFIX, "--authority", AUTHORITY])
        .arg(format!("--listen=127.0.0.1:{}", layout.azure_port))
        .arg("--ca")
        .arg(layout.ca())
        .stdout(Stdio::piped())
        .stderr(File::create(layout.log("emulator"))?);
    let mut child = command.spawn().context("the emulator")?;
    let stdout = child.stdout.take().context("the emulator's output")?;
    let mut lines = BufReader::new(stdout).lines();
    let process = Process { name: "emulator", child };
    let Some(line) = lines.next_line().await? else {
        bail!("the emulator did not start: {}", process.last_words(layout))
    };
    let endpoints = serde_json::from_str(&line).context("what the emulator printed")?;
    Ok((process, endpoints))
}

/// Starts the Azure provider.
pub(super) fn start_provider(layout: &Layout, endpoints: &Endpoints) -> anyhow::Result<Process> {
    let mut command = this_program("provider-azure")?;
    command
        .arg("--")
        .arg(format!("--endpoint=unix://{}", layout.provider_socket().display()))
        .arg("--cloud-name=AzureStackCloud")
        .arg(format!("--healthz-port={}", layout.provider_health))
        .arg(format!("--prometheus-port={}", layout.provider_metrics))
        .args(["--object-cache-ttl=1s", "-v=2"])
        .env("AZURE_ENVIRONMENT_FILEPATH", layout.cloud())
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &endpoints.imds)
        .env("SSL_CERT_FILE", layout.ca())
        .stdout(File::create(layout.log("provider-azure.out"))?)
        .stderr(File::create(layout.log("provider-azure"))?);
    Ok(Process { name: "provider-azure", child: command.spawn().context("the provider")? })
}

/// Starts the driver.
pub(super) fn start_driver(layout: &Layout) -> anyhow::Result<Process> {
    let kubelet = layout.kubelet();
    let mut command = this_program("driver")?;
    command
        .arg("--")
        .arg(format!("--endpoint=unix://{}", layout.csi_socket().display()))
        .arg("--nodeid=demo-node")
        .arg(format!("--provider-volume={}", layout.providers().display()))
        .arg("--additional-provider-volume-paths=")
        .arg(format!("--kubeconfig={}", layout.kubeconfig().display()))
        .arg(format!("--kubelet-pods-dir={}", kubelet.join("pods").display()))
        .arg(format!("--kubelet-registration-path={}", layout.csi_socket().display()))
        .arg(format!("--plugin-registration-path={}", kubelet.join("plugins_registry").display()))
        .arg(format!("--metrics-addr=127.0.0.1:{}", layout.driver_metrics))
        .arg(format!("--health-addr=127.0.0.1:{}", layout.driver_health))
        .args([
            "--enable-secret-rotation",
            "--rotation-poll-interval=2s",
            "--rotation-min-interval=1s",
            "-v=2",
        ])
        .stdout(Stdio::null())
        .stderr(File::create(layout.log("driver"))?);
    Ok(Process { name: "driver", child: command.spawn().context("the driver")? })
}

impl Process {
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Anonymous and file-backed resident memory in KiB, without the shared memory of mounted volumes, which
    /// is counted for the process that wrote them.
    pub(super) fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let field = |name: &str| -> Option<u64> {
            status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
        };
        Some(field("RssAnon:")? + field("RssFile:")?)
    }

    /// Whether it still runs.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its log.
    pub(super) fn last_words(&self, layout: &Layout) -> String {
        let log = std::fs::read_to_string(layout.log(self.name)).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Ends it as Kubernetes would. Says whether it ended by itself, with exit code 0.
    pub(super) async fn stop(&mut self) -> bool {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) => status.success(),
            _ => {
                let _ = self.child.kill().await;
                false
            }
        }
    }
}

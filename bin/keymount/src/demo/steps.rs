//! The story.

mod mount;
mod rotation;
mod trouble;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::cluster::{Cluster, PATIENCE};
use super::keep;
use super::layout::Layout;
use super::processes::{self, Endpoints, Processes};
use super::terminal::{Terminal, line};
use super::vault::Admin;

/// What the steps share.
struct Stage<'a> {
    terminal: &'a mut Terminal,
    layout: &'a Layout,
    cluster: Cluster,
    admin: Admin,
    endpoints: Endpoints,
    processes: Processes,
}

/// Tells the whole story; says whether everything was as promised. Ends early on SIGINT and SIGTERM.
pub(super) async fn tell(terminal: &mut Terminal, layout: &Layout, keep: bool) -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let interrupted = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(interrupted);
    let began = now();
    line(
        "Keymount: the Secrets Store CSI stack, on this machine, without a cluster and without an Azure account.",
    );
    let told = async {
        let mut stage = Stage::set(terminal, layout).await?;
        let pod = mount::tell(&mut stage).await?;
        rotation::tell(&mut stage, &pod).await?;
        trouble::tell(&mut stage).await?;
        stage.account().await?;
        anyhow::Ok((stage, pod))
    };
    let (mut stage, pod) = tokio::select! {
        told = told => told?,
        () = &mut interrupted => {
            line("\nInterrupted; ending everything.");
            return Ok(false);
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    if keep {
        keep::describe(layout, &stage.processes, &stage.endpoints, &stage.cluster.target(&pod));
        interrupted.await;
        line("");
    }
    mount::end(&mut stage, &pod).await?;
    stage.end().await;
    Ok(terminal.summary(if keep { seconds } else { began.elapsed().as_secs_f64() }))
}

impl<'a> Stage<'a> {
    /// Starts everything.
    async fn set(terminal: &'a mut Terminal, layout: &'a Layout) -> anyhow::Result<Self> {
        terminal.step(
            "Starting",
            "Three processes, as on a node: the driver and the Azure provider on their unix sockets, and an emulator\n\
             in the place of Key Vault, Entra and the Kubernetes API. TLS is real, and so are the mounts, in a mount\n\
             namespace of this demo's own. Kubelet's part is played by the demo itself.",
        );
        let began = now();
        let (emulator, endpoints) = processes::start_emulator(layout).await?;
        let cluster = Cluster::start(layout, &endpoints.kubernetes).await?;
        let provider = processes::start_provider(layout, &endpoints)?;
        let driver = processes::start_driver(layout)?;
        let mut processes = Processes { emulator, provider, driver };
        let registered =
            tokio::time::timeout(PATIENCE, cluster.kubelet.registered(keymount_api::DRIVER_NAME))
                .await
                .is_ok();
        for process in [&processes.driver, &processes.provider, &processes.emulator] {
            terminal.show(&format!("{:<15} pid {}", process.name, process.pid()));
        }
        terminal.show(&format!("vault           {}", layout.vault_url()));
        let all = [&mut processes.driver, &mut processes.provider, &mut processes.emulator];
        for process in all {
            if !process.is_running() {
                anyhow::bail!("the {} did not start:\n{}", process.name, process.last_words(layout));
            }
        }
        terminal.check(
            registered,
            &format!(
                "the driver has registered itself with kubelet, {} ms after the first process started",
                began.elapsed().as_millis()
            ),
        );
        let admin = Admin::new(&endpoints.admin).context("the emulator's admin API")?;
        Ok(Self { terminal, layout, cluster, admin, endpoints, processes })
    }

    /// What it cost.
    async fn account(&mut self) -> anyhow::Result<()> {
        self.terminal.step(
            "What it cost",
            "Memory without the pages of the mounted files, which the kernel counts for who wrote them.",
        );
        let requests = self.admin.requests().await?;
        for process in [&self.processes.driver, &self.processes.provider] {
            let memory = process.memory_kib().unwrap_or_default();
            self.terminal.show(&format!("{:<15} {:>5.1} MiB resident", process.name, mebibytes(memory)));
        }
        self.terminal.show(&format!(
            "requests        {} to the vault, {} for tokens, in the whole demo",
            requests.vault(),
            requests.tokens()
        ));
        self.terminal.check(
            requests.tokens() <= mount::PODS,
            "each pod's own token was exchanged once; rotations cost none",
        );
        Ok(())
    }

    /// Ends the processes as Kubernetes would.
    async fn end(&mut self) {
        let driver = self.processes.driver.stop().await;
        let provider = self.processes.provider.stop().await;
        self.terminal.check(driver && provider, "driver and provider ended on SIGTERM with exit code 0");
        self.processes.emulator.stop().await;
    }
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

//! A daemon under test: its processor time and its memory, by `/proc`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use keymount_mount_namespace::Cgroup;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long a daemon may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon; killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pid: u32,
    /// When it was started.
    pub(crate) began: Instant,
}

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    anonymous: u64,
    file: u64,
    /// Pages of tmpfs that are mapped; content of volumes is not.
    shmem: u64,
    peak: u64,
}

impl Memory {
    /// Resident MiB without shmem.
    pub(crate) fn resident(self) -> f64 {
        mib(self.anonymous + self.file)
    }

    /// Anonymous MiB: what no other process can share.
    pub(crate) fn anonymous(self) -> f64 {
        mib(self.anonymous)
    }

    /// Highest resident MiB since the start or the last reset.
    pub(crate) fn peak(self) -> f64 {
        mib(self.peak - self.shmem)
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

impl Process {
    /// Starts a program; what it prints goes to `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, &Path)],
        log: &Path,
        group: Option<&Cgroup>,
    ) -> anyhow::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let began = Instant::now();
        let mut command = match group {
            Some(group) => {
                let [shell, words @ ..] = group.enter();
                let mut command = Command::new(shell);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let pid = child.id().context("it ended at once")?;
        Ok(Self { child, pid, began })
    }

    /// Asks again and again until there is an answer, every 200 µs, and tells how long that took from the start.
    pub(crate) async fn answers<T>(
        &mut self,
        mut ask: impl AsyncFnMut() -> Option<T>,
    ) -> anyhow::Result<(T, Duration)> {
        loop {
            if let Some(answer) = ask().await {
                return Ok((answer, self.began.elapsed()));
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("it ended: {status}");
            }
            anyhow::ensure!(self.began.elapsed() < PATIENCE, "no answer within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }

    /// Its id.
    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// Processor time in seconds, of children that it waited for, too. The kernel counts in hundredths.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields = stat.rsplit_once(')').context("no stat")?.1;
        // utime, stime, cutime, cstime: fields 14 to 17, of which this starts with the third.
        let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next());
            number.and_then(|number| number.parse().ok()).with_context(|| format!("no {name}"))
        };
        Ok(Memory {
            anonymous: field("RssAnon")?,
            file: field("RssFile")?,
            shmem: field("RssShmem")?,
            peak: field("VmHWM")?,
        })
    }

    /// Lets the peak start again from what is resident now.
    pub(crate) fn reset_peak(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }

    /// Ends it as kubelet does, but does not wait forever.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw).context("a pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

//! A mount namespace for the demo, as root or not.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail};

/// How to get a mount namespace here.
pub(super) enum Isolation {
    /// As root of the machine.
    Root,
    /// As root of a user namespace.
    User,
}

impl Isolation {
    /// Tries what works.
    pub(super) fn find() -> anyhow::Result<Self> {
        let mut refusals = Vec::new();
        let root = rustix::process::geteuid().is_root().then_some(Self::Root);
        for way in root.into_iter().chain([Self::User]) {
            match way.unshare().arg("true").output() {
                Ok(output) if output.status.success() => return Ok(way),
                Ok(output) => refusals.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => bail!(
                    "cannot run unshare: {error}\nThe demo mounts volumes in a mount namespace of its own, for which it \
                     needs unshare of util-linux 2.32 or newer (package util-linux)."
                ),
            }
        }
        bail!(
            "cannot make a mount namespace: {}\nThe demo needs root, or a kernel that lets users make user namespaces:\n  \
             sudo sysctl kernel.unprivileged_userns_clone=1               (Debian)\n  \
             sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0   (Ubuntu 23.10 and newer)\n\
             In a container it needs --privileged, or --cap-add SYS_ADMIN --security-opt apparmor=unconfined.",
            refusals.join("; ")
        )
    }

    fn unshare(&self) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if matches!(self, Self::User) {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--");
        command
    }

    /// Runs the demo and removes its directory, whatever became of it. Ctrl-C reaches the demo by itself,
    /// which then ends in order; this process only waits for it.
    pub(super) fn run(&self, keep: bool, no_color: bool) -> anyhow::Result<ExitCode> {
        let directory =
            tempfile::Builder::new().prefix("keymount-demo.").tempdir().context("a private directory")?;
        let mut command = self.unshare();
        command.arg(std::env::current_exe().context("the path of this program")?);
        command.args(["internal", "demo", "--directory"]).arg(directory.path());
        command.args(keep.then_some("--keep")).args(no_color.then_some("--no-color"));
        command.args(matches!(self, Self::User).then_some("--user-namespace"));
        let runtime = crate::emulate::runtime()?;
        let status = runtime.block_on(async {
            // SIGINT and SIGTERM are for the demo; this process outlives it to clean up.
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
            let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
            let mut child = tokio::process::Command::from(command).spawn().context("unshare")?;
            loop {
                tokio::select! {
                    status = child.wait() => return status.context("the demo's process"),
                    _ = interrupt.recv() => pass_on(&child, rustix::process::Signal::INT),
                    _ = terminate.recv() => pass_on(&child, rustix::process::Signal::TERM),
                }
            }
        })?;
        directory.close().context("cannot remove the demo's directory")?;
        if let Some(signal) = status.signal() {
            bail!("the demo was ended by signal {signal}");
        }
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}

fn pass_on(child: &tokio::process::Child, signal: rustix::process::Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

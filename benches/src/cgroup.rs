//! A memory cgroup with a limit, version 1 or 2, as the machine has it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A group that goes away with this; whoever is in it must have ended.
pub(crate) struct Cgroup {
    path: PathBuf,
    version_1: bool,
}

impl Cgroup {
    /// A new group below the root of the hierarchy. Tells why there can be none.
    pub(crate) fn new(limit_bytes: u64) -> anyhow::Result<Self> {
        let name = format!("keymount-bench-{:08x}", rand::random::<u32>());
        let first = Path::new("/sys/fs/cgroup/memory");
        let version_1 = first.join("memory.limit_in_bytes").exists();
        let root = if version_1 { first } else { Path::new("/sys/fs/cgroup") };
        let path = root.join(name);
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        let group = Self { path, version_1 };
        let file = if version_1 { "memory.limit_in_bytes" } else { "memory.max" };
        let path = group.path.join(file);
        // Version 2 has the file only where the controller is handed down.
        std::fs::write(&path, limit_bytes.to_string()).with_context(|| path.display().to_string())?;
        Ok(group)
    }

    /// Where a process id is written to put the process in.
    pub(crate) fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// How many processes the kernel has killed for want of memory.
    pub(crate) fn kills(&self) -> anyhow::Result<u64> {
        let file = if self.version_1 { "memory.oom_control" } else { "memory.events" };
        let text = std::fs::read_to_string(self.path.join(file))?;
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        Ok(line.context("no count of kills")?.trim().parse()?)
    }

    /// Bytes that the group had at most.
    pub(crate) fn peak(&self) -> anyhow::Result<u64> {
        let file = if self.version_1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        Ok(std::fs::read_to_string(self.path.join(file))?.trim().parse()?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

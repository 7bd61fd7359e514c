//! A memory cgroup with a limit, version 1 or 2, as the machine has it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static MADE: AtomicU32 = AtomicU32::new(0);

/// A group that goes away with this; whoever is in it must have ended.
pub struct Cgroup {
    path: PathBuf,
    version_1: bool,
}

impl Cgroup {
    /// A new group below the root of the hierarchy, whose processes may have so many bytes, pages of their tmpfs
    /// included.
    ///
    /// # Errors
    /// Why there can be none here, with the file that says so: it takes root, and the memory controller.
    pub fn new(limit_bytes: u64) -> Result<Self, String> {
        let first = Path::new("/sys/fs/cgroup/memory");
        let version_1 = first.join("memory.limit_in_bytes").exists();
        let root = if version_1 { first } else { Path::new("/sys/fs/cgroup") };
        let path =
            root.join(format!("keymount-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
        let because = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir(&path).map_err(|error| because(&path, &error))?;
        let group = Self { path, version_1 };
        let file = if version_1 { "memory.limit_in_bytes" } else { "memory.max" };
        let limit = group.path.join(file);
        // Version 2 has the file only where the controller is handed down.
        std::fs::write(&limit, limit_bytes.to_string()).map_err(|error| because(&limit, &error))?;
        Ok(group)
    }

    /// The words that a command begins with which is in the group from its first moment on.
    #[must_use]
    pub fn enter(&self) -> [String; 3] {
        let processes = self.path.join("cgroup.procs");
        let script = format!("echo $$ > {} && exec \"$0\" \"$@\"", processes.display());
        ["/bin/sh".to_owned(), "-c".to_owned(), script]
    }

    /// How many processes the kernel has killed for want of memory.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn kills(&self) -> io::Result<u64> {
        let file = if self.version_1 { "memory.oom_control" } else { "memory.events" };
        let text = std::fs::read_to_string(self.path.join(file))?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        number(count.unwrap_or_default())
    }

    /// Bytes that the group had at most.
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn peak(&self) -> io::Result<u64> {
        let file = if self.version_1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        number(&std::fs::read_to_string(self.path.join(file))?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.path);
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.trim().parse().map_err(io::Error::other)
}

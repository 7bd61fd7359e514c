//! One process of the stack.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// How long a test waits for a process to do something.
const PATIENCE: Duration = Duration::from_secs(120);

/// What it logs once all its sockets are open.
const LISTENING: &str = "Listening for connections";

/// Lines of the log that are kept.
const LINES: usize = 200;

/// A running process; dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    log: watch::Receiver<Log>,
}

/// What it has said.
#[derive(Clone, Default)]
pub(crate) struct Log {
    listening: bool,
    ended: bool,
    /// The newest lines.
    pub(crate) lines: VecDeque<String>,
    /// Lines of panics, however old.
    pub(crate) panics: Vec<String>,
}

impl Log {
    fn add(&mut self, line: String) {
        self.listening |= line.contains(LISTENING);
        if line.contains("panic") {
            self.panics.push(line.clone());
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

impl Daemon {
    /// Starts it with no other environment than this, and waits until it serves.
    pub(crate) async fn start(
        name: &str,
        arguments: &[String],
        environment: &HashMap<&'static str, String>,
    ) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keymount"))
            .args(["internal", name, "--"])
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let stderr = child.stderr.take().expect("a pipe");
        let (sender, log) = watch::channel(Log::default());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                sender.send_modify(|log| log.add(line));
            }
            sender.send_modify(|log| log.ended = true);
        });
        let mut daemon = Self { child, log };
        let serves = daemon.log.wait_for(|log| log.listening || log.ended);
        let serves = tokio::time::timeout(PATIENCE, serves).await;
        let serves = serves.is_ok_and(|log| log.is_ok_and(|log| log.listening));
        assert!(serves, "{name} does not serve: {:#?}", daemon.log.borrow().lines);
        daemon
    }

    /// Its directory in `/proc`.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn proc(&self) -> PathBuf {
        format!("/proc/{}", self.id()).into()
    }

    pub(crate) fn log(&self) -> Log {
        self.log.borrow().clone()
    }

    /// Whether it runs still.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(process, signal).expect("a child of this test");
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn gone(&mut self) {
        let ended = tokio::time::timeout(PATIENCE, self.log.wait_for(|log| log.ended)).await.is_ok();
        assert!(ended, "it goes on: {:#?}", self.log.borrow().lines);
        self.child.wait().expect("a child");
    }

    /// Resident memory in KiB, without the pages of mounted volumes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc().join("fd")).map_or(0, Iterator::count)
    }

    /// What they are: files by their path, connections by where they lead to.
    pub(crate) fn kinds_of_descriptors(&self) -> BTreeMap<String, usize> {
        let read =
            |table: &str| std::fs::read_to_string(self.proc().join("net").join(table)).unwrap_or_default();
        let (tcp, unix) = (read("tcp"), read("unix"));
        let mut kinds = BTreeMap::new();
        for entry in std::fs::read_dir(self.proc().join("fd")).into_iter().flatten().flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default().display().to_string();
            let socket = target.strip_prefix("socket:[").and_then(|inode| inode.strip_suffix(']'));
            let kind = socket.map_or_else(|| target.clone(), |inode| connection(inode, &tcp, &unix));
            *kinds.entry(kind).or_default() += 1;
        }
        kinds
    }
}

/// A socket as the kernel's tables tell of it: peer and state, or path.
fn connection(inode: &str, tcp: &str, unix: &str) -> String {
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if let Some(cells) = tcp.lines().map(cells).find(|cells| cells.get(9).is_some_and(|cell| cell == inode)) {
        return format!("TCP to {}, state {}", cells[2], cells[3]);
    }
    let found = unix.lines().map(cells).find(|cells| cells.get(6).is_some_and(|cell| cell == inode));
    found.map_or_else(
        || "another socket".to_owned(),
        |cells| format!("Unix {}", cells.get(7).map_or("connected", String::as_str)),
    )
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

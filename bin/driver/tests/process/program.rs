//! One run of the program.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keymount_stack_tests::driver_flags;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;

/// How long a test waits for the program to do something.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it logs once all its sockets are open.
pub(crate) const LISTENING: &str = "Listening for connections";

/// A directory with sockets, and a kubeconfig of an API server that is down.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        for name in ["pods", "providers"] {
            std::fs::create_dir(place.path(name)).expect("a directory");
        }
        // Port 1 of the loopback: nobody listens there.
        place.write_kubeconfig("kubeconfig", "http://127.0.0.1:1");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A kubeconfig that leads to this server.
    pub(crate) fn write_kubeconfig(&self, name: &str, server: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(&path, kubeconfig(server)).expect("a file");
        path
    }

    /// The arguments every run needs, then these.
    pub(crate) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let all = driver_flags(self.0.path());
        all.into_iter().chain(more.iter().map(|argument| (*argument).to_owned())).collect()
    }

    /// Starts the program and waits until it serves.
    pub(crate) async fn serve(&self, more: &[&str]) -> Program {
        let mut program = Program::start(&self.arguments(more), &[]);
        program.logged(LISTENING).await;
        program
    }
}

fn kubeconfig(server: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    })
    .to_string()
}

/// A running program; dropping it kills it.
pub(crate) struct Program {
    child: Child,
    /// Lines of standard error so far, and whether there will be no more.
    log: watch::Receiver<(Vec<String>, bool)>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// Starts it with these arguments and no other environment than this.
    pub(crate) fn start(arguments: &[String], environment: &[(&str, &Path)]) -> Self {
        Self::start_under(&[], arguments, environment)
    }

    /// Starts it as the argument of another program, which the first words of `under` are; none is itself.
    pub(crate) fn start_under(under: &[String], arguments: &[String], environment: &[(&str, &Path)]) -> Self {
        let driver = env!("CARGO_BIN_EXE_secrets-store-csi-driver").to_owned();
        let words: Vec<_> = under.iter().chain([&driver]).chain(arguments).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let stderr = child.stderr.take().expect("a pipe");
        let (sender, log) = watch::channel((Vec::new(), false));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                sender.send_modify(|(lines, _)| lines.push(line));
            }
            sender.send_modify(|(_, ended)| *ended = true);
        });
        Self { child, log }
    }

    /// Waits until a line of the log holds this text, and gives the line.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        match self.logged_if_it_lives(text).await {
            Some(line) => line,
            None => panic!("no line with {text:?} in {:#?}", self.log.borrow().0),
        }
    }

    /// Like [`logged`](Self::logged), of a program that may end before.
    pub(crate) async fn logged_if_it_lives(&mut self, text: &str) -> Option<String> {
        let has = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        let found = self.log.wait_for(|(lines, ended)| *ended || has(lines).is_some());
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.ok()?.ok().and_then(|log| has(&log.0))
    }

    /// Returns when it has ended, however long that takes.
    pub(crate) fn death(&self) -> impl Future<Output = ()> + use<> {
        let mut log = self.log.clone();
        async move {
            // An error: the thread that reads the log has gone, as it does at its end.
            let _ = log.wait_for(|(_, ended)| *ended).await;
        }
    }

    /// Lines logged so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.borrow().0.clone()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs still.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(process, signal).expect("a child of this test");
    }

    /// Kills what it was started under, and it, wherever they are.
    pub(crate) fn kill_all(&mut self) {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)) {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self) -> Ended {
        let ended = tokio::time::timeout(PATIENCE, self.log.wait_for(|(_, ended)| *ended)).await.is_ok();
        assert!(ended, "it goes on: {:#?}", self.log.borrow().0);
        let code = self.child.wait().expect("a child").code();
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().expect("a pipe");
        pipe.read_to_string(&mut stdout).expect("text");
        Ended { code, stdout, stderr: self.lines().join("\n") }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill_all();
    }
}

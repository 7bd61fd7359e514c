//! The driver as a process of its own.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use http_body_util::BodyExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::environment::Program;
use super::registrar::Registrar;

/// How long a driver may take to listen.
const START: Duration = Duration::from_secs(30);

/// What every start of a driver has in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which program.
    pub program: Program,
    /// Name it registers under.
    pub name: String,
    /// Kubelet's directory.
    pub kubelet_root: PathBuf,
    /// Where it looks for providers.
    pub providers: PathBuf,
    /// Its access to the API.
    pub kubeconfig: PathBuf,
    /// Name of the node.
    pub node: String,
    /// Flags beyond those.
    pub flags: Vec<String>,
    /// Where its logs go.
    pub logs: PathBuf,
}

/// A running driver; it is killed when this is dropped.
pub struct Driver {
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    metrics: String,
    /// For drivers that do not register themselves.
    _registrar: Option<Registrar>,
}

impl Setup {
    /// Kubelet's directory of registration sockets.
    #[must_use]
    pub fn registry(&self) -> PathBuf {
        self.kubelet_root.join("plugins_registry")
    }

    /// The CSI socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.kubelet_root.join("plugins").join(&self.name).join("csi.sock")
    }

    /// The flags of driver v1.6.0 that every driver gets, and those of ours for self-registration.
    fn arguments(&self, metrics: &str) -> Vec<String> {
        let mut arguments = vec![
            format!("--endpoint=unix://{}", self.socket().display()),
            format!("--drivername={}", self.name),
            format!("--nodeid={}", self.node),
            format!("--provider-volume={}", self.providers.display()),
            format!("--additional-provider-volume-paths={}", self.providers.join("additional").display()),
            format!("--metrics-addr={metrics}"),
        ];
        if self.program.is_ours {
            arguments.push(format!("--kubelet-registration-path={}", self.socket().display()));
            arguments.push(format!("--plugin-registration-path={}", self.registry().display()));
            arguments.push(format!("--kubelet-pods-dir={}", self.kubelet_root.join("pods").display()));
        }
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    /// Starts the program and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(&self) -> Driver {
        std::fs::create_dir_all(self.socket().parent().expect("a directory")).expect("a directory");
        let metrics = free_address();
        let mut child = Command::new(&self.program.path)
            .args(self.arguments(&metrics))
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.path.display()));
        let mut output = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut file = next_file(&self.logs);
        let (sender, mut lines) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let _ = writeln!(file, "{line}");
                sender.send_modify(|lines: &mut Vec<String>| lines.push(line));
            }
        });
        let listening =
            lines.wait_for(|lines| lines.iter().any(|line| line.contains("Listening for connections")));
        let listens = matches!(tokio::time::timeout(START, listening).await, Ok(Ok(_)));
        assert!(listens, "the driver does not listen: {:#?}", lines.borrow());
        let registrar = match self.program.is_ours {
            true => None,
            false => Some(Registrar::start(&self.registry(), &self.name, &self.socket()).await),
        };
        Driver { child, lines, metrics, _registrar: registrar }
    }
}

impl Driver {
    /// Ends it as `kill -9` or the OOM killer does.
    ///
    /// # Panics
    /// If the operating system refuses.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("SIGKILL");
    }

    /// Ends it as kubelet ends a pod: SIGTERM, and SIGKILL after the grace period. Tells how it ended.
    ///
    /// # Panics
    /// If the operating system refuses.
    pub async fn stop(mut self, grace: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        match tokio::time::timeout(grace, self.child.wait()).await {
            Ok(status) => status.expect("a status"),
            Err(_) => {
                self.child.kill().await.expect("SIGKILL");
                self.child.wait().await.expect("a status")
            }
        }
    }

    /// Whether it runs.
    ///
    /// # Panics
    /// If the operating system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Resident memory in KiB, the content of volumes not included.
    ///
    /// # Panics
    /// If the process is gone.
    #[must_use]
    pub fn resident_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// What its metrics endpoint says.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn metrics(&self) -> String {
        let stream = tokio::net::TcpStream::connect(&self.metrics).await.expect("the metrics endpoint");
        let stream = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.expect("HTTP");
        tokio::spawn(connection);
        let request = http::Request::get("/metrics").header("host", &self.metrics).body(String::new());
        let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let bytes = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    /// Process id.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running driver")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a signal");
    }
}

/// An address nobody listens on, most likely also in a moment.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// A new file `driver-<n>.log`.
fn next_file(directory: &Path) -> std::fs::File {
    let mut paths = (1..).map(|number| directory.join(format!("driver-{number}.log")));
    let path = paths.find(|path| !path.exists()).expect("numbers do not end");
    std::fs::File::create(path).expect("a log file")
}

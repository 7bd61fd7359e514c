//! What the containers of the test's pods have seen.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::PATIENCE;
use crate::look::Look;

/// The socket on which containers say what they see.
pub struct Containers {
    directory: PathBuf,
    seen: watch::Receiver<HashMap<String, Vec<Look>>>,
    listening: JoinHandle<()>,
}

impl Containers {
    /// Listens in a directory that is made for that.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn listen(directory: PathBuf) -> Self {
        std::fs::create_dir(&directory).expect("a directory");
        let socket = directory.join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        // Containers run as whatever user the test says.
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o777)).expect("its mode");
        let (sender, seen) = watch::channel(HashMap::<String, Vec<Look>>::new());
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut lines = BufReader::new(stream).lines();
                    while let Ok(Some(line)) = lines.next_line().await {
                        let look: Look = serde_json::from_str(&line).expect("a look");
                        sender.send_modify(|seen| seen.entry(look.pod.clone()).or_default().push(look));
                    }
                });
            }
        });
        Self { directory, seen, listening }
    }

    /// The directory for the containers.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the container of a pod has seen so far.
    #[must_use]
    pub fn looks(&self, pod_uid: &str) -> Vec<Look> {
        self.seen.borrow().get(pod_uid).cloned().unwrap_or_default()
    }

    /// Waits until the container of a pod sees what the condition says, past looks included.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn look(&self, pod_uid: &str, condition: impl Fn(&Look) -> bool) -> Look {
        let mut seen = self.seen.clone();
        let of_pod = |seen: &HashMap<String, Vec<Look>>| {
            seen.get(pod_uid).and_then(|looks| looks.iter().find(|look| condition(look))).cloned()
        };
        let wait = seen.wait_for(|seen| of_pod(seen).is_some());
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(seen) => of_pod(&seen.expect("the listener lives as long as this")).expect("just seen"),
            Err(_) => panic!("the container of {pod_uid} has seen only {:#?}", self.looks(pod_uid)),
        }
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

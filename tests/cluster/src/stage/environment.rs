//! What the scripts that bring up a cluster tell the tests.

use std::path::PathBuf;

/// The environment variables that `run-node.sh` and `run-api.sh` set.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Directory of this run of the cluster, `KEYMOUNT_RUN`.
    pub run: PathBuf,
    /// The driver under test: `KEYMOUNT_DRIVER`.
    pub driver: Program,
    /// The audit log of the API server, if it writes one: `KEYMOUNT_AUDIT_LOG`.
    pub audit_log: Option<PathBuf>,
    /// Kubelet's directory, `KUBELET_ROOT`, where there is a kubelet.
    pub kubelet_root: Option<PathBuf>,
    /// Name of the node, `NODE_NAME`.
    pub node_name: String,
    /// Image of the containers, `IMAGE`; where there are no containers pods have to name one all the same.
    pub image: String,
}

/// A driver program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it has flags beyond those of driver v1.6.0, and registers itself with kubelet.
    pub is_ours: bool,
}

impl Environment {
    /// Reads the variables.
    ///
    /// # Panics
    /// If one is missing that there must be.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "where the tests are configured")]
    pub fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let program = |path, is_ours| Program { path, is_ours };
        let driver = match path("DRIVER") {
            Some(other) => program(other, false),
            None => program(path("KEYMOUNT_DRIVER").expect("KEYMOUNT_DRIVER is the driver's program"), true),
        };
        Self {
            run: path("KEYMOUNT_RUN").expect("KEYMOUNT_RUN is set by run-node.sh and run-api.sh"),
            driver,
            audit_log: path("KEYMOUNT_AUDIT_LOG"),
            kubelet_root: path("KUBELET_ROOT"),
            node_name: text("NODE_NAME").unwrap_or_else(|| "node-1".to_owned()),
            image: text("IMAGE").unwrap_or_else(|| "keymount.test/container:1".to_owned()),
        }
    }
}

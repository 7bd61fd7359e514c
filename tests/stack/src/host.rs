//! Where a test runs: a mount namespace of its own, one thread, real or paused time.

use std::path::Path;

use keymount_mount_namespace::Namespace;
use tokio::runtime::Builder;

/// Runs a test in a mount namespace of its own, in real time. Give it the test as a closure.
pub fn in_namespace<F: Future<Output = ()>>(namespace: Namespace, body: impl FnOnce(Namespace) -> F) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(body(namespace));
}

/// Like [`in_namespace`], with a clock that stands still while anything can be done and jumps to the next
/// timer when nothing can: hours pass in moments, and counts of calls are exact.
pub fn with_paused_time<F: Future<Output = ()>>(namespace: Namespace, body: impl FnOnce(Namespace) -> F) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(body(namespace));
}

/// The flags that every run of the driver's program needs whose sockets, pods and kubeconfig are in this directory.
#[must_use]
pub fn driver_flags(directory: &Path) -> [String; 7] {
    let path = |name: &str| directory.join(name).display().to_string();
    [
        format!("--endpoint=unix://{}", path("csi.sock")),
        format!("--provider-volume={}", path("providers")),
        "--additional-provider-volume-paths=".to_owned(),
        format!("--kubelet-pods-dir={}", path("pods")),
        "--nodeid=node-1".to_owned(),
        "--metrics-addr=0".to_owned(),
        format!("--kubeconfig={}", path("kubeconfig")),
    ]
}

/// A test that runs isolated: `stack_test!(name, |namespace| async move { … })`.
#[macro_export]
macro_rules! stack_test {
    ($(#[$attribute:meta])* $name:ident, $body:expr) => {
        $(#[$attribute])*
        #[test]
        fn $name() {
            keymount_mount_namespace::isolated(|namespace| $crate::in_namespace(namespace, $body));
        }
    };
}

/// Like [`stack_test!`], with paused time.
#[macro_export]
macro_rules! paused_stack_test {
    ($(#[$attribute:meta])* $name:ident, $body:expr) => {
        $(#[$attribute])*
        #[test]
        fn $name() {
            keymount_mount_namespace::isolated(|namespace| $crate::with_paused_time(namespace, $body));
        }
    };
}

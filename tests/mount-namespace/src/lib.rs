//! Lets a test mount file systems without touching the machine's mounts, as root or not, and, as root, limit the
//! memory of a process ([`Cgroup`]) and read it ([`each_writable_range`]).
//!
//! ```no_run
//! # use keymount_mount_namespace::{Namespace, isolated};
//! #[test]
//! fn mounts_a_volume() {
//!     isolated(|namespace| {
//!         if namespace == Namespace::User {
//!             println!("skipped: a user namespace cannot …");
//!             return;
//!         }
//!         // mount here
//!     });
//! }
//! ```
//!
//! The test binary starts itself again under `unshare` (util-linux), for this one test, in a mount namespace of its
//! own; without root also in a user namespace in which it is root. Where neither is allowed the test says so and
//! passes without having run, unless the environment variable `KEYMOUNT_MOUNT_NAMESPACE` is `required`.

mod cgroup;
mod memory;

use std::any::type_name_of_val;
use std::process::{Command, Output};

pub use cgroup::Cgroup;
pub use memory::each_writable_range;

/// The variable that tells a test that it runs isolated, and how; from outside it can be `required`.
const VARIABLE: &str = "KEYMOUNT_MOUNT_NAMESPACE";
/// Printed when the body has run: a test binary that runs no test succeeds as well.
const RAN: &str = "the isolated body of the test has run";

/// What a test runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// A mount namespace of the machine's root user.
    Root,
    /// A mount namespace in a user namespace with one user, mapped to root. It cannot switch swap off for a tmpfs,
    /// write `trusted.` attributes, or use other groups than its own.
    User,
}

impl Namespace {
    const ALL: [Self; 2] = [Self::Root, Self::User];

    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
        }
    }

    fn unshare(self) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if self == Self::User {
            command.args(["--user", "--map-root-user"]);
        }
        command.arg("--");
        command
    }

    /// Why a namespace of this kind cannot be made, if it cannot.
    fn refusal(self) -> Option<String> {
        match self.unshare().arg("true").output() {
            Err(error) => Some(format!("unshare (util-linux) does not run: {error}")),
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(text(&output.stderr).trim().to_owned()),
        }
    }
}

/// Runs the body of the calling test in a mount namespace of its own. Has to be called from the test's own function,
/// with a closure as argument: the test is found again by the closure's name.
///
/// # Panics
/// If the isolated test fails.
#[allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the environment and the output are how the two processes of a test talk"
)]
pub fn isolated<F: FnOnce(Namespace)>(body: F) {
    let setting = std::env::var(VARIABLE).unwrap_or_default();
    if let Some(namespace) = Namespace::ALL.into_iter().find(|namespace| namespace.name() == setting) {
        body(namespace);
        println!("{RAN}");
        return;
    }
    let mut refusals = Vec::new();
    for namespace in Namespace::ALL {
        match namespace.refusal() {
            None => return run(namespace, test_name(type_name_of_val(&body))),
            Some(refusal) => refusals.push(format!("{}: {refusal}", namespace.name())),
        }
    }
    let reason = format!("no mount namespace can be made here ({})", refusals.join("; "));
    assert_ne!(setting, "required", "{reason}");
    println!("skipped: {reason}");
}

/// Runs one test of this binary in a namespace.
#[allow(clippy::print_stdout, reason = "the output of a test")]
fn run(namespace: Namespace, test: &str) {
    let binary = std::env::current_exe().expect("a running test has an executable");
    let output = namespace
        .unshare()
        .arg(binary)
        .args([test, "--exact", "--nocapture", "--include-ignored"])
        .env(VARIABLE, namespace.name())
        .output()
        .expect("unshare ran a moment ago");
    print!("{}", text(&output.stdout));
    print!("{}", text(&output.stderr));
    assert!(succeeded(&output), "the test failed in its mount namespace, see its output above");
}

fn succeeded(output: &Output) -> bool {
    output.status.success() && text(&output.stdout).contains(RAN)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The name of a test from that of a closure in it: `crate::module::test::{{closure}}`.
fn test_name(closure: &str) -> &str {
    let function = closure.split("::{{closure}}").next().unwrap_or(closure);
    function.split_once("::").map_or(function, |(_, test)| test)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    static RAN_HERE: AtomicBool = AtomicBool::new(false);

    #[test]
    fn body_runs_isolated() {
        isolated(|_| {
            let directory = std::env::temp_dir();
            let mounted = Command::new("mount").args(["-t", "tmpfs", "isolated"]).arg(&directory).status();
            assert!(mounted.expect("mount runs").success());
            RAN_HERE.store(true, Ordering::SeqCst);
        });
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        assert_eq!(mounts.contains("- tmpfs isolated "), RAN_HERE.load(Ordering::SeqCst));
    }

    #[test]
    fn failure_is_seen() {
        if Namespace::ALL.into_iter().all(|namespace| namespace.refusal().is_some()) {
            return;
        }
        let failed = std::panic::catch_unwind(|| isolated(|_| panic!("on purpose")));
        assert!(failed.is_err());
    }

    #[test]
    fn names() {
        assert_eq!(test_name("the_crate::module::tests::works::{{closure}}"), "module::tests::works");
        assert_eq!(test_name("the_crate::works::{{closure}}::{{closure}}"), "works");
    }
}

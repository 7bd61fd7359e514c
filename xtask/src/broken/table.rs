//! The changes, in the order of the page.

mod node;
mod surroundings;
mod vulnerabilities;

use super::Break;

const VOLUME: &[&str] = &["--package=keymount-volume", "--lib"];
const SENSITIVE: &[&str] = &["--package=keymount-sensitive", "--lib"];
const DAEMON: &[&str] = &["--package=keymount-daemon", "--lib"];
const IDENTITY: &[&str] = &["--package=keymount-identity", "--lib"];
const PROTO: &[&str] = &["--package=keymount-proto", "--lib"];
const KEYVAULT: &[&str] = &["--package=keymount-keyvault", "--lib"];
const DRIVER: &[&str] = &["--package=keymount-driver", "--lib"];
const NODE: &[&str] = &["--package=keymount-stack-tests", "--test=node"];
const PROCESS: &[&str] = &["--package=secrets-store-csi-driver", "--test=process"];
const DAEMONS: &[&str] = &["--package=keymount", "--test=daemons"];

/// All of them.
pub(super) fn table() -> impl Iterator<Item = &'static Break> {
    [surroundings::TABLE, node::TABLE, vulnerabilities::TABLE].into_iter().flatten()
}

//! What is fuzzed: every parser of foreign input, with what must hold for any input beside that it returns.
//!
//! Two programs feed these functions: the tests of this crate (mutated seeds, on the ordinary toolchain and build, a
//! few seconds each) and the libFuzzer targets of `fuzz/`, which are guided by coverage and run for long.

mod certificates;
mod cloud;
mod csi;
mod kernel;
mod objects;

/// A function that is fuzzed.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name: of the libFuzzer target, and of its folder in `fuzz/seeds`.
    pub name: &'static str,
    /// Takes any bytes. A panic is a finding.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "objects_yaml", run: objects::yaml },
    Target { name: "parameters_json", run: objects::parameters },
    Target { name: "pfx", run: certificates::pfx },
    Target { name: "pem", run: certificates::pem },
    Target { name: "jwk", run: certificates::jwk },
    Target { name: "mount_response", run: csi::mount_response },
    Target { name: "publish_request", run: csi::publish_request },
    Target { name: "challenge", run: cloud::challenge },
    Target { name: "vault_answer", run: cloud::vault_answer },
    Target { name: "token_answer", run: cloud::token_answer },
    Target { name: "mountinfo", run: kernel::mountinfo },
    Target { name: "go_flags", run: kernel::go_flags },
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or with what it finds.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(data);
}

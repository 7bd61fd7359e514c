//! The build script of all three programs: how they are linked where they are static.

#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how cargo talks to a build script"
)]
fn main() {
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_ENV");
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("musl") {
        // A static program relocates itself at its start. What it has to relocate takes a twentieth of the space in this form, which
        // musl reads since 1.2.4. A linker that cannot write it for an architecture leaves it.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

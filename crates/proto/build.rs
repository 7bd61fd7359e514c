//! Compiles the .proto files beside this crate without protoc.

use std::path::PathBuf;

/// Messages that carry secret bytes or tokens: their Debug is written by hand in `redacted.rs`.
const REDACTED: [&str; 6] = [
    ".v1alpha1.MountRequest",
    ".v1alpha1.MountResponse",
    ".v1alpha1.File",
    ".csi.v1.NodePublishVolumeRequest",
    ".csi.v1.NodeStageVolumeRequest",
    ".csi.v1.NodeExpandVolumeRequest",
];

#[expect(clippy::disallowed_methods, reason = "a build script is told its directory when it runs")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("proto");
    let files = ["csi.proto", "provider.proto", "registration.proto", "health.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={}", dir.join(file).display());
    }
    let descriptors = protox::compile(files, [&dir])?;
    tonic_prost_build::configure().build_transport(false).skip_debug(REDACTED).compile_fds(descriptors)?;
    Ok(())
}

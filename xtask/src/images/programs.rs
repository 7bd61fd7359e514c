//! The programs: static, linked with musl, the same bytes wherever they are built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use flate2::Compression;

use super::environment;
use super::recipe::Image;
use super::revision::Revision;
use crate::generated::root;

/// What an image runs on.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Architecture {
    Amd64,
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

impl Architecture {
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// The C compiler (part of the cryptography is C and assembly), and the Debian packages it is in.
    fn compiler(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Amd64 => ("musl-gcc", &["musl-tools", "gcc", "libc6-dev"]),
            Self::Arm64 => ("aarch64-linux-gnu-gcc", &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]),
        }
    }
}

/// How the programs are compiled: see the profiles in Cargo.toml.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Profile {
    /// What is published: small, and slow to build
    Dist,
    /// Quick to build
    Release,
    /// What `cargo test --workspace` has built, with the libraries that it loads: for the cluster tests
    Dev,
}

impl Profile {
    /// Name of the profile, and of the directory below the target's that cargo puts its programs into.
    fn name(self) -> &'static str {
        match self {
            Self::Dist => "dist",
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }

    /// Programs that are not optimised are large, and go from one directory of this machine into another.
    pub(super) fn compression(self) -> Compression {
        if self == Self::Dev { Compression::none() } else { Compression::best() }
    }
}

/// Compiles the programs and says where they are. `target` is where cargo builds, if not where it always does.
pub(super) fn compile(
    images: &[&Image],
    architecture: Architecture,
    profile: Profile,
    revision: &Revision,
    target: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    if profile == Profile::Dev {
        ensure!(architecture == Architecture::Amd64, "images of the tests' programs are for this machine");
        return tested(images);
    }
    install_target(architecture)?;
    install_compiler(architecture)?;
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let target = target.map_or_else(|| metadata.target_directory.into_std_path_buf(), Path::to_path_buf);
    std::fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
    let target = target.canonicalize()?;

    let triple = architecture.target();
    let (compiler, _) = architecture.compiler();
    let variable = triple.replace('-', "_");
    let mut cargo = Command::new(environment("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["build", "--quiet", "--locked", "--target", triple]);
    cargo.args(["--profile", profile.name()]);
    for image in images {
        cargo.args(["--package", image.program, "--bin", image.program]);
    }
    cargo
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(profile, &target)?.join("\u{1f}"))
        .env("KEYMOUNT_VERSION", &revision.version)
        .env("KEYMOUNT_COMMIT", &revision.commit)
        .env("KEYMOUNT_BUILD_DATE", &revision.date);
    if architecture == Architecture::Arm64 {
        cargo.env(format!("CC_{variable}"), compiler);
        cargo.env(format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), compiler);
    }
    ensure!(cargo.status().context("cargo build")?.success(), "the programs for {architecture} do not build");
    let built = target.join(triple).join(profile.name());
    if profile == Profile::Dist {
        let places = places(&target)?;
        for image in images {
            let program = std::fs::read(built.join(image.program))?;
            ensure_placeless(&program, &places).with_context(|| image.program.to_owned())?;
        }
    }
    Ok(built)
}

/// The programs as the tests are built, with which they share their dependencies.
fn tested(images: &[&Image]) -> anyhow::Result<PathBuf> {
    let built = crate::bench::tested(images.iter().map(|image| image.program))?;
    // Lines of source and names are three quarters of them.
    let stripped = built.join("images");
    std::fs::create_dir_all(&stripped)?;
    for image in images {
        let [from, to] = [&built, &stripped].map(|directory| directory.join(image.program));
        let status = Command::new("strip").arg("--strip-all").arg("-o").arg(to).arg(from).status();
        ensure!(status.context("strip, of binutils")?.success(), "strip failed");
    }
    Ok(stripped)
}

/// Directories of this machine that the compiler sees, and what it writes for them into what is published. The last is
/// where build scripts write code.
fn places(target: &Path) -> anyhow::Result<[(String, &'static str); 3]> {
    let home = environment("HOME").unwrap_or_default();
    let cargo_home = environment("CARGO_HOME").unwrap_or_else(|| format!("{home}/.cargo"));
    let sources = root().canonicalize()?.display().to_string();
    // Of two that fit, the compiler takes the last.
    Ok([(sources, "/keymount"), (cargo_home, "/cargo"), (target.display().to_string(), "/target")])
}

fn flags(profile: Profile, target: &Path) -> anyhow::Result<Vec<String>> {
    if profile != Profile::Dist {
        // The same for every checkout, so that what one has built serves the others.
        return Ok(Vec::new());
    }
    Ok(places(target)?.iter().map(|(here, there)| format!("--remap-path-prefix={here}={there}")).collect())
}

/// Fails for a program that names a directory of the machine it was built on: built elsewhere it would be another one.
fn ensure_placeless(program: &[u8], places: &[(String, &str)]) -> anyhow::Result<()> {
    for (place, _) in places {
        // `/src` also stands in the middle of the paths of sources; that of three directories hardly does.
        let short = place.matches('/').count() < 3;
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        let named = program.windows(place.len()).enumerate().any(|(at, bytes)| {
            bytes == place.as_bytes()
                && !(short && at.checked_sub(1).and_then(|before| program.get(before)).is_some_and(goes_on))
        });
        ensure!(!named, "the program names {place}, a directory of this machine");
    }
    Ok(())
}

fn install_target(architecture: Architecture) -> anyhow::Result<()> {
    let target = architecture.target();
    let output = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root()).output();
    let output = output.context("rustup, which knows whether the standard library for musl is there")?;
    if String::from_utf8_lossy(&output.stdout).lines().any(|line| line == target) {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", target]).current_dir(root()).status()?;
    ensure!(added.success(), "rustup target add {target} failed");
    Ok(())
}

fn install_compiler(architecture: Architecture) -> anyhow::Result<()> {
    let (compiler, packages) = architecture.compiler();
    if runs(compiler) {
        return Ok(());
    }
    let by_hand = format!("{compiler} is missing: apt-get install {}", packages.join(" "));
    if !runs("apt-get") {
        bail!("{by_hand}, or what your distribution calls it");
    }
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends"]] {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        if arguments[0] == "install" {
            apt.args(packages);
        }
        ensure!(apt.status()?.success(), "{by_hand}");
    }
    ensure!(runs(compiler), "{by_hand}");
    Ok(())
}

fn runs(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Fails for a program that needs a loader: there is none in the image.
pub(super) fn ensure_static(program: &[u8]) -> anyhow::Result<()> {
    let word = |at: usize, bytes: usize| -> anyhow::Result<u64> {
        let slice = program.get(at..at + bytes).context("the file ends in the middle of its headers")?;
        Ok(slice.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "no 64-bit little-endian ELF program");
    let (offset, size, count) = (word(0x20, 8)?, word(0x36, 2)?, word(0x38, 2)?);
    const INTERPRETER: u64 = 3;
    for number in 0..count {
        let kind = word(usize::try_from(offset + number * size)?, 4)?;
        ensure!(kind != INTERPRETER, "the program is not static");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_names_a_directory_of_this_machine_is_noticed() {
        let places = [("/work/sources".to_owned(), "/keymount"), ("/work/target".to_owned(), "/target")];
        ensure_placeless(b"\0/keymount/src/lib.rs\0/target/build\0/work\0", &places).unwrap();
        for named in [&b"\0/work/target/build/x.rs"[..], b"/work/sources"] {
            ensure_placeless(named, &places).unwrap_err();
        }
        let [short, long] =
            ["/src", "/home/me/keymount/target"].map(|place| [(place.to_owned(), "/keymount")]);
        ensure_placeless(b"\0/keymount/crates/volume/src/dir.rs", &short).unwrap();
        ensure_placeless(b"\0/src/crates/volume/dir.rs", &short).unwrap_err();
        ensure_placeless(b"lib.rs/home/me/keymount/target/x.rs", &long).unwrap_err();
    }

    #[test]
    fn a_program_that_needs_a_loader_is_noticed() {
        // This test itself.
        let program = std::fs::read("/proc/self/exe").unwrap();
        if cfg!(target_env = "gnu") {
            assert_eq!(ensure_static(&program).unwrap_err().to_string(), "the program is not static");
        }
        assert!(ensure_static(b"#!/bin/sh").is_err());
        // No program headers at all: nothing asks for a loader.
        let mut bare = vec![0; 64];
        bare[..6].copy_from_slice(b"\x7fELF\x02\x01");
        ensure_static(&bare).unwrap();
    }
}

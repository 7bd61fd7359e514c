//! The container images: static programs and nothing else, written by plain code, the same bytes from every build.

mod archive;
mod containerfile;
mod layer;
mod libraries;
mod programs;
mod recipe;
mod revision;
mod sbom;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use archive::{Archive, Platform};
pub(crate) use containerfile::files as containerfiles;
use programs::{Architecture, Profile};
use recipe::{IMAGES, Image};
use revision::Revision;

use crate::generated::root;

/// Most that an image may have, compressed, of one architecture.
const SIZE_LIMIT: usize = 12_000_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Architecture of the images; several make images for all of them
    #[arg(long = "architecture", value_enum, default_values_t = [Architecture::Amd64])]
    architectures: Vec<Architecture>,
    /// How the programs are compiled; only images of `dist` are held to the limit of size
    #[arg(long, value_enum, default_value_t = Profile::Dist)]
    profile: Profile,
    /// Only the image of this name: driver, provider-azure or cli
    #[arg(long)]
    only: Option<String>,
    /// Where archives, SBOMs and root file systems are written
    #[arg(long, default_value = "target/images")]
    output: PathBuf,
    /// Where cargo builds, if not where it always does
    #[arg(long)]
    target_dir: Option<PathBuf>,
    /// Build everything again in a directory of its own, and fail if the digests differ
    #[arg(long)]
    verify_reproducible: bool,
}

/// One image as it was built.
struct Built {
    image: &'static Image,
    archive: Archive,
}

/// Builds the images and writes `<output>/<image>.tar`, an OCI image layout that containerd, podman, skopeo and
/// crane read, with an SBOM for each architecture beside it.
pub(crate) fn build(arguments: &Arguments) -> anyhow::Result<()> {
    let revision = Revision::of_this_tree()?;
    let images: Vec<&'static Image> = IMAGES
        .iter()
        .filter(|image| arguments.only.as_ref().is_none_or(|only| image.short == only))
        .collect();
    ensure!(!images.is_empty(), "no such image: {}", arguments.only.as_deref().unwrap_or_default());
    let output = root().join(&arguments.output);
    let built = build_once(&images, arguments, &revision, arguments.target_dir.as_deref())?;
    for Built { image, archive } in &built {
        write(&output, image, archive)?;
        tell(image, archive);
    }
    if arguments.verify_reproducible {
        let elsewhere = output.join("again");
        let again = build_once(&images, arguments, &revision, Some(&elsewhere))?;
        for (first, second) in built.iter().zip(&again) {
            let (first_digest, second_digest) = (first.archive.digest(), second.archive.digest());
            ensure!(
                first_digest == second_digest,
                "{}: {first_digest}, then {second_digest}",
                first.image.name
            );
        }
        std::fs::remove_dir_all(&elsewhere).context("removing what was built to compare")?;
        say("a second build in another directory has the same digests");
    }
    Ok(())
}

/// Builds the programs as they are in the published images, and gives the directory that they are in.
pub(crate) fn published() -> anyhow::Result<PathBuf> {
    // All of them, because features are chosen together.
    let images: Vec<&'static Image> = IMAGES.iter().collect();
    programs::compile(&images, Architecture::Amd64, Profile::Dist, &Revision::of_this_tree()?, None)
}

fn build_once(
    images: &[&'static Image],
    arguments: &Arguments,
    revision: &Revision,
    target: Option<&Path>,
) -> anyhow::Result<Vec<Built>> {
    let mut platforms: Vec<Vec<Platform>> = images.iter().map(|_| Vec::new()).collect();
    for architecture in &arguments.architectures {
        let directory = programs::compile(images, *architecture, arguments.profile, revision, target)?;
        for (image, platforms) in images.iter().zip(&mut platforms) {
            let program = directory.join(image.program);
            let program = std::fs::read(&program).with_context(|| program.display().to_string())?;
            let libraries = if arguments.profile == Profile::Dev {
                libraries::of(&directory.join(image.program))?
            } else {
                programs::ensure_static(&program).with_context(|| image.program.to_owned())?;
                Vec::new()
            };
            let sbom = sbom::of(image, *architecture, revision)?;
            let compression = arguments.profile.compression();
            let layer = layer::Layer::new(image.files(program, &sbom, libraries), compression)?;
            ensure!(
                arguments.profile != Profile::Dist || layer.compressed.len() <= SIZE_LIMIT,
                "{} for {architecture}: {} bytes are more than {SIZE_LIMIT}",
                image.name,
                layer.compressed.len()
            );
            platforms.push(Platform { architecture: *architecture, layer, sbom });
        }
    }
    let build = |(image, platforms): (&&'static Image, Vec<Platform>)| {
        Ok(Built { image, archive: Archive::new(image, platforms, revision)? })
    };
    images.iter().zip(platforms).map(build).collect()
}

fn write(output: &Path, image: &Image, archive: &Archive) -> anyhow::Result<()> {
    std::fs::create_dir_all(output).with_context(|| output.display().to_string())?;
    archive.write(&output.join(format!("{}.tar", image.name)))?;
    for platform in &archive.platforms {
        let name = format!("{}-{}", image.name, platform.architecture);
        std::fs::write(output.join(format!("{name}.cdx.json")), &platform.sbom)?;
        platform.layer.unpack(&output.join("rootfs").join(name))?;
    }
    Ok(())
}

fn tell(image: &Image, archive: &Archive) {
    for platform in &archive.platforms {
        say(&format!(
            "{:<40} {:<6} {:>5.2} MB compressed, {:>5.2} MB unpacked",
            image.name,
            platform.architecture.to_string(),
            platform.layer.compressed.len() as f64 / 1e6,
            platform.layer.uncompressed as f64 / 1e6,
        ));
    }
    say(&format!("{:<40} {}", "", archive.digest()));
}

/// What cargo, or who builds, says by the environment.
#[allow(clippy::disallowed_methods, reason = "a build is configured by it")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[allow(clippy::print_stdout, reason = "a command line tool")]
fn say(line: &str) {
    println!("{line}");
}

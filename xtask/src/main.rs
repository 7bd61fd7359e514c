//! The project's chores: `cargo xtask <chore>`.

mod bench;
mod broken;
mod charts;
mod crds;
mod deploy;
mod generated;
mod images;
mod performance;
mod picture;
mod reference;
mod site;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Measures a driver and a provider through their sockets; ours, unless others are named
    #[command(disable_help_flag = true)]
    Bench {
        /// Those of the bench program: see `--help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Makes wrong changes in a copy of the source and shows that the tests fail on them
    Broken {
        /// Only those that these tests see
        tests: Vec<String>,
    },
    /// Everything a change must pass, as `.ci/run` does it
    Ci {
        /// Also what takes long: see `.ci/run --help`
        #[arg(long)]
        full: bool,
    },
    /// Writes what is made from the charts' values, and checks what the charts promise
    Charts {
        /// Only says whether the files are up to date
        #[arg(long)]
        check: bool,
    },
    /// Installs the stack on a Kubernetes node of its own and tries it: see tests/cluster/run-install.sh
    Cluster {
        /// Only these chapters, for example `rotation`
        chapters: Vec<String>,
    },
    /// Writes the CustomResourceDefinitions from the types
    Crds {
        /// Only says whether the files are up to date
        #[arg(long)]
        check: bool,
    },
    /// Writes the Containerfile, and the plain manifests from the charts
    Deploy {
        /// Only says whether the files are up to date
        #[arg(long)]
        check: bool,
    },
    /// Builds the container images: static programs, no base image, one archive each
    Images(images::Arguments),
    /// Instructions, system calls, sizes and request counts, against those in benches/
    Performance(performance::Arguments),
    /// Simulates a cluster of thousands of nodes and writes docs/scale.md with its pictures
    #[command(disable_help_flag = true)]
    Scale {
        /// Those of the simulation: see `--help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs a command and draws what it prints, as docs/pictures/demo.svg is made
    Picture {
        /// The SVG file
        output: std::path::PathBuf,
        /// The command as people type it
        title: String,
        /// Numbers of the steps of a demo that are drawn; all, if none is given
        #[arg(long, value_delimiter = ',')]
        steps: Vec<u32>,
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// Writes the reference pages (commands, flags, metrics, parameters, definitions, errors) and the manual pages from the code
    Docs {
        /// Only says whether the files are up to date
        #[arg(long)]
        check: bool,
    },
    /// Builds the documentation as a site into target/site/html, and follows its links
    Site {
        /// The mdbook to build it with
        #[arg(long, default_value = "mdbook")]
        mdbook: std::path::PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Bench { arguments } => bench::bench(&arguments),
        Chore::Broken { tests } => broken::show(&tests),
        Chore::Ci { full } => ci(full),
        Chore::Charts { check } => generated::update(charts::files()?, check),
        Chore::Crds { check } => generated::update(crds::files()?, check),
        Chore::Cluster { chapters } => cluster(&chapters),
        Chore::Deploy { check } => generated::update(
            [images::containerfiles(), deploy::files()?].into_iter().flatten().collect(),
            check,
        ),
        Chore::Images(arguments) => images::build(&arguments),
        Chore::Performance(arguments) => performance::performance(&arguments),
        Chore::Scale { arguments } => bench::scale(&arguments),
        Chore::Docs { check } => generated::update(reference::files()?, check),
        Chore::Picture { output, title, steps, command } => picture::draw(&output, &title, &steps, &command),
        Chore::Site { mdbook } => site::build(&mdbook),
    }
}

fn cluster(chapters: &[String]) -> anyhow::Result<()> {
    let script = generated::root().join("tests/cluster/run-install.sh");
    let status = std::process::Command::new(script).args(chapters).status()?;
    anyhow::ensure!(status.success(), "the cluster tests failed");
    Ok(())
}

fn ci(full: bool) -> anyhow::Result<()> {
    let status = std::process::Command::new(generated::root().join(".ci/run"))
        .args(full.then_some("--full"))
        .status()?;
    anyhow::ensure!(status.success(), "CI failed");
    Ok(())
}

//! The Containerfile, for who builds images with a container engine: made from the same table.

use std::fmt::Write as _;

use super::archive::labels;
use super::recipe::IMAGES;
use super::revision::Revision;
use crate::generated::Generated;

const HEAD: &str = "\
# The three images, for container engines: `podman build --target driver .`, and provider-azure and cli. Made by
# `cargo xtask deploy`. The images that are published are written by `cargo xtask images` itself, which has the same bytes from every build.
# From programs that are there already, without a base image or a registry:
#   cargo xtask images && buildah build --build-context build=target --target driver .
FROM docker.io/library/rust:{rust}-bookworm AS build
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends musl-tools
WORKDIR /keymount
COPY . .
RUN cargo xtask images --output /images
";

/// The Containerfile as it should be.
pub(crate) fn files() -> Vec<Generated> {
    vec![Generated { path: "Containerfile", content: text() }]
}

fn text() -> String {
    let mut text = HEAD.replace("{rust}", env!("CARGO_PKG_RUST_VERSION"));
    // What is not known before the build is left out here: the archive's own labels tell it.
    let revision = Revision {
        version: format!("v{}", env!("CARGO_PKG_VERSION")),
        commit: String::new(),
        created: String::new(),
        date: String::new(),
    };
    for image in IMAGES {
        let labels = labels(image, &revision);
        let known = labels.iter().filter(|(_, value)| !value.is_empty());
        let known: Vec<String> = known.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let _ = write!(
            text,
            "\nFROM scratch AS {}\nLABEL {}\nCOPY --from=build /images/rootfs/{}-amd64/ /\nUSER {3}:{3}\nENTRYPOINT [\"/{4}\"]\n",
            image.short,
            known.join(" \\\n      "),
            image.name,
            image.user,
            image.program,
        );
    }
    text
}

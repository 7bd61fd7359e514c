//! An image as an archive: the layout of the Open Container Initiative, in a tar file.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::layer::{Entry, Layer, digest, tar_of};
use super::programs::Architecture;
use super::recipe::{Image, REGISTRY};
use super::revision::Revision;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image for one architecture.
pub(super) struct Platform {
    pub(super) architecture: Architecture,
    pub(super) layer: Layer,
    pub(super) sbom: Vec<u8>,
}

/// The whole image.
pub(super) struct Archive {
    pub(super) platforms: Vec<Platform>,
    /// What the tag leads to.
    top: Descriptor,
    /// By digest; layers not among them.
    blobs: BTreeMap<String, Vec<u8>>,
    /// Name and tag that a container engine gives it.
    reference: String,
}

#[derive(Clone)]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
}

impl Descriptor {
    fn json(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

impl Archive {
    pub(super) fn new(image: &Image, platforms: Vec<Platform>, revision: &Revision) -> anyhow::Result<Self> {
        let mut blobs = BTreeMap::new();
        let mut store = |media_type: &'static str, content: &Value| -> anyhow::Result<Descriptor> {
            let bytes = serde_json::to_vec(content)?;
            let descriptor = Descriptor { media_type, digest: digest(&bytes), size: bytes.len() };
            blobs.insert(descriptor.digest.clone(), bytes);
            Ok(descriptor)
        };
        let labels = labels(image, revision);
        let mut manifests = Vec::new();
        for platform in &platforms {
            let config = store(CONFIG, &config(image, platform, &labels, revision))?;
            let layer = Descriptor {
                media_type: LAYER,
                digest: digest(&platform.layer.compressed),
                size: platform.layer.compressed.len(),
            };
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.json(),
                "layers": [layer.json()],
                "annotations": labels,
            });
            manifests.push((platform.architecture, store(MANIFEST, &manifest)?));
        }
        let top = match manifests.as_slice() {
            [(_, only)] => only.clone(),
            several => {
                let several = several.iter().map(|(architecture, manifest)| {
                    let mut told = manifest.json();
                    told["platform"] = json!({"architecture": architecture.to_string(), "os": "linux"});
                    told
                });
                let several = several.collect::<Vec<_>>();
                store(
                    INDEX,
                    &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": several, "annotations": labels}),
                )?
            }
        };
        let reference = format!("{REGISTRY}/{}:{}", image.name, revision.version);
        Ok(Self { platforms, top, blobs, reference })
    }

    /// Of what the tag leads to: what a chart's `digest` names.
    pub(super) fn digest(&self) -> &str {
        &self.top.digest
    }

    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut top = self.top.json();
        let tag = self.reference.rsplit_once(':').map_or("", |(_, tag)| tag);
        // containerd reads the first, others the second.
        top["annotations"] = json!({
            "io.containerd.image.name": self.reference,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]});
        let mut blobs = self.blobs.clone();
        blobs.extend(
            self.platforms
                .iter()
                .map(|platform| (digest(&platform.layer.compressed), platform.layer.compressed.clone())),
        );
        let mut entries = vec![Entry::directory("blobs", 0o755), Entry::directory("blobs/sha256", 0o755)];
        entries.extend(blobs.into_iter().map(|(digest, content)| {
            Entry::file(&format!("blobs/{}", digest.replace(':', "/")), 0o644, content)
        }));
        entries.push(Entry::file("index.json", 0o644, serde_json::to_vec(&index)?));
        entries.push(Entry::file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
        std::fs::write(file, tar_of(entries)?).with_context(|| file.display().to_string())
    }
}

/// <https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md>
pub(super) fn labels(image: &Image, revision: &Revision) -> BTreeMap<&'static str, String> {
    let source = env!("CARGO_PKG_REPOSITORY");
    BTreeMap::from([
        ("org.opencontainers.image.title", image.title.to_owned()),
        ("org.opencontainers.image.description", image.description.to_owned()),
        ("org.opencontainers.image.source", source.to_owned()),
        ("org.opencontainers.image.url", source.to_owned()),
        ("org.opencontainers.image.documentation", format!("{source}/tree/{}/docs", revision.version)),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE").to_owned()),
        ("org.opencontainers.image.vendor", "Keymount".to_owned()),
        ("org.opencontainers.image.version", revision.version.clone()),
        ("org.opencontainers.image.revision", revision.commit.clone()),
        ("org.opencontainers.image.created", revision.created.clone()),
    ])
}

fn config(
    image: &Image,
    platform: &Platform,
    labels: &BTreeMap<&'static str, String>,
    revision: &Revision,
) -> Value {
    json!({
        "created": revision.created,
        "architecture": platform.architecture.to_string(),
        "os": "linux",
        "config": {
            "User": format!("{0}:{0}", image.user),
            "Entrypoint": [format!("/{}", image.program)],
            "WorkingDir": "/",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [platform.layer.diff_id]},
        "history": [{"created": revision.created, "created_by": "cargo xtask images"}],
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::Compression;

    use super::super::recipe::IMAGES;
    use super::*;

    fn revision() -> Revision {
        Revision {
            version: "v1.2.3".to_owned(),
            commit: "abc".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            date: String::new(),
        }
    }

    fn platform(architecture: Architecture) -> Platform {
        let content = architecture.to_string().into_bytes();
        let layer = Layer::new(vec![Entry::file("program", 0o755, content)], Compression::best()).unwrap();
        Platform { architecture, layer, sbom: Vec::new() }
    }

    fn contents(archive: &Archive) -> BTreeMap<String, Vec<u8>> {
        let file = std::env::temp_dir().join(format!(
            "keymount-{}-{}.tar",
            std::process::id(),
            &archive.digest()[7..]
        ));
        archive.write(&file).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        let mut read = tar::Archive::new(bytes.as_slice());
        let entries = read.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        });
        entries.collect()
    }

    /// The blob that a descriptor names, checked for digest and size.
    fn follow(files: &BTreeMap<String, Vec<u8>>, descriptor: &Value) -> Vec<u8> {
        let name = descriptor["digest"].as_str().unwrap();
        let blob = &files[&format!("blobs/{}", name.replace(':', "/"))];
        assert_eq!(digest(blob), name);
        assert_eq!(descriptor["size"], blob.len());
        blob.clone()
    }

    #[test]
    fn every_descriptor_leads_to_its_blob() {
        let archive = Archive::new(
            &IMAGES[0],
            vec![platform(Architecture::Amd64), platform(Architecture::Arm64)],
            &revision(),
        )
        .unwrap();
        let files = contents(&archive);
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let index = read(&files["index.json"]);
        let top = &index["manifests"][0];
        assert_eq!(top["digest"], archive.digest());
        assert_eq!(
            top["annotations"]["io.containerd.image.name"],
            "ghcr.io/keymount/secrets-store-csi-driver:v1.2.3"
        );
        let both = read(&follow(&files, top));
        let mut seen = Vec::new();
        for manifest in both["manifests"].as_array().unwrap() {
            seen.push(manifest["platform"]["architecture"].as_str().unwrap().to_owned());
            let manifest = read(&follow(&files, manifest));
            let config = read(&follow(&files, &manifest["config"]));
            assert_eq!(config["architecture"].as_str(), seen.last().map(String::as_str));
            assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "abc");
            follow(&files, &manifest["layers"][0]);
        }
        assert_eq!(seen, ["amd64", "arm64"]);
    }

    #[test]
    fn one_architecture_needs_no_index_of_its_own() {
        let archive = Archive::new(&IMAGES[2], vec![platform(Architecture::Amd64)], &revision()).unwrap();
        let files = contents(&archive);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["mediaType"], MANIFEST);
        let manifest: Value = serde_json::from_slice(&follow(&files, &index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(&follow(&files, &manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
    }
}

//! What is in which image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::layer::Entry;

/// Where the images are published.
pub(super) const REGISTRY: &str = "ghcr.io/keymount";

/// One image.
pub(super) struct Image {
    /// What `--only` calls it, and the target of the Containerfile.
    pub(super) short: &'static str,
    /// Name without registry.
    pub(super) name: &'static str,
    /// The program, which is the entry point, and the package it is made from.
    pub(super) program: &'static str,
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    /// Who the program runs as, unless the pod says otherwise.
    pub(super) user: u32,
    /// Whether it talks to the world outside, and needs to know whom to trust.
    has_certificates: bool,
    /// Whether it writes files of its own.
    has_tmp: bool,
}

/// Who a program runs as that needs nothing of root's.
const NOBODY: u32 = 65532;

pub(super) const IMAGES: &[Image] = &[
    Image {
        short: "driver",
        name: "secrets-store-csi-driver",
        program: "secrets-store-csi-driver",
        title: "Secrets Store CSI driver",
        description: "Mounts secrets of external stores into pods. A drop-in for the Go driver v1.6.0.",
        // It mounts.
        user: 0,
        // It knows the Kubernetes API only, whose certificate comes with its service account.
        has_certificates: false,
        has_tmp: false,
    },
    Image {
        short: "provider-azure",
        name: "secrets-store-csi-driver-provider-azure",
        program: "secrets-store-csi-driver-provider-azure",
        title: "Azure Key Vault provider for the Secrets Store CSI driver",
        description: "Fetches secrets, keys and certificates from Azure Key Vault. A drop-in for the Go provider v1.8.2.",
        // The directory of its socket belongs to root; the chart's linux.runAsUser is for one that does not.
        user: 0,
        has_certificates: true,
        has_tmp: false,
    },
    Image {
        short: "cli",
        name: "keymount",
        program: "keymount",
        title: "keymount",
        description: "Try, check and debug the Secrets Store CSI stack; an emulator of Azure Key Vault for tests.",
        user: NOBODY,
        has_certificates: true,
        has_tmp: true,
    },
];

/// Where programs look for whom to trust.
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

impl Image {
    /// Everything in the image, sorted; with libraries, if the program loads any.
    pub(super) fn files(&self, program: Vec<u8>, sbom: &[u8], libraries: Vec<Entry>) -> Vec<Entry> {
        let mut files = vec![
            Entry::file(self.program, 0o755, program),
            Entry::directory("etc", 0o755),
            Entry::file("etc/passwd", 0o644, passwd().into()),
            Entry::file("etc/group", 0o644, group().into()),
            Entry::directory("usr", 0o755),
            Entry::directory("usr/share", 0o755),
            Entry::directory("usr/share/sbom", 0o755),
            Entry::file(&format!("usr/share/sbom/{}.cdx.json", self.name), 0o644, sbom.to_vec()),
        ];
        if self.has_certificates {
            files.extend([Entry::directory("etc/ssl", 0o755), Entry::directory("etc/ssl/certs", 0o755)]);
            files.push(Entry::file(CERTIFICATES, 0o644, certificates().into_bytes()));
        }
        if self.has_tmp {
            files.push(Entry::directory("tmp", 0o1777));
        }
        files.extend(libraries);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }
}

fn passwd() -> String {
    format!("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{NOBODY}:{NOBODY}:nonroot:/:/sbin/nologin\n")
}

fn group() -> String {
    format!("root:x:0:\nnonroot:x:{NOBODY}:\n")
}

/// Mozilla's roots, of the version that Cargo.lock names.
fn certificates() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let encoded = STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, next) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = next;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_talks_to_the_world_outside_knows_whom_to_trust() {
        for image in IMAGES {
            let files = image.files(b"program".to_vec(), b"{}", Vec::new());
            assert_eq!(files.iter().any(|entry| entry.path == CERTIFICATES), image.short != "driver");
            assert!(files.is_sorted_by(|a, b| a.path < b.path));
        }
        assert!(certificates().matches("BEGIN CERTIFICATE").count() > 100);
    }
}

//! `Debug` for the messages that carry secrets or tokens.
//!
//! prost requires `Debug` of every message, so it cannot be left out; what it prints is what may
//! stand in a log at any verbosity.

use std::collections::HashMap;
use std::fmt;

use crate::csi::{NodeExpandVolumeRequest, NodePublishVolumeRequest, NodeStageVolumeRequest};
use crate::provider::{File, MountRequest, MountResponse};

/// What stands in the place of a secret, as upstream's request log has it.
const STRIPPED: &str = "***stripped***";

/// The one volume context key whose value is a bearer token.
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// Shows that secrets were there, not which.
struct Secrets<'a>(&'a HashMap<String, String>);

impl fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("{}") } else { fmt::Debug::fmt(STRIPPED, f) }
    }
}

/// A volume context with the tokens replaced.
struct Context<'a>(&'a HashMap<String, String>);

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys: Vec<_> = self.0.iter().collect();
        keys.sort();
        f.debug_map()
            .entries(keys.into_iter().map(|(key, value)| (key, if key == TOKENS { STRIPPED } else { value })))
            .finish()
    }
}

impl fmt::Debug for MountRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountRequest")
            .field("attributes", &STRIPPED)
            .field("secrets", &STRIPPED)
            .field("target_path", &self.target_path)
            .field("permission", &self.permission)
            .field("current_object_version", &self.current_object_version)
            .finish()
    }
}

impl fmt::Debug for MountResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountResponse")
            .field("object_version", &self.object_version)
            .field("error", &self.error)
            .field("files", &self.files)
            .finish()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &format_args!("{:#o}", self.mode))
            .field("contents", &format_args!("{} bytes", self.contents.len()))
            .finish()
    }
}

impl fmt::Debug for NodePublishVolumeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodePublishVolumeRequest")
            .field("volume_id", &self.volume_id)
            .field("target_path", &self.target_path)
            .field("volume_capability", &self.volume_capability)
            .field("readonly", &self.readonly)
            .field("secrets", &Secrets(&self.secrets))
            .field("volume_context", &Context(&self.volume_context))
            .finish()
    }
}

impl fmt::Debug for NodeStageVolumeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeStageVolumeRequest")
            .field("volume_id", &self.volume_id)
            .field("staging_target_path", &self.staging_target_path)
            .field("secrets", &Secrets(&self.secrets))
            .field("volume_context", &Context(&self.volume_context))
            .finish()
    }
}

impl fmt::Debug for NodeExpandVolumeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeExpandVolumeRequest")
            .field("volume_id", &self.volume_id)
            .field("volume_path", &self.volume_path)
            .field("secrets", &Secrets(&self.secrets))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "c4n4ry-s3cr3t";

    fn map(entries: &[(&str, &str)]) -> HashMap<String, String> {
        entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    /// I5, and CVE-2023-2878: no secret and no token in the Debug text of any message.
    #[test]
    fn i5_debug_shows_no_secret() {
        let mut publish = NodePublishVolumeRequest::default();
        publish.secrets = map(&[("clientsecret", CANARY)]);
        publish.volume_context = map(&[(TOKENS, CANARY), ("secretProviderClass", "web")]);
        let mut stage = NodeStageVolumeRequest::default();
        stage.secrets = map(&[("k", CANARY)]);
        stage.volume_context = map(&[(TOKENS, CANARY)]);
        let mut expand = NodeExpandVolumeRequest::default();
        expand.secrets = map(&[("k", CANARY)]);
        let mut request = MountRequest::default();
        request.attributes = CANARY.to_owned();
        request.secrets = CANARY.to_owned();
        let file = File { path: "db".to_owned(), mode: 0o640, contents: CANARY.as_bytes().to_vec() };
        let bytes = format!("{:?}", CANARY.as_bytes());
        let response = MountResponse { files: vec![file], ..Default::default() };
        for text in [
            format!("{publish:?}{publish:#?}"),
            format!("{stage:?}"),
            format!("{expand:?}"),
            format!("{request:?}"),
            format!("{response:?}{response:#?}"),
        ] {
            assert!(!text.contains(CANARY) && !text.contains(&bytes), "{text}");
        }
        assert!(format!("{publish:?}").contains("web"), "what is no secret stays readable");
        assert!(format!("{response:?}").contains("0o640"));
    }
}

//! What a provider's reply holds, once it is judged acceptable as a reply. Its files are judged by
//! [`keymount_volume`].

use std::collections::BTreeMap;

use keymount_proto::provider::{File, MountResponse};

use super::{HeldMemory, ProviderError};

/// Replies above this are not refused, but a Secret cannot hold them.
const SECRET_LIMIT: usize = 1024 * 1024;

/// Content of a volume as the provider sent it.
pub(crate) struct Reply {
    /// Files; none if the provider wrote them itself.
    pub(crate) files: Vec<File>,
    /// Object versions by id; of an id that comes twice the last.
    pub(crate) versions: BTreeMap<String, String>,
    /// What it takes up until it is written.
    pub(crate) memory: HeldMemory,
}

impl Reply {
    pub(crate) fn judge(mut response: MountResponse, memory: HeldMemory) -> Result<Self, ProviderError> {
        if let Some(error) = response.error.take().filter(|error| !error.code.is_empty()) {
            return Err(ProviderError::Code(error.code));
        }
        if response.object_version.is_empty() {
            return Err(ProviderError::MissingVersions);
        }
        let size: usize = response.files.iter().map(|file| file.contents.len()).sum();
        if size > SECRET_LIMIT {
            tracing::info!(size, "proto above 1MiB, secret sync may fail");
        }
        let versions =
            std::mem::take(&mut response.object_version).into_iter().map(|v| (v.id, v.version)).collect();
        Ok(Self { files: std::mem::take(&mut response.files), versions, memory })
    }
}

#[cfg(test)]
mod tests {
    use keymount_proto::provider::{Error, ObjectVersion};

    use super::*;

    fn version(id: &str, version: &str) -> ObjectVersion {
        ObjectVersion { id: id.to_owned(), version: version.to_owned() }
    }

    #[test]
    fn replies_are_judged_in_the_order_of_the_go_driver() {
        let file = || File { path: "a".to_owned(), mode: 0o644, contents: b"x".to_vec() };
        let code = |code: &str| Some(Error { code: code.to_owned() });
        let judge = |error, versions, files| {
            let response = MountResponse { object_version: versions, error, files };
            Reply::judge(response, HeldMemory::default()).map_err(|e| e.to_string())
        };
        assert_eq!(
            judge(code("Denied"), vec![version("a", "1")], vec![file()]).err().as_deref(),
            Some("mount request failed with provider error code Denied"),
            "an error code counts also when files came with it"
        );
        let missing = judge(code(""), vec![], vec![file()]).err().unwrap();
        assert!(missing.starts_with("missing object versions"));
        let reply =
            judge(None, vec![version("a", "1"), version("b", "1"), version("a", "2")], vec![]).unwrap();
        assert!(reply.files.is_empty());
        assert_eq!(
            reply.versions,
            [("a", "2"), ("b", "1")].map(|(i, v)| (i.to_owned(), v.to_owned())).into()
        );
    }
}

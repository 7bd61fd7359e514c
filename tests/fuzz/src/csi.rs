//! What kubelet asks and providers reply.

use std::collections::{BTreeMap, BTreeSet};

use keymount_driver::fuzzing::{accepted_files, provider_is_told};
use keymount_proto::csi::NodePublishVolumeRequest;
use keymount_proto::provider::MountResponse;
use keymount_sensitive::SecretBytes;
use keymount_volume::{FileSpec, Limits, Payload};
use prost::Message as _;

use crate::objects::assert_harmless;

/// A provider's reply: refused whole, or a set of files that cannot leave the volume or hide one another (I7).
pub(crate) fn mount_response(data: &[u8]) {
    let Ok(response) = MountResponse::decode(data) else { return };
    let shown = format!("{response:?}");
    // What is shown may hold the same bytes elsewhere: a path, an object's id or version.
    let paths = response.files.iter().map(|file| &file.path);
    let public: Vec<&String> = paths
        .chain(response.object_version.iter().flat_map(|object| [&object.id, &object.version]))
        .collect();
    for file in &response.files {
        let text = String::from_utf8_lossy(&file.contents);
        let is_public = public.iter().any(|public| public.contains(&*text));
        assert!(text.len() < 12 || !shown.contains(&*text) || is_public, "I5: {shown}");
    }
    let Some(files) = accepted_files(response) else { return };
    let count = files.len();
    let files = files.into_iter().map(|mut file| FileSpec {
        path: std::mem::take(&mut file.path),
        mode: file.mode,
        contents: SecretBytes::new(std::mem::take(&mut file.contents)),
    });
    let limits = Limits { max_files: 1_000, max_bytes: 1 << 20, ..Limits::default() };
    let Ok(payload) = Payload::validate(files.collect(), &limits) else { return };
    let paths: BTreeSet<String> = payload.paths().map(|path| path.as_str().to_owned()).collect();
    assert_eq!(paths.len(), count, "no two files are one");
    for path in &paths {
        assert_harmless(path);
        let inner = format!("{path}/");
        assert!(!paths.iter().any(|other| other.starts_with(&inner)), "{path:?} is a file and a directory");
    }
}

/// A request of kubelet: what of it reaches the provider, and what is printed of it.
pub(crate) fn publish_request(data: &[u8]) {
    let Ok(request) = NodePublishVolumeRequest::decode(data) else { return };
    let shown = format!("{request:?}");
    for secret in request.secrets.values().filter(|secret| secret.len() > 12) {
        let elsewhere = request.volume_context.values().chain(request.publish_context.values());
        let public =
            elsewhere.chain([&request.target_path, &request.volume_id, &request.staging_target_path]);
        let mut public = public.chain(request.volume_context.keys());
        assert!(
            !shown.contains(secret.as_str()) || public.any(|text| text.contains(secret.as_str())),
            "I5: {shown}"
        );
    }
    let parameters = [("objects", "[]"), ("csi.storage.k8s.io/pod.name", "forged by the class")];
    let parameters: BTreeMap<_, _> = parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let audiences = Some(vec!["aud".to_owned()]);
    let context = request.volume_context.clone();
    let Ok((attributes, secrets)) = provider_is_told(request, &parameters, audiences) else { return };
    let attributes: BTreeMap<String, String> = serde_json::from_str(&attributes).expect("JSON, text to text");
    serde_json::from_str::<Option<BTreeMap<String, String>>>(&secrets).expect("JSON, text to text, or null");
    for (key, value) in attributes.iter().filter(|(key, _)| key.starts_with("csi.storage.k8s.io/")) {
        if key.ends_with("/serviceAccount.tokens") {
            let tokens: BTreeMap<String, serde_json::Value> = serde_json::from_str(value).expect("tokens");
            assert!(tokens.keys().all(|audience| audience == "aud"), "I6: {value}");
        } else {
            assert_eq!(context.get(key), Some(value), "kubelet's keys come from kubelet alone");
        }
    }
}

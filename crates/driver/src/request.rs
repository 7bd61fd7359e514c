//! What the CSI requests ask for, decoded and checked before anything else happens.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use keymount_api::volume_context;
use keymount_proto::csi::volume_capability::AccessType;
use keymount_proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest};
use keymount_sensitive::{SecretString, Sensitive};

/// A pod by name, and the one of that name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PodRef {
    /// Namespace.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
    /// UID.
    pub(crate) uid: String,
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A class by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ClassKey {
    /// Namespace: always the pod's.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

/// Text to text, secret as a whole.
pub(crate) type SecretMap = Sensitive<SecretEntries>;

/// The entries of a [`SecretMap`].
#[derive(Default)]
pub(crate) struct SecretEntries(pub BTreeMap<String, String>);

impl zeroize::Zeroize for SecretEntries {
    fn zeroize(&mut self) {
        self.0.values_mut().for_each(zeroize::Zeroize::zeroize);
        self.0.clear();
    }
}

/// A volume to be published. Tokens stand apart from the rest of the context.
pub(crate) struct PublishRequest {
    /// Where the volume shall appear.
    pub(crate) target: PathBuf,
    /// The pod that mounts it, as kubelet says.
    pub(crate) pod: PodRef,
    /// Class named in the pod's volume attributes; may be empty.
    pub(crate) class: String,
    /// Volume context without the tokens.
    pub(crate) context: BTreeMap<String, String>,
    /// Service account tokens of the volume context.
    pub(crate) context_tokens: Option<SecretString>,
    /// Service account tokens of the secrets (serviceAccountTokenInSecrets).
    pub(crate) secret_tokens: Option<SecretString>,
    /// Data of nodePublishSecretRef without the tokens; none if kubelet sent no secrets.
    pub(crate) secrets: Option<SecretMap>,
    /// Whether kubelet asks for a read-only volume.
    pub(crate) readonly: bool,
    /// Group that shall own the files (fsGroup).
    pub(crate) group: Option<u32>,
}

/// The arguments cannot be used. Texts and order are those of driver v1.6.0; all are INVALID_ARGUMENT.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ArgumentError {
    /// No capability.
    #[error("Volume capability missing in request")]
    Capability,
    /// No volume id.
    #[error("Volume ID missing in request")]
    VolumeId,
    /// No target or staging path.
    #[error("Target path missing in request")]
    TargetPath,
    /// No volume context.
    #[error("Volume attributes missing in request")]
    Attributes,
    /// The group of the capability is no number.
    #[error("volume_mount_group {0:?} is no group id; fsGroup of the pod must be a number")]
    Group(String),
}

impl PublishRequest {
    /// Decodes the request; secrets move out of it.
    ///
    /// # Errors
    /// [`ArgumentError`], in upstream's order.
    pub(crate) fn decode(mut request: NodePublishVolumeRequest) -> Result<Self, ArgumentError> {
        let capability = request.volume_capability.take().ok_or(ArgumentError::Capability)?;
        if request.volume_id.is_empty() {
            return Err(ArgumentError::VolumeId);
        }
        if request.target_path.is_empty() {
            return Err(ArgumentError::TargetPath);
        }
        let mut context: BTreeMap<_, _> = std::mem::take(&mut request.volume_context).into_iter().collect();
        if context.is_empty() {
            return Err(ArgumentError::Attributes);
        }
        let group = match capability.access_type {
            Some(AccessType::Mount(mount)) if !mount.volume_mount_group.is_empty() => Some(
                mount
                    .volume_mount_group
                    .parse()
                    .map_err(|_| ArgumentError::Group(mount.volume_mount_group))?,
            ),
            _ => None,
        };
        let mut secrets = std::mem::take(&mut request.secrets);
        let none = secrets.is_empty();
        let secret_tokens = secrets.remove(volume_context::TOKENS).map(Sensitive::new);
        let secrets = SecretMap::new(SecretEntries(secrets.into_iter().collect()));
        let pod = PodRef {
            namespace: text(&context, volume_context::POD_NAMESPACE),
            name: text(&context, volume_context::POD_NAME),
            uid: text(&context, volume_context::POD_UID),
        };
        Ok(Self {
            target: PathBuf::from(std::mem::take(&mut request.target_path)),
            pod,
            class: text(&context, volume_context::CLASS),
            context_tokens: context.remove(volume_context::TOKENS).map(Sensitive::new),
            context,
            secret_tokens,
            secrets: (!none).then_some(secrets),
            readonly: request.readonly,
            group,
        })
    }

    /// The class this volume is of.
    #[must_use]
    pub(crate) fn class_key(&self) -> ClassKey {
        ClassKey { namespace: self.pod.namespace.clone(), name: self.class.clone() }
    }

    /// Whether there are service account tokens in it.
    #[must_use]
    pub(crate) fn has_tokens(&self) -> bool {
        self.context_tokens.is_some() || self.secret_tokens.is_some()
    }

    /// The same request with newer tokens, where there are any, and other secrets.
    #[must_use]
    pub(crate) fn renewed(&self, tokens: Option<SecretString>, secrets: Option<SecretMap>) -> Self {
        let copy = |old: &Option<SecretString>| old.as_ref().map(|old| Sensitive::new(old.expose().clone()));
        let (context_tokens, secret_tokens) = match tokens {
            Some(tokens) => (Some(tokens), None),
            None => (copy(&self.context_tokens), copy(&self.secret_tokens)),
        };
        Self {
            target: self.target.clone(),
            pod: self.pod.clone(),
            class: self.class.clone(),
            context: self.context.clone(),
            context_tokens,
            secret_tokens,
            secrets,
            readonly: self.readonly,
            group: self.group,
        }
    }

    /// Service account of the pod, as kubelet says; may be empty.
    #[must_use]
    pub(crate) fn service_account(&self) -> &str {
        self.context.get(volume_context::SERVICE_ACCOUNT).map_or("", String::as_str)
    }

    /// Whether the other request asks for the same volume. Tokens and secrets may be newer.
    #[must_use]
    pub(crate) fn asks_for_the_same(&self, other: &Self) -> bool {
        self.target == other.target
            && self.context == other.context
            && self.readonly == other.readonly
            && self.group == other.group
    }
}

fn text(context: &BTreeMap<String, String>, key: &str) -> String {
    context.get(key).cloned().unwrap_or_default()
}

/// Checks an unpublish request and gives the target path.
///
/// # Errors
/// [`ArgumentError`], in upstream's order.
pub(crate) fn unpublish_target(request: NodeUnpublishVolumeRequest) -> Result<PathBuf, ArgumentError> {
    if request.volume_id.is_empty() {
        return Err(ArgumentError::VolumeId);
    }
    if request.target_path.is_empty() {
        return Err(ArgumentError::TargetPath);
    }
    Ok(PathBuf::from(request.target_path))
}

#[cfg(test)]
mod tests {
    use keymount_proto::csi::VolumeCapability;
    use keymount_proto::csi::volume_capability::MountVolume;

    use super::*;

    fn request(change: impl FnOnce(&mut NodePublishVolumeRequest)) -> Result<PublishRequest, ArgumentError> {
        let mut request = NodePublishVolumeRequest::default();
        request.volume_id = "csi-1".to_owned();
        request.target_path = "/pods/uid/volumes/kubernetes.io~csi/v/mount".to_owned();
        request.volume_capability = Some(VolumeCapability::default());
        request.volume_context = [
            ("secretProviderClass", "web"),
            (volume_context::POD_NAME, "pod"),
            (volume_context::POD_NAMESPACE, "ns"),
            (volume_context::POD_UID, "uid"),
            (volume_context::SERVICE_ACCOUNT, "sa"),
            (volume_context::TOKENS, "{}"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        change(&mut request);
        PublishRequest::decode(request)
    }

    #[test]
    fn arguments_are_checked_in_the_order_of_the_go_driver() {
        type Change = fn(&mut NodePublishVolumeRequest);
        // Each row breaks one more argument than the row below it.
        let broken: [(Change, ArgumentError); 4] = [
            (|r| r.volume_capability = None, ArgumentError::Capability),
            (|r| r.volume_id.clear(), ArgumentError::VolumeId),
            (|r| r.target_path.clear(), ArgumentError::TargetPath),
            (|r| r.volume_context.clear(), ArgumentError::Attributes),
        ];
        for first in 0..broken.len() {
            let result = request(|r| broken[first..].iter().for_each(|(change, _)| change(r)));
            assert_eq!(result.err(), Some(broken[first].1.clone()));
        }
    }

    #[test]
    fn tokens_stand_apart_from_context_and_secrets() {
        let decoded = request(|r| {
            r.secrets.insert(volume_context::TOKENS.to_owned(), "newer".to_owned());
            r.secrets.insert("clientid".to_owned(), "id".to_owned());
        })
        .unwrap();
        assert!(!decoded.context.contains_key(volume_context::TOKENS));
        assert_eq!(decoded.context_tokens.unwrap().expose(), "{}");
        assert_eq!(decoded.secret_tokens.unwrap().expose(), "newer");
        assert_eq!(decoded.secrets.unwrap().expose().0.keys().collect::<Vec<_>>(), ["clientid"]);
        assert_eq!(decoded.pod, PodRef { namespace: "ns".into(), name: "pod".into(), uid: "uid".into() });
    }

    #[test]
    fn no_secrets_is_not_the_same_as_empty_secrets() {
        assert!(request(|_| {}).unwrap().secrets.is_none());
        let only_tokens = request(|r| {
            r.secrets.insert(volume_context::TOKENS.to_owned(), "t".to_owned());
        });
        assert!(only_tokens.unwrap().secrets.is_some());
    }

    #[test]
    fn group_is_a_number() {
        let with_group = |group: &str| {
            request(|r| {
                let mount = MountVolume { volume_mount_group: group.to_owned(), ..MountVolume::default() };
                let access_type = Some(AccessType::Mount(mount));
                r.volume_capability = Some(VolumeCapability { access_type, access_mode: None });
            })
        };
        assert_eq!(with_group("2000").unwrap().group, Some(2000));
        assert_eq!(with_group("").unwrap().group, None);
        for bad in ["root", "-1", "4294967296"] {
            assert_eq!(with_group(bad).err(), Some(ArgumentError::Group(bad.to_owned())));
        }
    }
}

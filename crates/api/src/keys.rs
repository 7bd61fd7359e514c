//! Labels, annotations and volume context keys.

/// Labels.
pub mod labels {
    /// On every Secret the driver made: `true`.
    pub const MANAGED: &str = "secrets-store.csi.k8s.io/managed";
    /// On every pod status: name of the node that writes it.
    pub const NODE_NAME: &str = "internal.secrets-store.csi.k8s.io/node-name";
}

/// Annotations.
pub mod annotations {
    /// On a class, by its author: rotation interval of its volumes, as a Go duration.
    pub const ROTATION_POLL_INTERVAL: &str = "keymount.io/rotation-poll-interval";
    /// On a class, by its author: each new value fetches its volumes once, now.
    pub const REFRESH: &str = "keymount.io/refresh";
    /// On a Secret: class whose content it holds.
    pub const CLASS: &str = "keymount.io/secret-provider-class";
    /// On a Secret: versions of the objects its data is made of, as a JSON object.
    pub const OBJECT_VERSIONS: &str = "keymount.io/object-versions";
    /// On a Secret: when those versions were fetched (RFC 3339).
    pub const FETCHED_AT: &str = "keymount.io/fetched-at";
}

/// Keys of the volume context that kubelet (or the author of a pod) sets.
pub mod volume_context {
    /// Name of the class, written by the author of the pod.
    pub const CLASS: &str = "secretProviderClass";
    /// Prefix of the keys that belong to kubelet.
    pub const RESERVED_PREFIX: &str = "csi.storage.k8s.io/";
    /// Name of the pod (needs podInfoOnMount).
    pub const POD_NAME: &str = "csi.storage.k8s.io/pod.name";
    /// Namespace of the pod.
    pub const POD_NAMESPACE: &str = "csi.storage.k8s.io/pod.namespace";
    /// UID of the pod.
    pub const POD_UID: &str = "csi.storage.k8s.io/pod.uid";
    /// Service account of the pod.
    pub const SERVICE_ACCOUNT: &str = "csi.storage.k8s.io/serviceAccount.name";
    /// Tokens of the service account, JSON by audience. Secret.
    pub const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
    /// Whether the volume is inline.
    pub const EPHEMERAL: &str = "csi.storage.k8s.io/ephemeral";
}

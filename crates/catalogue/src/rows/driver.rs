//! Codes of the driver: conditions `Mounted` and `RotationSucceeded`, and events.

use super::row;
use crate::Row;

pub(crate) const DRIVER: &[Row] = &[
    row(
        "RequestInvalid",
        "Kubelet's request lacks something, or asks for a kind of volume that this driver does not have.",
        "Volume capability not provided",
    )
    .saying("Kubelet's request cannot be served", "use the volume as an inline CSI volume with readOnly: true"),
    row(
        "ClassInvalid",
        "The class has no provider or no parameters, or the pod's volume is not read-only.",
        "parameters not set in default/web (set spec.parameters)",
    )
    .saying("The class, or the volume in the pod, lacks something", "do what the message says; `keymount lint` shows the place in the file"),
    row(
        "ClassNotReadable",
        "The SecretProviderClass is in another namespace than the pod, misspelled, or not there yet; or the API server does not answer.",
        "SecretProviderClass default/web could not be read",
    )
    .saying("The class could not be read", "make the SecretProviderClass in the pod's namespace: `kubectl get secretproviderclass -n NAMESPACE`"),
    row(
        "PodInfoMissing",
        "The CSIDriver object was made without podInfoOnMount.",
        "kubelet does not tell this driver which pod a volume is for",
    )
    .saying("Kubelet does not say which pod the volume is for", "set spec.podInfoOnMount: true in the CSIDriver object"),
    row(
        "CsiDriverNotReadable",
        "The driver may not read its CSIDriver object, or the API server does not answer.",
        "the driver could not read its CSIDriver object; its log says why",
    )
    .saying("The CSIDriver object could not be read", "give the driver get and watch on its CSIDriver object, as the chart does"),
    row(
        "TokensExpired",
        "Rotation needs fresh tokens, and kubelet sends them only with requiresRepublish.",
        "the pod's service account tokens have expired and kubelet has not sent new ones",
    )
    .saying("The pod's tokens have expired", "set requiresRepublish: true in the CSIDriver object"),
    row(
        "ProviderNotFound",
        "The provider's DaemonSet does not run on this node: not installed, a taint, a node selector; or spec.provider is misspelled.",
        "provider \"azure\" is not installed on this node",
    )
    .saying("The provider is not installed on this node", "install the provider, or let its DaemonSet run on this node too; correct spec.provider"),
    row(
        "ProviderUnavailable",
        "The provider's pod crashed or is being replaced.",
        "provider \"azure\" is not running on this node",
    )
    .saying("The provider does not run on this node", "look at the provider's pod on the node: `kubectl get pods -o wide -l app=csi-secrets-store-provider-azure`"),
    row(
        "ProviderTimeout",
        "The provider waits for something that does not answer: an issuer or a vault behind a firewall.",
        "provider \"azure\" did not answer in time",
    )
    .saying("The provider did not answer in time", "see the provider's log for what it waited for; `keymount verify` tries each step by itself"),
    row(
        "ProviderError",
        "The provider answered with an error that has no code of its own here. Ours gives one of the codes above.",
        "provider \"azure\" answered Unknown; its log and the driver's say more",
    )
    .saying("The provider refused", "see the pod's events for the provider's own text"),
    row("FilesRefused", "The provider sent a path that leads out of the volume, a path twice, or a mode that is none.", "path \"../a\" leads out of the volume")
        .saying("The provider's files were refused as a whole", "correct objectAlias or filePermission in the class, or the provider"),
    row(
        "MountedBytesBudgetExceeded",
        "The secrets of all pods of the node are larger than the driver's memory allows.",
        "the files need 4096 bytes, and 0 of 100663296 are left on this node",
    )
    .saying("Too many bytes of secrets are mounted on this node", "raise --mounted-bytes-budget together with the driver's memory limit, or mount less"),
    row(
        "VolumeNotWritten",
        "The node refused to mount or to write: no memory, a full table of mounts, a directory in the way.",
        "the volume could not be mounted on the node; the pod's events and the driver's log say why",
    )
    .saying("The volume could not be mounted or written on the node", "see the pod's events and the driver's log on that node"),
    row("Cancelled", "The pod was deleted, or the driver ended, while the mount ran.", "provider \"azure\" was not asked to the end")
        .saying("The mount was cancelled", "nothing: kubelet asks again if the pod is still there"),
    row("Retrying", "The driver ended, or another operation on the same volume runs.", "the driver will be asked again")
        .saying("The mount will be tried again", "nothing, unless it stays: then see the driver's log"),
    row(
        "PodNotReadable",
        "The pod is gone from the API server, or the driver may not read pods.",
        "failed to get pod default/web",
    )
    .saying("The pod could not be read", "give the driver get on pods, as the chart does"),
    row(
        "NodePublishSecretNotReadable",
        "The Secret that nodePublishSecretRef names was deleted, or the driver may not read it.",
        "failed to get node publish secret default/credentials, err: …",
    )
    .saying("The Secret with the credential could not be read", "make the Secret again in the pod's namespace; the chart's value mintServiceAccountTokens gives the right to read it"),
    row(
        "TokenNotCreated",
        "The driver may not make tokens, or the service account is gone.",
        "failed to create a token for service account default/web",
    )
    .saying("The driver could not make a token for the pod", "set requiresRepublish: true in the CSIDriver object, or give the right with the chart's value mintServiceAccountTokens"),
];

//! Codes of the sync of Secrets: condition `SecretsSynced` and the event `FailedToCreateSecret`.

use super::row;
use crate::Row;

pub(crate) const SECRET_SYNC: &[Row] = &[
    row("FilesNotReadable", "The volume is just being unmounted, or the node is in trouble.", "failed to get mounted files, err: …")
        .saying("The mounted files could not be read", "see the driver's log on that node"),
    row(
        "SecretObjectInvalid",
        "secretName, type, or a key is missing in secretObjects, or is no name that Kubernetes takes.",
        "secretObjects[0].type is empty",
    ),
    row(
        "SecretDataMissing",
        "objectName in secretObjects is not the alias of an object, or the file lacks the certificate or key that a TLS Secret needs.",
        "file matching objectName tls/site.pem not found in the pod",
    ),
    row("SecretTooLarge", "The files of the Secret have more than 1 MiB.", "the Secret would have 1200000 bytes")
        .saying("The Secret would be too large", "split it over several secretObjects, or read the files"),
    row(
        "SecretNotManaged",
        "A Secret of this name was made by somebody else. It is never touched.",
        "Secret default/site exists and was not made by this driver",
    )
    .saying("There is a Secret of this name that the driver did not make", "choose another secretName, or delete the Secret if it is not needed"),
    row("SecretOfAnotherClass", "Two classes of the namespace make a Secret of the same name.", "Secret default/site belongs to the class other")
        .saying("The Secret belongs to another class", "give one of them another secretName: the driver refuses the class that comes second"),
    row(
        "SecretTypeImmutable",
        "type was changed in the class; Kubernetes lets no Secret change its type.",
        "Secret default/site has the type Opaque and cannot get kubernetes.io/tls",
    )
    .saying("The type of a Secret cannot be changed", "delete the Secret; it is made again with the new type at once"),
    row("SecretImmutable", "Somebody set immutable: true on the Secret.", "Secret default/site is immutable")
        .saying("The Secret is immutable", "delete the Secret; it is made again at once"),
    row(
        "SecretForbidden",
        "The chart was installed without syncSecret.enabled, or the namespace is not in syncSecret.namespaces.",
        "secrets \"site\" is forbidden: User \"system:serviceaccount:kube-system:secrets-store-csi-driver\" cannot get resource \"secrets\"",
    )
    .saying("The driver may not write this Secret", "install the chart with syncSecret.enabled=true; with syncSecret.namespaces set, add the namespace"),
    row("SecretRefused", "A quota, an admission policy or a webhook refuses the Secret.", "admission webhook denied the request")
        .saying("The API server refused the Secret", "see the message for who refused it"),
    row("ApiUnreachable", "The API server does not answer; mounted files are not concerned.", "error trying to connect: connection refused")
        .saying("The API server does not answer", "nothing: it is tried again until it works"),
    row("SecretContended", "Somebody else writes this Secret all the time.", "Secret default/site changed while it was written")
        .saying("The Secret is changed by others all the time", "find out who else writes it: `kubectl get secret NAME -o yaml --show-managed-fields`"),
];

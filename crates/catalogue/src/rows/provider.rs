//! Codes of the Azure provider.

use super::row;
use crate::Row;

pub(crate) const CLASS: &[Row] = &[
    row(
        "MalformedRequest",
        "The driver sent attributes, secrets or a permission that are not the JSON of the provider API. Drivers of this project and the Go driver send it right.",
        "failed to unmarshal attributes, error: invalid character 'x' looking for beginning of value",
    )
    .saying("The request of the driver cannot be read", "use the driver of this project or the Go driver, at a version this provider supports"),
    row(
        "PodUnknown",
        "The CSIDriver object was made without podInfoOnMount, so kubelet does not say which pod a volume is for.",
        "failed to mount objects, error: pod name is not provided",
    )
    .saying("Kubelet does not say which pod the volume is for", "set spec.podInfoOnMount: true in the CSIDriver object secrets-store.csi.k8s.io"),
    row(
        "InvalidFlag",
        "usePodIdentity, useVMManagedIdentity or useAzureTokenProxy has a value that is no boolean, often `yes` or a template that was not rendered.",
        "failed to parse useVMManagedIdentity flag, error: strconv.ParseBool: parsing \"yes\": invalid syntax",
    ),
    row(
        "IdentityModeConflict",
        "A class was moved from one way to authenticate to another, and the old parameter is still there.",
        "only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy",
    ),
    row(
        "VaultNameMissing",
        "The parameter is missing or misspelled: it is keyvaultName, with a small v.",
        "failed to mount objects, error: keyvaultName is not provided",
    ),
    row(
        "InvalidVaultName",
        "keyvaultName holds the vault's URL or host name instead of its name.",
        "Invalid vault name: \"https://kv.vault.azure.net\", must match [-a-zA-Z0-9]{3,24}",
    ),
    row(
        "TenantMissing",
        "The parameter is missing or misspelled: it is tenantID.",
        "failed to mount objects, error: tenantId is not provided",
    ),
    row(
        "ObjectsMissing",
        "The class has no parameter objects, or an empty one.",
        "failed to mount objects, error: objects is not set",
    )
    .saying("The class asks for no objects", "set parameters.objects in the SecretProviderClass; `array: []` asks for nothing"),
    row(
        "InvalidYaml",
        "objects is YAML in a string of YAML, and one of the two is indented wrongly, or a tab is in it.",
        "failed to yaml unmarshal objects, error: yaml: line 3: found character that cannot start any token",
    )
    .saying("objects is not YAML", "correct the line that the hint names; `keymount lint` shows the place in the file"),
    row(
        "WrongYamlType",
        "An item of array is a mapping instead of a string: the `|` behind the dash is missing. Or a field stands twice, or a number is in quotes.",
        "failed to yaml unmarshal objects, error: yaml: unmarshal errors:\\n  line 2: cannot unmarshal !!map into string",
    )
    .saying("A value in objects has the wrong type", "write `- |` with the object's fields indented below it, or call the list `items` and leave the `|` out"),
    row(
        "LimitExceeded",
        "objects is larger, more deeply nested, or has more objects than the provider reads.",
        "failed to yaml unmarshal objects, error: more than 1024 objects",
    )
    .saying("objects is too large", "split the SecretProviderClass: each volume of a pod can have its own"),
    row(
        "InvalidObjectFormat",
        "objectFormat is neither pem nor pfx, or pfx is asked of something that is no secret.",
        "invalid objectFormat: jks, should be PEM or PFX",
    )
    .saying("objectFormat does not fit", "objectFormat is pem or pfx; pfx needs objectType: secret"),
    row(
        "InvalidObjectEncoding",
        "objectEncoding is unknown, or asked of a key or certificate, which are always written as PEM.",
        "invalid objectEncoding: base32, should be hex, base64 or utf-8",
    )
    .saying("objectEncoding does not fit", "objectEncoding says how a secret is encoded in the vault: utf-8, base64 or hex"),
    row(
        "InvalidFileName",
        "objectAlias is an absolute path, or has `..` in it; or the object has neither name nor alias.",
        "file name must be a relative path",
    )
    .saying("An object has no usable file name", "objectAlias is a path below the volume, such as tls/server.pem"),
    row(
        "InvalidFilePermission",
        "filePermission is not octal: decimal digits, or letters.",
        "file permission must be a valid octal number: rw-r--r-- is not one from 0 to 07777",
    )
    .saying("filePermission is not a mode", "filePermission is an octal number such as 0644"),
    row(
        "FileConflict",
        "Two objects have the same alias or name, or one's file is the directory of the other.",
        "file site.pem is the file of objectType:cert, objectName:site at index 0",
    )
    .saying("Two objects want the same file", "give one of the two objects another objectAlias"),
    row(
        "UnknownVersion",
        "objectVersion with objectVersionHistory names the version to start with, and the object has no such version, or it is disabled.",
        "objectVersion 0123456789abcdef is not among the versions of the object",
    )
    .saying("The version to start the history with does not exist", "leave objectVersion out to start with the newest, or name an enabled version"),
    row(
        "ContradictingFields",
        "Two fields that cannot both be given, such as objectName and objectNamePattern.",
        "objectName and objectNamePattern or tags cannot be given both",
    )
    .saying("Two fields of an object contradict each other", "leave one of the two out; the documentation of objects says what goes together"),
    row(
        "InvalidSelector",
        "objectNamePattern is not a pattern of letters, digits, hyphens, `*` and `?`.",
        "objectNamePattern: unexpected character '/'",
    )
    .saying("objectNamePattern is no pattern", "use letters, digits, hyphens, `*` and `?`"),
    row(
        "InvalidJsonPath",
        "jsonPath is no path of RFC 9535, or has fields that it cannot have.",
        "jsonPath: at position 3, expected a name",
    )
    .saying("jsonPath cannot be used", "write an RFC 9535 path such as $.database.password, and an objectAlias for each"),
    row(
        "InvalidPemPart",
        "pemFiles names a part that does not exist.",
        "pemFiles: unknown part root",
    )
    .saying("pemFiles names an unknown part", "use one of the parts that the documentation of objects lists"),
];

pub(crate) const CREDENTIAL: &[Row] = &[
    row(
        "CloudUnknown",
        "cloudName is misspelled, or a template left it as it was.",
        "cloudName AzureGovernment is not valid, error: autorest/azure: There is no cloud environment matching the name \"AZUREGOVERNMENT\"",
    ),
    row(
        "CloudFileUnusable",
        "cloudName is AzureStackCloud, and the file that describes the cloud is missing in the provider's container or incomplete.",
        "cloudName AzureStackCloud is not valid, error: open /etc/kubernetes/akscustom.json: no such file or directory",
    ),
    row(
        "CredentialMissing",
        "The class names no identity, the pod has no token for the audience api://AzureADTokenExchange, or nodePublishSecretRef lacks clientid or clientsecret.",
        "failed to build auth config for mode None: …",
    ),
    row(
        "CredentialUnusable",
        "The tenant is no tenant, or the authority of a custom cloud cannot be used with this credential.",
        "failed to get keyvault client: …",
    ),
    row(
        "TokenProxyUnavailable",
        "useAzureTokenProxy needs AKS identity bindings, and the cluster has none, or the provider does not reach the API server.",
        "failed to get keyvault client: failed to find the token proxy",
    ),
];

pub(crate) const TOKEN: &[Row] = &[
    row(
        "TokenFederationMissing",
        "The managed identity has no federated credential for this issuer and service account: another cluster's issuer, another namespace, or a misspelled account.",
        "AADSTS70021: No matching federated identity record found for presented assertion",
    ),
    row(
        "TokenAssertionExpired",
        "The clock of the node or of Entra is off, or kubelet has not renewed the token.",
        "AADSTS700024: Client assertion is not within its valid time range",
    ),
    row(
        "TokenApplicationNotFound",
        "clientID is the object id instead of the client id, or the application is in another tenant.",
        "AADSTS700016: Application with identifier '…' was not found in the directory '…'",
    ),
    row(
        "TokenTenantNotFound",
        "tenantID is misspelled, or of another cloud.",
        "AADSTS90002: Tenant '…' not found",
    ),
    row(
        "TokenSecretInvalid",
        "nodePublishSecretRef holds the id of the client secret instead of its value, or an old one.",
        "AADSTS7000215: Invalid client secret provided",
    ),
    row(
        "TokenSecretExpired",
        "Client secrets and certificates of applications end, after two years at most.",
        "AADSTS7000222: The provided client secret keys for app '…' are expired",
    ),
    row(
        "TokenIdentityNotAssigned",
        "The managed identity is not assigned to the node's scale set, or several are and userAssignedIdentityID names none.",
        "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}",
    ),
    row(
        "TokenThrottled",
        "Many pods of a node asked the metadata service, or many clusters one tenant, at the same time.",
        "RESPONSE 429: 429 Too Many Requests",
    ),
    row(
        "TokenIssuerUnavailable",
        "An outage of Entra or of the metadata service.",
        "RESPONSE 503: 503 Service Unavailable",
    ),
    row(
        "TokenRefused",
        "A conditional access policy, a disabled application, or another rule of the tenant.",
        "AADSTS50105: The signed in user is not assigned to a role for the application",
    ),
    row(
        "TokenIssuerNotResolved",
        "The node's DNS does not know login.microsoftonline.com: a private DNS zone, or a network policy that stops DNS.",
        "dial tcp: lookup login.microsoftonline.com: no such host",
    ),
    row(
        "TokenIssuerUnreachable",
        "A firewall or an egress policy of the cluster stops the node on the way to Entra.",
        "dial tcp 20.190.160.1:443: connect: connection refused",
    ),
    row(
        "TokenIssuerUntrusted",
        "A proxy that opens TLS, whose CA the provider does not know.",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ),
    row(
        "TokenProxyFailed",
        "HTTPS_PROXY names a proxy that does not answer or refuses.",
        "proxyconnect tcp: dial tcp: connection refused",
    ),
    row(
        "TokenIssuerTimeout",
        "A firewall drops packets without an answer.",
        "context deadline exceeded while asking login.microsoftonline.com for a token",
    ),
    row(
        "TokenMalformed",
        "A portal or proxy answered instead of Entra.",
        "the answer of the token endpoint is no JSON",
    ),
    row(
        "TokenArcAgentFailed",
        "The Azure Connected Machine agent does not run, or the provider may not read its key.",
        "failed to read the challenge of the Arc agent",
    ),
];

pub(crate) const VAULT: &[Row] = &[
    row(
        "VaultUnauthorized",
        "The token is for another cloud, or the vault does not take tokens of this kind.",
        "RESPONSE 401: 401 Unauthorized",
    ),
    row(
        "VaultWrongTenant",
        "The vault belongs to another tenant than tenantID says.",
        "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/…, found https://sts.windows.net/…",
    ),
    row(
        "VaultForbiddenByPolicy",
        "The vault uses access policies, and none of them lets this identity get secrets (or keys, or certificates).",
        "RESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden … \"innererror\":{\"code\":\"AccessDenied\"}",
    ),
    row(
        "VaultForbiddenByRbac",
        "The vault uses Azure RBAC, and the identity has no role on it; a new assignment takes some minutes.",
        "Caller is not authorized to perform action on resource … \"innererror\":{\"code\":\"ForbiddenByRbac\"}",
    ),
    row(
        "VaultForbiddenByFirewall",
        "The vault's firewall does not list the address that the cluster's traffic comes from.",
        "Client address is not authorized and caller is not a trusted service … \"innererror\":{\"code\":\"ForbiddenByFirewall\"}",
    ),
    row(
        "VaultForbiddenByConnection",
        "Public access to the vault is off, and the name resolves to its public address.",
        "Public network access is disabled and request is not from a trusted service nor via an approved private link",
    ),
    row(
        "ObjectDisabled",
        "The object or version was switched off, has expired, or is not valid yet.",
        "Operation get is not allowed on a disabled secret",
    ),
    row("VaultForbidden", "The vault refuses for a reason it does not name.", "RESPONSE 403: 403 Forbidden"),
    row(
        "ObjectNotFound",
        "objectName is misspelled, the object is of another type or in another vault, or it was deleted.",
        "RESPONSE 404: 404 Not Found\nERROR CODE: SecretNotFound",
    ),
    row(
        "VaultBadRequest",
        "objectName or objectVersion has characters that no name has.",
        "RESPONSE 400: 400 Bad Request\nERROR CODE: BadParameter",
    ),
    row(
        "VaultThrottled",
        "More than about 4,000 requests in 10 s for one vault: very many pods started at once, or something else uses the vault.",
        "RESPONSE 429: 429 Too Many Requests\nERROR CODE: Throttled",
    ),
    row(
        "VaultServerError",
        "An outage of Key Vault, or a vault that is being moved.",
        "RESPONSE 503: 503 Service Unavailable",
    ),
    row(
        "VaultRedirected",
        "Something that is no Key Vault answered: a portal or a proxy.",
        "RESPONSE 302: 302 Found",
    ),
    row(
        "VaultUnexpectedStatus",
        "Something that is no Key Vault answered.",
        "RESPONSE 418: 418 I'm a teapot",
    ),
    row(
        "VaultNotResolved",
        "keyvaultName is misspelled, the vault was deleted, or the private DNS zone of its endpoint is not linked to the cluster's network.",
        "dial tcp: lookup kv.vault.azure.net: no such host",
    ),
    row(
        "VaultUnreachable",
        "A firewall or an egress policy of the cluster stops the node on the way to the vault.",
        "dial tcp 10.0.0.4:443: connect: connection refused",
    ),
    row(
        "VaultUntrusted",
        "A proxy that opens TLS, whose CA the provider does not know, or a wrong clock.",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ),
    row(
        "VaultProxyFailed",
        "HTTPS_PROXY names a proxy that does not answer or refuses.",
        "proxyconnect tcp: dial tcp: connection refused",
    ),
    row(
        "VaultTimeout",
        "A firewall drops packets without an answer, or the vault is very slow.",
        "context deadline exceeded",
    ),
    row(
        "VaultMalformedAnswer",
        "Something that is no Key Vault answered, or an answer was cut off.",
        "unexpected end of JSON input",
    ),
    row(
        "VaultSuspiciousAnswer",
        "A list continues at another host. Nothing was sent there.",
        "nextLink points to another host",
    ),
    row(
        "InvalidObjectName",
        "objectName has characters that no object has, such as a slash.",
        "objectName a/b cannot be asked for",
    ),
    row(
        "VaultCrowded",
        "Very many mounts wait for one vault that throttles or is slow.",
        "too many requests wait for this vault",
    ),
];

pub(crate) const CONTENT: &[Row] = &[
    row(
        "InvalidObjectType",
        "objectType is misspelled, or written in capitals.",
        "Invalid vaultObjectTypes. Should be secret, key, or cert",
    ),
    row(
        "NothingSelected",
        "No object has a matching name or these tags, or none of them is enabled.",
        "secret/app-*: no enabled object matches",
    ),
    row("TooManySelected", "The pattern is wider than it was meant.", "secret/*: more than 64 objects match"),
    row(
        "ContentUnusable",
        "A certificate's secret has a content type that is neither PEM nor PFX, or a key has a curve nobody knows.",
        "failed to decode the PFX",
    ),
    row(
        "EncodingMismatch",
        "objectEncoding: base64 for a value that is plain text, or a line break at its end.",
        "illegal base64 data at input byte 4",
    ),
    row(
        "VolumeTooLarge",
        "All objects of the class together are larger than a reply to the driver may be.",
        "the files of the volume have more than 4194304 bytes in all",
    ),
];

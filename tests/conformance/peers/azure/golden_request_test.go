package azure

const (
	podName       = "csi.storage.k8s.io/pod.name"
	podNamespace  = "csi.storage.k8s.io/pod.namespace"
	accountTokens = "csi.storage.k8s.io/serviceAccount.tokens"
)

// requestCases: the three JSON strings of the request.
var requestCases = []golden{
	{name: "one secret"},
	{name: "no objects", objects: "array: []"},
	{name: "secrets null", secrets: "null"},
	{name: "secrets empty object", secrets: "{}"},
	{name: "secrets not JSON", secrets: "x"},
	{name: "secrets array", secrets: "[]"},
	{name: "secrets number value", secrets: `{"clientid":1}`},
	{name: "secrets null value", secrets: `{"clientid":null,"clientsecret":"s"}`},
	{name: "secrets truncated", secrets: `{"clientid":"a"`},
	{name: "permission zero", permission: "0"},
	{name: "permission 493", permission: "493"},
	{name: "permission null", permission: "null"},
	{name: "permission string", permission: `"0644"`},
	{name: "permission leading zero", permission: "0644"},
	{name: "permission negative", permission: "-1"},
	{name: "permission fraction", permission: "1.5"},
	{name: "permission exponent", permission: "1e2"},
	{name: "permission true", permission: "true"},
	{name: "permission object", permission: "{}"},
	{name: "permission with file type", permission: "2147484068"},
	{name: "permission too large", permission: "4294967296"},
	{name: "permission spaces", permission: " 420 "},
	{name: "secrets wrong before permission", secrets: "x", permission: "x"},
	{name: "permission wrong before attributes are read", permission: "x", attributes: with(podName, "")},
}

// parameterCases: parameters, defaults, spellings, and which error comes first.
var parameterCases = []golden{
	{name: "pod name missing", attributes: with(podName, "")},
	{name: "pod name blank", attributes: with(podName, " \t\n")},
	{name: "pod namespace missing", attributes: with(podNamespace, "")},
	{name: "both missing", attributes: with(podName, "", podNamespace, "")},
	{name: "usePodIdentity tru", attributes: with("usePodIdentity", "tru")},
	{name: "usePodIdentity yes", attributes: with("usePodIdentity", "yes")},
	{name: "usePodIdentity tRUE", attributes: with("usePodIdentity", "tRUE")},
	{name: "usePodIdentity on two lines", attributes: with("usePodIdentity", "true\ntrue")},
	{name: "usePodIdentity quoted", attributes: with("usePodIdentity", `"true"`)},
	{name: "usePodIdentity umlaut", attributes: with("usePodIdentity", "ünwahr\u00a0")},
	{name: "useVMManagedIdentity 2", attributes: with("useVMManagedIdentity", "2")},
	{name: "useAzureTokenProxy no", attributes: with("useAzureTokenProxy", "no")},
	{name: "flags in order", attributes: with("usePodIdentity", "a", "useVMManagedIdentity", "b", "useAzureTokenProxy", "c")},
	{name: "second and third flag wrong", attributes: with("useVMManagedIdentity", "b", "useAzureTokenProxy", "c")},
	{name: "a wrong flag before two modes", attributes: with("usePodIdentity", "1", "useVMManagedIdentity", "1", "useAzureTokenProxy", "c")},
	{name: "falses", attributes: with("usePodIdentity", "F", "useVMManagedIdentity", "0", "useAzureTokenProxy", " FALSE ")},
	{name: "more falses", attributes: with("usePodIdentity", "f", "useVMManagedIdentity", "False", "useAzureTokenProxy", "false")},
	{name: "pod identity and machine", attributes: with("usePodIdentity", "true", "useVMManagedIdentity", "T")},
	{name: "pod identity and proxy", attributes: with("usePodIdentity", "1", "useAzureTokenProxy", "True")},
	{name: "machine and proxy", attributes: with("useVMManagedIdentity", "t", "useAzureTokenProxy", "TRUE")},
	{name: "all three modes", attributes: with("usePodIdentity", "1", "useVMManagedIdentity", "1", "useAzureTokenProxy", "1")},
	{name: "modes before vault", attributes: with("usePodIdentity", "1", "useVMManagedIdentity", "1", "keyvaultName", "")},
	{name: "vault missing", attributes: with("keyvaultName", "")},
	{name: "vault blank", attributes: with("keyvaultName", "  ")},
	{name: "vault missing before tenant", attributes: with("keyvaultName", "", "tenantID", "")},
	{name: "tenant missing", attributes: with("tenantID", "")},
	{name: "tenant blank", attributes: with("tenantID", " ", "tenantId", "\n")},
	{name: "tenantId", attributes: with("tenantID", "", "tenantId", " $TENANT ")},
	{name: "tenantID wins", attributes: with("tenantID", "$TENANT", "tenantId", "other")},
	{name: "tenantID blank falls back", attributes: with("tenantID", " ", "tenantId", "$TENANT")},
	{name: "tenantid is not read", attributes: with("tenantID", "", "tenantid", "$TENANT")},
	{name: "keyvaultname is not read", attributes: with("keyvaultName", "", "keyvaultname", "$VAULT")},
	{name: "unknown parameters", attributes: with("resourceGroup", "rg", "subscriptionId", "s", "foo", "bar", "keyvaultUri", "u")},
	{name: "everything with spaces", attributes: with("keyvaultName", " $VAULT\n", "tenantID", "\t$TENANT ", "cloudName", " AzurePublicCloud ", "usePodIdentity", " false\n")},
	{name: "spaces of other alphabets", attributes: with("keyvaultName", "\u00a0$VAULT\u2003", "tenantID", "\u0085$TENANT\u3000")},
	{name: "tenant before cloud", attributes: with("tenantID", "", "cloudName", "x")},
	{name: "cloud before auth", attributes: with("cloudName", "x"), secrets: "null"},
	{name: "auth before objects", attributes: with("objects", ""), secrets: "null"},
	{name: "objects missing", attributes: with("objects", "")},
	{name: "objects blank", attributes: with("objects", " \n\t")},
	{name: "objects before vault name", attributes: with("objects", "", "keyvaultName", "x")},
	{name: "yaml before vault name", attributes: with("objects", "array: [", "keyvaultName", "x")},
	{name: "object before vault name", objects: array(secret("s1", "objectFormat: x")), attributes: with("keyvaultName", "x")},
	{name: "no objects before vault name", objects: "array: []", attributes: with("keyvaultName", "x")},
	{name: "vault name short", attributes: with("keyvaultName", "kv")},
	{name: "vault name long", attributes: with("keyvaultName", "a234567890123456789012345")},
	{name: "vault name long and wrong", attributes: with("keyvaultName", "a23456789012345678901234_")},
	{name: "vault name umlaut", attributes: with("keyvaultName", "küv")},
	{name: "vault name short in characters", attributes: with("keyvaultName", "kü")},
	{name: "vault name underscore", attributes: with("keyvaultName", "kv_test")},
	{name: "vault name dot", attributes: with("keyvaultName", "a.b")},
	{name: "vault name URL", attributes: with("keyvaultName", "https://kv1.x")},
	{name: "vault name quote", attributes: with("keyvaultName", `kv"1`)},
	{name: "vault name inner line", attributes: with("keyvaultName", "kv1\nkv2")},
	{name: "vault name before tenant characters", attributes: with("keyvaultName", "k", "tenantID", "a b")},
	{name: "tenant characters", attributes: with("tenantID", "a b")},
	{name: "tenant slash", attributes: with("tenantID", "a/b")},
	{name: "tenant umlaut", attributes: with("tenantID", "tenänt")},
	{name: "tenant characters before type", attributes: with("tenantID", "a_b"), objects: array(item("secrets", "s1", nil))},
}

// cloudCases: clouds by name and by file.
var cloudCases = []golden{
	{name: "AzurePublicCloud", attributes: with("cloudName", "AzurePublicCloud")},
	{name: "azurepubliccloud", attributes: with("cloudName", "azurepubliccloud")},
	{name: "AzureCloud", attributes: with("cloudName", "AzureCloud")},
	{name: "AzureUSGovernmentCloud", attributes: with("cloudName", "AzureUSGovernmentCloud")},
	{name: "AzureUSGovernment", attributes: with("cloudName", "AzureUSGovernment")},
	{name: "AzureChinaCloud", attributes: with("cloudName", "AzureChinaCloud")},
	{name: "AzureGermanCloud", attributes: with("cloudName", "AZUREGERMANCLOUD")},
	{name: "wrong", attributes: with("cloudName", "AzureWrongCloud")},
	{name: "wrong with a quote", attributes: with("cloudName", `Azure"Cloud`)},
	{name: "no file", attributes: with("cloudName", "AzureStackCloud")},
	{name: "no file in any case", attributes: with("cloudName", "azurestackcloud")},
}

// described is a request in a cloud that this file describes.
func described(name, text string) golden {
	return golden{name: name, attributes: with("cloudName", "AzureStackCloud", "cloudEnvFileName", " $DIRECTORY/cloud.json "), files: map[string]string{"cloud.json": text}}
}

const (
	stackCloud      = `{"name":"AzureStackCloud","activeDirectoryEndpoint":"https://login.golden.test/","keyVaultEndpoint":"https://vault.golden.test/","keyVaultDNSSuffix":"vault.golden.test"}`
	contentNotShown = "failed to mount objects, error: cloudName AzureStackCloud is not valid, error: "
	tenantFile      = "a tenant may name any file, so nothing of its content is shown"
)

// customCloudCases: clouds that a file describes.
var customCloudCases = []golden{
	described("usual", stackCloud),
	described("authority without slash", `{"activeDirectoryEndpoint":"https://login.golden.test","keyVaultEndpoint":"https://vault.golden.test","keyVaultDNSSuffix":"vault.golden.test"}`),
	described("keys in any case", `{"ACTIVEDIRECTORYENDPOINT":"https://login.golden.test/","keyvaultendpoint":"https://vault.golden.test","KeyVaultDnsSuffix":"vault.golden.test"}`),
	described("more keys", `{"name":"x","managementPortalURL":"https://x","resourceIdentifiers":{"graph":"x"},"activeDirectoryEndpoint":"https://login.golden.test/","keyVaultDNSSuffix":"vault.golden.test"}`),
	described("authority of the public cloud", `{"activeDirectoryEndpoint":"","keyVaultEndpoint":"https://vault.golden.test","keyVaultDNSSuffix":"vault.golden.test"}`),
	described("authority without https", `{"activeDirectoryEndpoint":"http://login.golden.test/","keyVaultDNSSuffix":"vault.golden.test"}`),
	differing(described("byte order mark", "\ufeff"+stackCloud), contentNotShown, tenantFile),
	differing(described("not JSON", "c4n4ry"), contentNotShown, tenantFile),
	differing(described("empty", ""), contentNotShown, tenantFile),
	differing(described("a list", "[]"), contentNotShown, tenantFile),
	described("suffix a number", `{"keyVaultDNSSuffix":5}`),
	{name: "adfs", attributes: with("cloudName", "AzureStackCloud", "cloudEnvFileName", "$DIRECTORY/adfs.json", "tenantID", "adfs"), secrets: `{"clientid":"$CLIENT","clientsecret":"s"}`,
		files: map[string]string{"adfs.json": `{"activeDirectoryEndpoint":"https://adfs.golden.test/","keyVaultEndpoint":"https://vault.golden.test/","keyVaultDNSSuffix":"vault.golden.test"}`}},
	{name: "pod identity", attributes: with("cloudName", "AzureStackCloud", "cloudEnvFileName", "$DIRECTORY/cloud.json", "usePodIdentity", "true"), files: map[string]string{"cloud.json": stackCloud}},
	{name: "a file without the cloud's name", attributes: with("cloudEnvFileName", "$DIRECTORY/cloud.json"), files: map[string]string{"cloud.json": stackCloud}},
	{name: "no such file", attributes: with("cloudName", "AzureStackCloud", "cloudEnvFileName", "/nonexistent/cloud.json")},
	{name: "a directory", attributes: with("cloudName", "AzureStackCloud", "cloudEnvFileName", "$DIRECTORY")},
	{name: "a file as a directory", attributes: with("cloudName", "AzureStackCloud", "cloudEnvFileName", "$DIRECTORY/ca.pem/x")},
	{name: "the process's environment", attributes: with("cloudName", "AzureStackCloud"), ours: contentNotShown + "open : no such file or directory", why: "in the Go provider one pod's file becomes the next pod's"},
}

func differing(c golden, ours, why string) golden {
	c.ours, c.why = ours, why
	return c
}

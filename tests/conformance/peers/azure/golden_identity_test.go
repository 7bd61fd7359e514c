package azure

const (
	workloadTokens = `{"api://AzureADTokenExchange":{"token":"workload-token","expirationTimestamp":"2030-01-01T00:00:00Z"},"api://AKSIdentityBinding":{"token":"binding-token","expirationTimestamp":"2030-01-01T00:00:00Z"}}`
	noPrincipal    = "null"
)

// workload are the attributes of a workload identity.
func workload(pairs ...string) map[string]string {
	return merge(with("clientID", "client-$TENANT", accountTokens, workloadTokens), with(pairs...))
}

func machine(pairs ...string) map[string]string {
	return merge(with("useVMManagedIdentity", "true", "userAssignedIdentityID", "$POD"), with(pairs...))
}

const entraRefusal = `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215],"timestamp":"2026-01-01 00:00:00Z","trace_id":"t","correlation_id":"c","error_uri":"https://login.microsoftonline.com/error?code=7000215"}`

// identityCases: who asks, how, and what is said when it fails.
var identityCases = []golden{
	{name: "service principal"},
	{name: "service principal in any case", secrets: `{"ClientID":"app","CLIENTSECRET":"s&cret=ä+ "}`},
	{name: "service principal with more keys", secrets: `{"clientid":"app","clientsecret":"s","foo":"bar"}`},
	{name: "service principal with spaces", secrets: `{"clientid":" app ","clientsecret":" s\n"}`},
	{name: "no client id", secrets: `{"clientsecret":"s"}`},
	{name: "client id empty", secrets: `{"clientid":"","clientsecret":"s"}`},
	{name: "no client secret", secrets: `{"clientid":"c"}`},
	{name: "client secret empty", secrets: `{"clientid":"c","clientsecret":""}`},
	{name: "no principal", secrets: noPrincipal},
	{name: "principal refused", azure: at("token", reply{status: 401, body: entraRefusal})},
	{name: "principal refused without JSON", azure: at("token", reply{status: 400, body: "no"})},
	{name: "principal refused without body", azure: at("token", reply{status: 400})},
	{name: "principal unavailable once", azure: at("token", reply{status: 503, times: 1})},
	{name: "principal throttled for long", azure: at("token", reply{status: 429, body: entraRefusal, header: map[string]string{"Retry-After": "61"}})},
	{name: "principal expires as text", azure: at("token", body(`{"token_type":"Bearer","expires_in":"3599","access_token":"golden-token"}`))},
	{name: "principal after a missing type", objects: array(item("x", "s1", nil)), azure: at("token", reply{status: 401, body: entraRefusal})},
	{name: "adfs", attributes: with("tenantID", "adfs"), secrets: `{"clientid":"$CLIENT","clientsecret":"s"}`},
	{name: "workload identity", attributes: workload(), secrets: noPrincipal},
	{name: "workload identity goes before the principal", attributes: workload()},
	{name: "workload identity trims", attributes: workload("clientID", " client \n", accountTokens, " "+workloadTokens+"\n"), secrets: noPrincipal},
	{name: "workload identity without expiry", attributes: workload(accountTokens, `{"api://AzureADTokenExchange":{"token":"workload-token"}}`), secrets: noPrincipal},
	{name: "workload identity that is expired", attributes: workload(accountTokens, `{"api://AzureADTokenExchange":{"token":"workload-token","expirationTimestamp":"2001-01-01T00:00:00Z"}}`), secrets: noPrincipal},
	{name: "workload identity refused", attributes: workload(), secrets: noPrincipal, azure: at("token", reply{status: 400, body: entraRefusal})},
	{name: "tokens without client", attributes: with(accountTokens, workloadTokens)},
	{name: "tokens without client and principal", attributes: with(accountTokens, workloadTokens), secrets: noPrincipal},
	{name: "no tokens", attributes: with("clientID", "c"), secrets: noPrincipal},
	{name: "no tokens beside a principal", attributes: with("clientID", "c")},
	{name: "tokens empty", attributes: with("clientID", "c", accountTokens, " ")},
	{name: "tokens null", attributes: with("clientID", "c", accountTokens, "null")},
	{name: "tokens empty object", attributes: with("clientID", "c", accountTokens, "{}")},
	{name: "tokens not JSON", attributes: with("clientID", "c", accountTokens, "invalid")},
	{name: "tokens truncated", attributes: with("clientID", "c", accountTokens, `{"a":`)},
	{name: "tokens a list", attributes: with("clientID", "c", accountTokens, "[]")},
	{name: "tokens a text", attributes: with("clientID", "c", accountTokens, `"x"`)},
	{name: "tokens of another audience", attributes: with("clientID", "c", accountTokens, `{"aud1":{"token":"x"}}`)},
	{name: "token empty", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":""}}`)},
	{name: "token null", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":null}`)},
	{name: "token a number", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":1}}`)},
	{name: "token a text", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":"x"}`)},
	{name: "token expires soon", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":"x","expirationTimestamp":"soon"}}`)},
	{name: "token expires at a number", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":"x","expirationTimestamp":5}}`)},
	{name: "token expires at an empty text", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":"x","expirationTimestamp":""}}`)},
	{name: "token expires at null", attributes: workload(accountTokens, `{"api://AzureADTokenExchange":{"token":"workload-token","expirationTimestamp":null}}`), secrets: noPrincipal},
	{name: "another audience expires soon", attributes: with("clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":"x"},"b":{"token":"x","expirationTimestamp":"soon"}}`)},
	{name: "keys of tokens in capitals", attributes: workload(accountTokens, `{"api://AzureADTokenExchange":{"Token":"workload-token","ExpirationTimestamp":"2030-01-01T00:00:00Z"}}`), secrets: noPrincipal},
	{name: "machine", attributes: machine(), secrets: noPrincipal},
	{name: "machine in another cloud", attributes: machine("cloudName", "AzureChinaCloud"), secrets: noPrincipal},
	{name: "machine ignores the tenant's characters", attributes: machine("tenantID", "a b"), secrets: noPrincipal},
	{name: "machine with a client", attributes: machine("clientID", "c"), secrets: noPrincipal},
	{name: "machine with a client and its token", attributes: machine("clientID", "c", accountTokens, workloadTokens), secrets: noPrincipal},
	{name: "machine refused", attributes: machine(), secrets: noPrincipal, azure: at("imds", reply{status: 400, body: `{"error":"invalid_request","error_description":"Identity not found"}`})},
	{name: "machine forbidden", attributes: machine(), secrets: noPrincipal, azure: at("imds", reply{status: 403, body: `{"error":"x"}`})},
	{name: "machine of numbers", attributes: machine(), secrets: noPrincipal, azure: at("imds", body(`{"access_token":"golden-token","expires_in":86399,"expires_on":4000000000,"resource":"https://vault.azure.net","token_type":"Bearer"}`))},
	{name: "machine reads two types with one token", attributes: machine(), secrets: noPrincipal, objects: array(secret("s1"), key("k1"))},
	{name: "pod identity", attributes: with("usePodIdentity", "true"), secrets: noPrincipal},
	{name: "pod identity ignores the tenant's characters", attributes: with("usePodIdentity", "true", "tenantID", "a b"), secrets: noPrincipal},
	{name: "pod identity with a client", attributes: with("usePodIdentity", "true", "clientID", "c"), secrets: noPrincipal},
	{name: "pod identity not found", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", reply{status: 404, body: "no azure identity found for request clientID\n"})},
	{name: "pod identity forbidden", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", reply{status: 403})},
	{name: "pod identity without token", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{},"clientid":"c"}`))},
	{name: "pod identity without client", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":"golden-token"}}`))},
	{name: "pod identity empty object", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{}`))},
	{name: "pod identity of numbers", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":"golden-token","expires_in":3599,"expires_on":4000000000},"clientid":"c"}`))},
	{name: "pod identity in the German cloud", attributes: with("usePodIdentity", "true", "cloudName", "AzureGermanCloud"), secrets: noPrincipal},
	{name: "principal's answer is no JSON", azure: at("token", body("<html>")), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: ClientSecretCredential: json decode error: invalid character '<' looking for beginning of value", why: "nothing of an answer that may hold a token is shown"},
	{name: "principal's answer is empty", azure: at("token", body("")), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: ClientSecretCredential: json decode error: unexpected end of JSON input", why: "nothing of an answer that may hold a token is shown"},
	{name: "principal's answer has no token", azure: at("token", body("{}")), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: ClientSecretCredential: response is missing access_token", why: "nothing of an answer that may hold a token is shown"},
	{name: "principal's answer without expiry", azure: at("token", body(`{"token_type":"Bearer","access_token":"golden-token"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: ClientSecretCredential: json decode error: expires_in and expires_on are both missing or invalid", why: "nothing of an answer that may hold a token is shown"},
	{name: "principal's answer expires in words", azure: at("token", body(`{"token_type":"Bearer","expires_in":"soon","access_token":"golden-token"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: ClientSecretCredential: json decode error: ", why: "nothing of an answer that may hold a token is shown"},
	{name: "principal's answer with dates", azure: at("token", body(`{"token_type":"Bearer","expires_in":3599,"expires_on":"4000000000","access_token":"golden-token"}`))},
	{name: "principal's endpoint is not found", azure: at("token", reply{status: 404, body: "not found"})},
	{name: "principal's refusal with markup", azure: at("token", reply{status: 400, body: `{"error":"x","error_description":"a <b> & 'c' é"}`})},
	{name: "machine's answer is no JSON", attributes: machine(), secrets: noPrincipal, azure: at("imds", body("<html>"))},
	{name: "machine's answer is empty", attributes: machine(), secrets: noPrincipal, azure: at("imds", body(""))},
	{name: "machine's answer has no token", attributes: machine(), secrets: noPrincipal, azure: at("imds", body(`{"expires_in":"86399"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: ManagedIdentityCredential: response is missing access_token", why: "an error; the Go provider goes on without a token"},
	{name: "machine's answer with a date", attributes: machine(), secrets: noPrincipal, azure: at("imds", body(`{"access_token":"golden-token","expires_on":"09/14/2096 00:00:00","resource":"https://vault.azure.net","token_type":"Bearer"}`))},
	{name: "machine's answer with another date", attributes: machine(), secrets: noPrincipal, azure: at("imds", body(`{"access_token":"golden-token","expires_on":"2096-09-14 00:00:00","resource":"https://vault.azure.net","token_type":"Bearer"}`))},
	{name: "machine's answer with RFC 3339", attributes: machine(), secrets: noPrincipal, azure: at("imds", body(`{"access_token":"golden-token","expires_on":"2096-09-14T00:00:00Z","resource":"https://vault.azure.net","token_type":"Bearer"}`))},
	{name: "machine's refusal is HTML", attributes: machine(), secrets: noPrincipal, azure: at("imds", reply{status: 400, body: "<html>"})},
	{name: "machine's refusal without body", attributes: machine(), secrets: noPrincipal, azure: at("imds", reply{status: 400})},
	{name: "pod identity's answer is no JSON", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body("<html>"))},
	{name: "pod identity's answer is empty", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(""))},
	{name: "pod identity's answer is a list", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body("[]")), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: nmi did not return expected values", why: "the text goes on in another way"},
	{name: "pod identity's token is a text", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":"golden-token","clientid":"c"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: the answer is not a token response", why: "nothing of an answer that may hold a token is shown"},
	{name: "pod identity's token is a number", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":1},"clientid":"c"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: the answer is not a token response", why: "nothing of an answer that may hold a token is shown"},
	{name: "pod identity's token expires in words", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":"golden-token","expires_on":"soon"},"clientid":"c"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: expires_in and expires_on are both missing or invalid", why: "a token of unknown age is not used"},
	{name: "pod identity's token expires at nothing", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":"golden-token","expires_on":""},"clientid":"c"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: expires_in and expires_on are both missing or invalid", why: "a token of unknown age is not used"},
	{name: "pod identity's token has no expiry", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":"golden-token"},"clientid":"c"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: expires_in and expires_on are both missing or invalid", why: "a token of unknown age is not used"},
	{name: "pod identity's client is a number", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"token":{"access_token":"golden-token"},"clientid":5}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: the answer is not a token response", why: "nothing of an answer that may hold a token is shown"},
	{name: "pod identity's answer in capitals", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", body(`{"Token":{"Access_Token":"golden-token","Expires_On":"4000000000"},"ClientID":"c"}`)), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: nmi did not return expected values", why: "names of fields are taken as they stand"},
	{name: "pod identity's failure of two lines", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", reply{status: 500, body: "error\nof two lines"})},
	{name: "pod identity's answer is 201", attributes: with("usePodIdentity", "true"), secrets: noPrincipal, azure: at("nmi", reply{status: 201, body: "{}"})},
	{name: "binding without client", attributes: with("useAzureTokenProxy", "true"), secrets: noPrincipal},
	{name: "binding without client and with tokens", attributes: with("useAzureTokenProxy", "true", accountTokens, workloadTokens)},
	{name: "binding without tokens", attributes: with("useAzureTokenProxy", "true", "clientID", "c")},
	{name: "binding without its token", attributes: with("useAzureTokenProxy", "true", "clientID", "c", accountTokens, `{"api://AzureADTokenExchange":{"token":"x"}}`)},
	{name: "binding with tokens that are no JSON", attributes: with("useAzureTokenProxy", "true", "clientID", "c", accountTokens, "x")},
	{name: "binding outside a cluster", attributes: with("useAzureTokenProxy", "true", "clientID", "c", accountTokens, workloadTokens)},
	{name: "binding outside a cluster before the tenant", attributes: with("useAzureTokenProxy", "true", "clientID", "c", accountTokens, workloadTokens, "tenantID", "a b")},
	{name: "binding after the vault name", attributes: with("useAzureTokenProxy", "true", "clientID", "c", accountTokens, workloadTokens, "keyvaultName", "k")},
}

// own are the attributes of the machine's own identity.
func own(pairs ...string) map[string]string {
	return merge(with("useVMManagedIdentity", "true"), with(pairs...))
}

// systemAssignedCases: the machine's own identity, one after the other. What is refused comes first, because tokens are kept.
var systemAssignedCases = []golden{
	{name: "refused", attributes: own(), secrets: noPrincipal, azure: at("imds", reply{status: 400, body: `{"error":"invalid_request","error_description":"Identity not found"}`})},
	{name: "refused without JSON", attributes: own(), secrets: noPrincipal, azure: at("imds", reply{status: 400, body: "no"})},
	{name: "refused without body", attributes: own(), secrets: noPrincipal, azure: at("imds", reply{status: 400})},
	{name: "forbidden", attributes: own(), secrets: noPrincipal, azure: at("imds", reply{status: 403, body: `{"error":"x"}`})},
	{name: "unauthorized", attributes: own(), secrets: noPrincipal, azure: at("imds", reply{status: 401, body: "{}"})},
	{name: "served", attributes: own("userAssignedIdentityID", "  "), secrets: noPrincipal},
	{name: "token kept", attributes: own(), secrets: noPrincipal},
	{name: "token kept with a stray principal", attributes: own()},
}

// bindingCases: an identity binding, whose token proxy and TLS name are given.
var bindingCases = []golden{
	{name: "served", attributes: workload("useAzureTokenProxy", "true"), secrets: noPrincipal},
	{name: "served beside a principal", attributes: workload("useAzureTokenProxy", "1")},
	{name: "in another cloud", attributes: workload("useAzureTokenProxy", "true", "cloudName", "AzureUSGovernmentCloud"), secrets: noPrincipal},
	{name: "refused", attributes: workload("useAzureTokenProxy", "true"), secrets: noPrincipal, azure: at("token", reply{status: 400, body: entraRefusal})},
	{name: "forbidden", attributes: workload("useAzureTokenProxy", "true"), secrets: noPrincipal, azure: at("token", reply{status: 403, body: "binding not found"})},
	{name: "tenant characters", attributes: workload("useAzureTokenProxy", "true", "tenantID", "a b"), secrets: noPrincipal},
	{name: "vault name", attributes: workload("useAzureTokenProxy", "true", "keyvaultName", "k"), secrets: noPrincipal},
	{name: "workload identity beside it", attributes: workload(), secrets: noPrincipal},
}

// defaultCloudCases: --cloud-name.
var defaultCloudCases = []golden{
	{name: "none named"},
	{name: "blank", attributes: with("cloudName", " ")},
	{name: "another named", attributes: with("cloudName", "AzureChinaCloud")},
	{name: "the public one named", attributes: with("cloudName", "azurepubliccloud")},
}

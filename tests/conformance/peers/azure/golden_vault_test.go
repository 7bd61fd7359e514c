package azure

import (
	"fmt"
	"strings"
)

// listed is a page of a list of versions: entries are "<version> <created> <enabled>", with - for what is left out.
func listed(kind, name, next string, entries ...string) reply {
	var values []string
	for _, entry := range entries {
		fields := strings.Fields(entry)
		id := "id"
		if kind == "keys" {
			id = "kid"
		}
		attributes := []string{}
		if fields[1] != "-" {
			attributes = append(attributes, `"created":`+fields[1])
		}
		if fields[2] != "-" {
			attributes = append(attributes, `"enabled":`+fields[2])
		}
		text := fmt.Sprintf(`{%q:"https://$VAULT.vault.azure.net/%s/%s/%s","attributes":{%s}}`, id, kind, name, fields[0], strings.Join(attributes, ","))
		if fields[1] == "none" {
			text = fmt.Sprintf(`{%q:"https://$VAULT.vault.azure.net/%s/%s/%s"}`, id, kind, name, fields[0])
		}
		values = append(values, text)
	}
	return body(fmt.Sprintf(`{"value":[%s],"nextLink":%s}`, strings.Join(values, ","), next))
}

var five = []string{"c 300 true", "a 500 true", "e 100 true", "b 400 true", "d 200 true"}

func versionsOf(kind, name string, entries ...string) map[string]reply {
	return map[string]reply{kind + "/" + name + "/versions": listed(kind, name, "null", entries...)}
}

func history(n int, lines ...string) string {
	return array(secret("s1", append([]string{fmt.Sprintf("objectVersionHistory: %d", n)}, lines...)...))
}

// versionCases: objectVersionHistory.
var versionCases = []golden{
	{name: "history 0", objects: history(0), azure: versionsOf("secrets", "s1", five...)},
	{name: "history 1", objects: history(1), azure: versionsOf("secrets", "s1", five...)},
	{name: "history 2", objects: history(2), azure: versionsOf("secrets", "s1", five...)},
	{name: "history 3", objects: history(3), azure: versionsOf("secrets", "s1", five...)},
	{name: "history 4", objects: history(4), azure: versionsOf("secrets", "s1", five...)},
	{name: "history 5", objects: history(5), azure: versionsOf("secrets", "s1", five...)},
	{name: "history 200", objects: history(200), azure: versionsOf("secrets", "s1", five...)},
	{name: "history -1", objects: history(-1), azure: versionsOf("secrets", "s1", five...)},
	{name: "history greatest", objects: history(2147483647), azure: versionsOf("secrets", "s1", five...)},
	{name: "from latest", objects: history(3, "objectVersion: latest"), azure: versionsOf("secrets", "s1", five...)},
	{name: "from Latest", objects: history(3, "objectVersion: Latest"), azure: versionsOf("secrets", "s1", five...), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:Latest: version Latest", why: "an error; the Go provider's volume is empty"},
	{name: "from a version", objects: history(2, "objectVersion: c"), azure: versionsOf("secrets", "s1", five...)},
	{name: "from the oldest", objects: history(5, "objectVersion: e"), azure: versionsOf("secrets", "s1", five...)},
	{name: "from one that is disabled", objects: history(5, "objectVersion: c"), azure: versionsOf("secrets", "s1", "a 500 true", "c 300 false", "d 200 true"), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:c: version c", why: "an error; the Go provider's volume is empty"},
	{name: "from one that is not there", objects: history(2, "objectVersion: z"), azure: versionsOf("secrets", "s1", five...), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:z: version z", why: "an error; the Go provider's volume is empty"},
	{name: "one that is not there beside another object", objects: array(secret("s2"), secret("s1", "objectVersionHistory: 2", "objectVersion: z")), azure: versionsOf("secrets", "s1", five...), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:z: version z", why: "an error; the Go provider's volume lacks it"},
	{name: "disabled ones are dropped", objects: history(5), azure: versionsOf("secrets", "s1", "a 500 false", "b 400 true", "c 300 false", "d 200 -")},
	{name: "without dates", objects: history(5), azure: versionsOf("secrets", "s1", "a - true", "b 400 true")},
	{name: "before 1970", objects: history(5), azure: versionsOf("secrets", "s1", "a -10 true", "b - true", "c 5 true")},
	{name: "without attributes", objects: history(5), azure: versionsOf("secrets", "s1", "a none -", "b 400 true")},
	{name: "all disabled", objects: history(5), azure: versionsOf("secrets", "s1", "a 500 false")},
	{name: "no versions", objects: history(5), azure: versionsOf("secrets", "s1")},
	{name: "value null", objects: history(5), azure: map[string]reply{"secrets/s1/versions": body(`{"value":null}`)}},
	{name: "empty object", objects: history(5), azure: map[string]reply{"secrets/s1/versions": body(`{}`)}},
	{name: "alias", objects: history(2, "objectAlias: dir/x"), azure: versionsOf("secrets", "s1", five...)},
	{name: "alias that is cleaned", objects: history(2, "objectAlias: ./dir//x/"), azure: versionsOf("secrets", "s1", five...)},
	{name: "alias dot", objects: history(2, "objectAlias: ."), azure: versionsOf("secrets", "s1", five...)},
	{name: "permission and encoding", objects: history(2, "filePermission: 0400", "objectEncoding: base64"), azure: merge2(versionsOf("secrets", "s1", "a 2 true", "b 1 true"), map[string]reply{
		"secrets/s1/a": body(`{"value":"QUE=","id":"https://$VAULT.vault.azure.net/secrets/s1/a"}`), "secrets/s1/b": body(`{"value":"QkI=","id":"https://$VAULT.vault.azure.net/secrets/s1/b"}`)})},
	{name: "key", objects: array(key("k1", "objectVersionHistory: 2")), azure: versionsOf("keys", "k1", five...)},
	{name: "cert", objects: array(cert("c1", "objectVersionHistory: 2")), azure: versionsOf("certificates", "c1", five...)},
	{name: "pages", objects: history(9), azure: map[string]reply{
		"secrets/s1/versions":       listed("secrets", "s1", `"https://$VAULT.vault.azure.net/secrets/s1/versions/page2?api-version=7.4&$skiptoken=eyJ&maxresults=25"`, "a 1 true", "b 3 true"),
		"secrets/s1/versions/page2": listed("secrets", "s1", `"https://$VAULT.vault.azure.net/secrets/s1/versions/page3?api-version=7.4"`),
		"secrets/s1/versions/page3": listed("secrets", "s1", `""`, "c 2 true"),
	}},
	{name: "pages elsewhere", objects: history(9), azure: map[string]reply{"secrets/s1/versions": listed("secrets", "s1", `"https://login.microsoftonline.com/$TENANT/x"`, "a 1 true")}, ours: "failed to mount objects, error: the list continues at another host", why: "the token goes nowhere else"},
	{name: "next page is no URL", objects: history(9), azure: map[string]reply{"secrets/s1/versions": listed("secrets", "s1", `":"`, "a 1 true")}, ours: "failed to mount objects, error: the list continues at another host", why: "another text"},
	{name: "second page fails", objects: history(9), azure: map[string]reply{"secrets/s1/versions": listed("secrets", "s1", `"https://$VAULT.vault.azure.net/secrets/s1/versions/page2?api-version=7.4"`, "a 1 true"), "secrets/s1/versions/page2": refusal(403, "Forbidden", "no")}},
	{name: "created as text", objects: history(9), azure: map[string]reply{"secrets/s1/versions": body(`{"value":[{"id":"https://x/secrets/s1/a","attributes":{"created":"1"}}]}`)}, ours: "failed to mount objects, error: unmarshalling type *azsecrets.", why: "the text goes on in another way"},
	{name: "created as a fraction", objects: history(9), azure: map[string]reply{"secrets/s1/versions": body(`{"value":[{"id":"https://x/secrets/s1/a","attributes":{"created":1.5}}]}`)}, ours: "failed to mount objects, error: unmarshalling type *azsecrets.", why: "the text goes on in another way"},
	{name: "enabled as text", objects: history(9), azure: map[string]reply{"secrets/s1/versions": body(`{"value":[{"id":"https://x/secrets/s1/a","attributes":{"enabled":"true"}}]}`)}, ours: "failed to mount objects, error: unmarshalling type *azsecrets.", why: "the text goes on in another way"},
	{name: "id without version", objects: history(9), azure: map[string]reply{"secrets/s1/versions": body(`{"value":[{"id":"https://x/secrets/s1","attributes":{}}]}`)}},
	{name: "value is an object", objects: history(9), azure: map[string]reply{"secrets/s1/versions": body(`{"value":{}}`)}, ours: "failed to mount objects, error: unmarshalling type *azsecrets.", why: "the text goes on in another way"},
	{name: "attributes null", objects: history(9), azure: map[string]reply{"secrets/s1/versions": body(`{"value":[{"id":"https://x/secrets/s1/a","attributes":null}]}`)}},
	{name: "list of what is missing", objects: array(secret("missing", "objectVersionHistory: 2")), azure: map[string]reply{"secrets/missing/versions": refusal(404, "SecretNotFound", "not found")}},
	{name: "list forbidden", objects: history(2), azure: map[string]reply{"secrets/s1/versions": refusal(403, "Forbidden", "no list permission")}},
	{name: "list is no JSON", objects: history(2), azure: map[string]reply{"secrets/s1/versions": body("<html>")}},
	{name: "a version is gone", objects: history(2), azure: merge2(versionsOf("secrets", "s1", five...), map[string]reply{"secrets/s1/b": refusal(404, "SecretNotFound", "gone")})},
	{name: "name empty", objects: array("objectType: secret\nobjectAlias: a\nobjectVersionHistory: 2\n")},
	{name: "name empty key", objects: array("objectType: key\nobjectAlias: a\nobjectVersionHistory: 2\n")},
	{name: "name empty cert", objects: array("objectType: cert\nobjectAlias: a\nobjectVersionHistory: 2\n")},
	{name: "several objects", objects: array(secret("s1", "objectVersionHistory: 2"), secret("s2"), key("k1", "objectVersionHistory: 2")), azure: merge2(versionsOf("secrets", "s1", five...), versionsOf("keys", "k1", five...))},
}

var dashes = strings.Repeat("-", 80)

func merge2(a, b map[string]reply) map[string]reply {
	merged := map[string]reply{}
	for _, one := range []map[string]reply{a, b} {
		for path, answer := range one {
			merged[path] = answer
		}
	}
	return merged
}

func at(path string, answer reply) map[string]reply { return map[string]reply{path: answer} }

// vaultCases: what a vault may answer to a secret.
var vaultCases = []golden{
	{name: "missing secret", objects: array(secret("missing"))},
	{name: "missing key", objects: array(key("missing", "objectVersion: v1"))},
	{name: "missing cert", objects: array(cert("missing"))},
	{name: "second is missing", objects: array(secret("s1"), secret("missing"))},
	{name: "both are missing", objects: array(key("missing-a"), secret("missing-b"))},
	{name: "policy", azure: at("secrets/s1", reply{status: 403, body: `{"error":{"code":"Forbidden","message":"The user, group or application 'appid=a;oid=b;iss=c' does not have secrets get permission on key vault 'kv;location=x'.","innererror":{"code":"AccessDenied"}}}`})},
	{name: "rbac", azure: at("secrets/s1", reply{status: 403, body: `{"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.\r\nAction: 'x'","innererror":{"code":"ForbiddenByRbac"}}}`})},
	{name: "firewall", azure: at("secrets/s1", reply{status: 403, body: `{"error":{"code":"Forbidden","message":"Client address is not authorized","innererror":{"code":"ForbiddenByFirewall"}}}`})},
	{name: "private link", azure: at("secrets/s1", reply{status: 403, body: `{"error":{"code":"Forbidden","message":"no","innererror":{"code":"ForbiddenByConnection"}}}`})},
	{name: "disabled", azure: at("secrets/s1", reply{status: 403, body: `{"error":{"code":"Forbidden","message":"Operation get is not allowed on a disabled secret.","innererror":{"code":"SecretDisabled"}}}`})},
	{name: "bad request", azure: at("secrets/s1", refusal(400, "BadParameter", "bad"))},
	{name: "conflict", azure: at("secrets/s1", refusal(409, "Conflict", "deleted"))},
	{name: "code in a header", azure: at("secrets/s1", reply{status: 404, body: `{"error":{"code":"Inside","message":"m"}}`, header: map[string]string{"x-ms-error-code": "InHeader"}})},
	{name: "no body", azure: at("secrets/s1", reply{status: 404})},
	{name: "body is HTML", azure: at("secrets/s1", reply{status: 403, body: "<html>no</html>", header: map[string]string{"Content-Type": "text/html"}})},
	{name: "body without code", azure: at("secrets/s1", reply{status: 403, body: `{"message":"m"}`})},
	{name: "code at the top", azure: at("secrets/s1", reply{status: 403, body: `{"code":"Top","message":"m"}`})},
	{name: "body with markup", azure: at("secrets/s1", reply{status: 403, body: `{"error":{"code":"Forbidden","message":"a <b> & 'c' é"}}`})},
	{name: "body that is indented", azure: at("secrets/s1", reply{status: 403, body: "{\n    \"error\": {\"code\":\"X\",  \"list\": [1, {\"a\": []}, {}]}}"})},
	{name: "teapot", azure: at("secrets/s1", reply{status: 418, body: "{}"})},
	{name: "created", azure: at("secrets/s1", reply{status: 201, body: `{"value":"v","id":"https://x/secrets/s1/v"}`}), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: GET https://$VAULT.vault.azure.net/secrets/s1/\n" + dashes + "\nRESPONSE 201: 201 Created\nERROR CODE UNAVAILABLE\n" + dashes + "\nResponse body of 43 bytes is not shown", why: "an answer that may hold a secret is not shown"},
	{name: "no content", azure: at("secrets/s1", reply{status: 204})},
	{name: "unauthorized twice", azure: at("secrets/s1", reply{status: 401, body: `{"error":{"code":"Unauthorized","message":"AKV10032: Invalid issuer."}}`, header: map[string]string{"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/$TENANT", resource="https://vault.azure.net"`}})},
	{name: "unauthorized without a challenge", azure: at("secrets/s1", reply{status: 401, body: `{"error":{"code":"Unauthorized","message":"no"}}`})},
	{name: "throttled once", azure: at("secrets/s1", reply{status: 429, body: `{"error":{"code":"Throttled","message":"m"}}`, times: 1})},
	{name: "throttled once with Retry-After", azure: at("secrets/s1", reply{status: 429, body: `{"error":{"code":"Throttled","message":"m"}}`, times: 1, header: map[string]string{"Retry-After": "1"}})},
	{name: "throttled for long", azure: at("secrets/s1", reply{status: 429, body: `{"error":{"code":"Throttled","message":"m"}}`, header: map[string]string{"Retry-After": "61"}})},
	{name: "throttled for ever", azure: at("secrets/s1", reply{status: 429, body: `{"error":{"code":"Throttled","message":"m"}}`})},
	{name: "unavailable once", azure: at("secrets/s1", reply{status: 503, times: 1})},
	{name: "internal error twice", azure: at("secrets/s1", reply{status: 500, body: `{"error":{"code":"InternalServerError","message":"m"}}`, times: 2})},
	{name: "bad gateway for ever", azure: at("secrets/s1", reply{status: 502, body: "bad gateway"})},
	{name: "timeout once", azure: at("secrets/s1", reply{status: 408, times: 1})},
	{name: "not implemented", azure: at("secrets/s1", reply{status: 501, body: "{}"})},
	{name: "truncated once", azure: at("secrets/s1", reply{body: `{"value":`, broken: true, times: 1})},
	{name: "answer is no JSON", azure: at("secrets/s1", body("<html>"))},
	{name: "answer is empty", azure: at("secrets/s1", body(""))},
	{name: "answer is a list", azure: at("secrets/s1", body("[]"))},
	{name: "answer is null", azure: at("secrets/s1", body("null"))},
	{name: "answer is an empty object", azure: at("secrets/s1", body("{}"))},
	{name: "value is a number", azure: at("secrets/s1", body(`{"value":1,"id":"https://x/secrets/s1/v"}`))},
	{name: "value is null", azure: at("secrets/s1", body(`{"value":null,"id":"https://x/secrets/s1/v"}`))},
	{name: "value is empty", azure: at("secrets/s1", body(`{"value":"","id":"https://x/secrets/s1/v"}`))},
	{name: "id is missing", azure: at("secrets/s1", body(`{"value":"v"}`))},
	{name: "id is null", azure: at("secrets/s1", body(`{"value":"v","id":null}`))},
	{name: "id without version", azure: at("secrets/s1", body(`{"value":"v","id":"https://x/secrets/s1"}`))},
	{name: "id with more", azure: at("secrets/s1", body(`{"value":"v","id":"https://x/secrets/s1/v/w"}`))},
	{name: "id is no URL", azure: at("secrets/s1", body(`{"value":"v","id":"abc"}`))},
	{name: "id is empty", azure: at("secrets/s1", body(`{"value":"v","id":""}`))},
	{name: "id with a query", azure: at("secrets/s1", body(`{"value":"v","id":"https://x/secrets/s1/v?a=b"}`))},
	{name: "keys in capitals", azure: at("secrets/s1", body(`{"Value":"v","ID":"https://x/secrets/s1/v"}`))},
	{name: "keys twice", azure: at("secrets/s1", body(`{"value":"v","value":"w","id":"https://x/secrets/s1/v"}`))},
	{name: "unknown fields", azure: at("secrets/s1", body(`{"value":"v","id":"https://x/secrets/s1/v","new":{"a":[1]},"attributes":null,"tags":{"a":"b"}}`))},
	{name: "escapes", azure: at("secrets/s1", body(`{"value":"a\u0000\n\u00e9\ud83d\ude00\ud800","id":"https://x/secrets/s1/v"}`))},
	{name: "expired", azure: at("secrets/s1", body(`{"value":"old","id":"https://x/secrets/s1/v","attributes":{"enabled":true,"exp":1000000000}}`))},
	{name: "not yet valid", azure: at("secrets/s1", body(`{"value":"new","id":"https://x/secrets/s1/v","attributes":{"enabled":true,"nbf":4000000000}}`))},
	{name: "attributes of a wrong type", azure: at("secrets/s1", body(`{"value":"v","id":"https://x/secrets/s1/v","attributes":{"enabled":"yes"}}`)), ours: "1 files s1", why: "what is not needed is not judged"},
	{name: "text behind the object", azure: at("secrets/s1", body(`{"value":"v","id":"https://x/secrets/s1/v"} x`))},
	{name: "challenge with scope", azure: at("challenge", reply{status: 401, header: map[string]string{"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/$TENANT" scope="https://vault.azure.net/.default"`}})},
	{name: "redirect", azure: map[string]reply{"secrets/s1": {status: 302, header: map[string]string{"Location": "https://$VAULT.vault.azure.net/secrets/s2/?api-version=7.4"}}}, ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: GET https://$VAULT.vault.azure.net/secrets/s1/\n" + dashes + "\nRESPONSE 302: 302 Found", why: "a token follows no redirect"},
	{name: "demand for claims", azure: at("secrets/s1", reply{status: 401, times: 1, header: map[string]string{"WWW-Authenticate": `Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ=="`}})},
	{name: "unauthorized once", azure: at("secrets/s1", reply{status: 401, times: 1, body: `{"error":{"code":"Unauthorized","message":"x"}}`, header: map[string]string{"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/$TENANT", resource="https://vault.azure.net"`}}), ours: "1 files s1", why: "a new token is tried once"},
	{name: "unauthorized for another resource", azure: at("secrets/s1", reply{status: 401, times: 1, body: `{"error":{"code":"Unauthorized","message":"x"}}`, header: map[string]string{"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/$TENANT", resource="https://storage.azure.com"`}}), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: challenge resource \"https://storage.azure.com\" doesn't match the requested domain", why: "the first request carries the token, so this is the challenge"},
	{name: "unauthorized without a resource", azure: at("secrets/s1", reply{status: 401, times: 1, body: `{"error":{"code":"Unauthorized","message":"x"}}`, header: map[string]string{"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/$TENANT"`}}), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: could not find a valid resource in the WWW-Authenticate header", why: "the first request carries the token, so this is the challenge"},
	{name: "large value", azure: at("secrets/s1", body(`{"value":"`+strings.Repeat("x", 25<<10)+`","id":"https://x/secrets/s1/v"}`))},
}

package azure

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// fixtures are the certificates and keys that the crate pem is tested with.
const fixtures = "../../../../crates/pem/tests/fixtures"

func fixture(name string) []byte {
	content, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		panic(err)
	}
	return content
}

func pfx(name string) string {
	return base64.StdEncoding.EncodeToString(fixture("pfx/" + name + ".pfx"))
}

func text(names ...string) string {
	var all strings.Builder
	for _, name := range names {
		all.Write(fixture(name + ".pem"))
	}
	return all.String()
}

const (
	typePEM = "application/x-pem-file"
	typePFX = "application/x-pkcs12"
)

// bundle is a secret of a certificate; an empty type is left out.
func bundle(value, contentType string) map[string]reply {
	fields := map[string]any{"value": value, "id": "https://x/secrets/s1/v", "kid": "https://x/keys/s1/v", "managed": true}
	if contentType != "" {
		fields["contentType"] = contentType
	}
	return at("secrets/s1", object(fields))
}

func object(fields any) reply {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return body(string(text))
}

// plainSecret is a secret that belongs to no certificate.
func plainSecret(value string, more ...string) map[string]reply {
	fields := map[string]any{"value": value, "id": "https://x/secrets/s1/v"}
	for index := 0; index < len(more); index += 2 {
		fields[more[index]] = more[index+1]
	}
	return at("secrets/s1", object(fields))
}

func jwk(fields map[string]string) map[string]reply {
	fields["kid"] = "https://x/keys/k1/v"
	return at("keys/k1", object(map[string]any{"key": fields}))
}

func encoded(encoding string) string { return array(secret("s1", "objectEncoding: "+encoding)) }

const (
	// A point of each curve, from its generator.
	p256x, p256y = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
	p384x, p384y = "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3", "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f"
	p521x, p521y = "AMaFjgbKFWHkpb7dI52YlgC8LIZd3h2PAQUhMhDmLmdYZOPTz3_ePiGRlJqlPN_iyl9OBdCpkLu5UpUn9AHp5b1m", "ARg5KWp4mjvABFyKX7QsfRvZmPVESVeVREGoeaP1-zoTt0rFbT2ZGMyK9-TJflGUZFCQSJ7_wKCRhWcTiqpnXNqX"
)

func contentCases() []golden {
	modern := "PFX with AES or SHA-256, without MAC, with a key or certificates only: read; an error in the Go stack"
	cases := []golden{
		{name: "base64", objects: encoded("base64"), azure: plainSecret("QmFzZTY0RW5jb2RlZFN0cmluZw==")},
		{name: "BasE64", objects: encoded("BasE64"), azure: plainSecret("QQ==")},
		{name: "base64 of bytes", objects: encoded("base64"), azure: plainSecret("AP/+gA==")},
		{name: "base64 with lines", objects: encoded("base64"), azure: plainSecret("QmFz\r\nZTY0\n")},
		{name: "base64 with a space", objects: encoded("base64"), azure: plainSecret("QmFz ZTY0")},
		{name: "base64 without padding", objects: encoded("base64"), azure: plainSecret("QQ")},
		{name: "base64 with too much padding", objects: encoded("base64"), azure: plainSecret("QQ===")},
		{name: "base64 with loose bits", objects: encoded("base64"), azure: plainSecret("QR==")},
		{name: "base64 of URLs", objects: encoded("base64"), azure: plainSecret("aGVsbG8_")},
		{name: "base64 empty", objects: encoded("base64"), azure: plainSecret("")},
		{name: "hex", objects: encoded("hex"), azure: plainSecret("486578456E636F646564537472696E67")},
		{name: "HEX", objects: encoded("HEX"), azure: plainSecret("48aF")},
		{name: "hex odd", objects: encoded("hex"), azure: plainSecret("abc")},
		{name: "hex wrong", objects: encoded("hex"), azure: plainSecret("zz")},
		{name: "hex wrong and odd", objects: encoded("hex"), azure: plainSecret("abz")},
		{name: "hex with a line", objects: encoded("hex"), azure: plainSecret("abcd\n")},
		{name: "hex umlaut", objects: encoded("hex"), azure: plainSecret("aü")},
		{name: "hex empty", objects: encoded("hex"), azure: plainSecret("")},
		{name: "utf-8 stays", objects: encoded("Utf-8"), azure: plainSecret(" ä\n\r\n\t")},
		{name: "plain with a certificate's type", azure: plainSecret("v", "contentType", typePFX)},
		{name: "plain with format pfx", objects: array(secret("s1", "objectFormat: pfx")), azure: plainSecret("v", "contentType", typePFX)},
		{name: "kid empty", azure: plainSecret("v", "kid", "", "contentType", "x")},
		{name: "kid is no URL", azure: plainSecret(text("keys/p256", "certificates/leaf"), "kid", "k", "contentType", typePEM)},
		{name: "pem", azure: bundle(text("keys/p256", "certificates/leaf", "certificates/intermediate", "certificates/root"), typePEM)},
		{name: "pem is not put in order", azure: bundle(text("certificates/root", "certificates/intermediate", "certificates/leaf", "keys/p256"), typePEM)},
		{name: "pem with format pfx", objects: array(secret("s1", "objectFormat: pfx")), azure: bundle(text("keys/p256"), typePEM)},
		{name: "pem that is none", azure: bundle("hello", typePEM)},
		{name: "pem as base64", objects: encoded("base64"), azure: bundle(text("keys/p256"), typePEM)},
		{name: "pem as hex", objects: encoded("hex"), azure: bundle(text("keys/p256"), typePEM)},
		{name: "content type in capitals", azure: bundle("v", "APPLICATION/X-PEM-FILE")},
		{name: "content type unknown", azure: bundle("v", "text/plain")},
		{name: "content type empty", azure: plainSecret("v", "kid", "k", "contentType", "")},
		{name: "content type with parameter", azure: bundle("v", typePEM+"; charset=utf-8")},
		{name: "pfx stays with format pfx", objects: array(secret("s1", "objectFormat: pfx")), azure: bundle(pfx("legacy-rsa"), typePFX)},
		{name: "pfx stays with format PfX", objects: array(secret("s1", "objectFormat: PfX")), azure: bundle(pfx("legacy-rsa"), typePFX)},
		{name: "pfx binary", objects: array(secret("s1", "objectFormat: pfx", "objectEncoding: base64")), azure: bundle(pfx("legacy-rsa"), typePFX)},
		{name: "pfx stays whatever it is", objects: array(secret("s1", "objectFormat: pfx")), azure: bundle("no pfx", typePFX)},
		{name: "pfx to pem as base64", objects: encoded("base64"), azure: bundle(pfx("legacy-rsa"), typePFX)},
		{name: "pfx with lines", azure: bundle(lines(pfx("legacy-rsa")), typePFX)},
		{name: "pfx not base64", azure: bundle("*", typePFX)},
		{name: "pfx empty", azure: bundle("", typePFX), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: pkcs12: error reading P12 data: asn1: ", why: "the text begins alike"},
		{name: "pfx not DER", azure: bundle("aGVsbG8=", typePFX), ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s1, objectVersion:: pkcs12: error reading P12 data: asn1: ", why: "the text begins alike"},
	}
	for _, name := range []string{"3des", "legacy-rsa", "legacy-rsa-chain", "legacy-p256-chain", "legacy-p384", "legacy-p521", "legacy-windows",
		"legacy-incomplete-chain", "legacy-empty-password-without-bytes", "legacy-iterations-1", "legacy-password", "rc4-128", "aes256-sha512-256"} {
		cases = append(cases, golden{name: "pfx " + name, azure: bundle(pfx(name), typePFX)})
	}
	for _, name := range []string{"modern-rsa", "modern-p256-chain", "modern-p521", "aes256-sha384", "aes256-sha512", "no-mac", "plain-no-mac", "legacy-cert-only",
		"modern-key-only", "rc2-128", "des3-pbes2", "modern-ed25519"} {
		cases = append(cases, golden{name: "pfx " + name, azure: bundle(pfx(name), typePFX), ours: "1 files s1", why: modern})
	}
	k1 := array(key("k1"))
	for name, fields := range map[string]map[string]string{
		"RSA": {"kty": "RSA", "n": modulus, "e": "AQAB"}, "RSA-HSM": {"kty": "RSA-HSM", "n": modulus, "e": "Aw"},
		"EC P-256": {"kty": "EC", "crv": "P-256", "x": p256x, "y": p256y}, "EC-HSM P-384": {"kty": "EC-HSM", "crv": "P-384", "x": p384x, "y": p384y},
		"EC P-521": {"kty": "EC", "crv": "P-521", "x": p521x, "y": p521y}, "EC P-256K": {"kty": "EC", "crv": "P-256K", "x": p256x, "y": p256y},
		"EC curve unknown": {"kty": "EC", "crv": "P-999", "x": p256x, "y": p256y}, "EC curve empty": {"kty": "EC", "crv": "", "x": p256x, "y": p256y},
		"EC off the curve": {"kty": "EC", "crv": "P-256", "x": p256x, "y": p256x}, "EC P-384 off the curve": {"kty": "EC", "crv": "P-384", "x": p256x, "y": p256y},
		"EC P-521 off the curve": {"kty": "EC", "crv": "P-521", "x": p521x, "y": p521x},
		"EC without a point":     {"kty": "EC", "crv": "P-256"}, "oct": {"kty": "oct"}, "oct-HSM": {"kty": "oct-HSM"}, "kty lower case": {"kty": "rsa", "n": modulus, "e": "AQAB"},
		"kty empty": {"kty": ""}, "RSA without numbers": {"kty": "RSA"}, "RSA exponent of leading zeros": {"kty": "RSA", "n": modulus, "e": "AAEAAQ"},
		"RSA padded": {"kty": "RSA", "n": "AQAB", "e": "AQAB=="}, "RSA small": {"kty": "RSA", "n": "_w", "e": "AQAB"},
	} {
		c := golden{name: "key " + name, objects: k1, azure: jwk(fields)}
		switch name {
		case "RSA padded":
			c.ours, c.why = "failed to mount objects, error: failed to get objectType:key, objectName:k1, objectVersion:: ", "another text"
		case "RSA without numbers":
			c.ours, c.why = "failed to mount objects, error: failed to get objectType:key, objectName:k1, objectVersion:: ", "an error; the Go provider writes a key of zeros"
		}
		cases = append(cases, c)
	}
	c1 := array(cert("c1"))
	return append(cases,
		golden{name: "key missing", objects: k1, azure: at("keys/k1", body("{}"))},
		golden{name: "key null", objects: k1, azure: at("keys/k1", body(`{"key":null}`))},
		golden{name: "key without kid", objects: k1, azure: at("keys/k1", body(`{"key":{"kty":"RSA"}}`))},
		golden{name: "key without version", objects: k1, azure: at("keys/k1", body(`{"key":{"kty":"EC","crv":"P-256","x":"`+p256x+`","y":"`+p256y+`","kid":"https://x/keys/k1"}}`))},
		golden{name: "cert", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v","cer":"`+strings.Repeat("QUJD", 40)+`"}`))},
		golden{name: "cert empty", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v","cer":""}`))},
		golden{name: "cert without value", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v"}`))},
		golden{name: "cert without id", objects: c1, azure: at("certificates/c1", body(`{"cer":"QUJD"}`))},
		golden{name: "cert with nothing", objects: c1, azure: at("certificates/c1", body(`{}`))},
		golden{name: "cert not base64", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v","cer":"*"}`))},
		golden{name: "cert with lines", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v","cer":"QUJD\r\nQUJD"}`)), ours: "1 files c1", why: "escapes are read; the Go SDK reads the text as it stands"},
		golden{name: "cert is not parsed", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v","cer":"AA=="}`))},
		golden{name: "cert of base64url", objects: c1, azure: at("certificates/c1", body(`{"id":"https://x/certificates/c1/v","cer":"_-8="}`))},
	)
}

// lines breaks a text as PEM does.
func lines(text string) string {
	var broken strings.Builder
	for len(text) > 64 {
		broken.WriteString(text[:64] + "\r\n")
		text = text[64:]
	}
	return broken.String() + text + "\n"
}

// separateCases: --write-cert-and-key-in-separate-files.
func separateCases() []golden {
	return []golden{
		{name: "plain secret", azure: plainSecret("v")},
		{name: "pem", azure: bundle(text("keys/p256", "certificates/leaf", "certificates/intermediate"), typePEM)},
		{name: "pem with alias", objects: array(secret("s1", "objectAlias: tls/x.pem", "filePermission: 0640")), azure: bundle(text("certificates/leaf", "keys/p256"), typePEM)},
		{name: "pem with text between", azure: bundle("Bag Attributes\n  x: y\n"+text("keys/rsa-pkcs1")+"\nsubject=x\n"+text("certificates/leaf"), typePEM)},
		{name: "pem of several keys", azure: bundle(text("keys/rsa-pkcs1", "keys/p256-sec1", "certificates/leaf", "certificates/root"), typePEM)},
		{name: "pem that is none", azure: bundle("hello", typePEM)},
		{name: "pfx", azure: bundle(pfx("legacy-rsa-chain"), typePFX)},
		{name: "pfx as pfx", objects: array(secret("s1", "objectFormat: pfx")), azure: bundle(pfx("legacy-rsa"), typePFX)},
		{name: "pfx binary", objects: array(secret("s1", "objectFormat: pfx", "objectEncoding: base64")), azure: bundle(pfx("legacy-rsa"), typePFX)},
		{name: "pem as base64", objects: encoded("base64"), azure: bundle(text("keys/p256"), typePEM)},
		{name: "history", objects: history(2), azure: merge2(versionsOf("secrets", "s1", "a 2 true", "b 1 true"), map[string]reply{
			"secrets/s1/a": bundle(text("keys/p256", "certificates/leaf"), typePEM)["secrets/s1"], "secrets/s1/b": plainSecret("v")["secrets/s1"]})},
		{name: "cert and key", objects: array(cert("c1"), key("k1"))},
		{name: "a path of the parts", objects: array(secret("s1"), secret("s2", "objectAlias: s1.crt")), azure: bundle(text("keys/p256", "certificates/leaf"), typePEM),
			ours: "failed to mount objects, error: failed to get objectType:secret, objectName:s2, objectVersion:: ", why: "in the Go stack the last one wins"},
	}
}

// unorderedCases: --construct-pem-chain=false.
func unorderedCases() []golden {
	var cases []golden
	for _, name := range []string{"legacy-rsa-chain", "legacy-p256-chain", "legacy-incomplete-chain", "legacy-windows"} {
		cases = append(cases, golden{name: name, azure: bundle(pfx(name), typePFX)})
	}
	return cases
}

package azure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymount.test/peers/stack"
)

// scriptedAzure is Key Vault, Entra, the metadata service and the pod identity agent, answering each case as it says.
type scriptedAzure struct {
	// bundle is a file with the certificate that signs for all of it, in a directory with the files of custom clouds.
	directory, bundle string
	key               *ecdsa.PrivateKey
	root              *x509.Certificate
	lock              sync.Mutex
	leaves            map[string]*tls.Certificate
	// cases are the scripts, by every name that a request can show.
	cases map[string]*script
}

// script is what Azure has for one case, and what it was asked.
type script struct {
	vault, tenant, pod, directory string
	answers                       map[string]reply
	lock                          sync.Mutex
	asked                         []string
	tokens                        []string
	// calls counts the requests for one path.
	calls map[string]int
}

// reply is an answer of a service. A status of 0 is 200.
type reply struct {
	status int
	body   string
	header map[string]string
	// times is how often it is given before the usual answer takes its place; 0 is always.
	times int
	// broken ends the connection in the middle of the answer.
	broken bool
}

// body is an answer that is well.
func body(text string) reply { return reply{body: text} }

// refusal is an answer as Key Vault's errors are.
func refusal(status int, code, message string) reply {
	return reply{status: status, body: fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message)}
}

// hosts are the names that lead here, beside those of the vaults.
var hosts = []string{
	"login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn", "login.microsoftonline.de",
	"login.golden.test", "adfs.golden.test", "proxy.golden.test",
}

// suffixes are those of the clouds' vaults.
var suffixes = []string{"vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn", "vault.microsoftazure.de", "vault.golden.test"}

const address = "127.0.0.2"

func startScriptedAzure(t *testing.T) *scriptedAzure {
	a := &scriptedAzure{leaves: map[string]*tls.Certificate{}, cases: map[string]*script{}}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scripted Azure"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.directory = t.TempDir()
	a.bundle = filepath.Join(a.directory, "ca.pem")
	if err := os.WriteFile(a.bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	a.nameHosts(t)
	if err := stack.AddAddress("lo:imds", [4]byte{169, 254, 169, 254}); err != nil {
		t.Fatal(err)
	}
	a.serve(t, address+":443", a.public, &tls.Config{GetCertificate: a.leaf})
	a.serve(t, "169.254.169.254:80", a.metadata, nil)
	a.serve(t, "127.0.0.1:2579", a.agent, nil)
	return a
}

// nameHosts makes all names of all suites lead here, until the test ends.
func (a *scriptedAzure) nameHosts(t *testing.T) {
	before, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	text := "127.0.0.1 localhost\n"
	for _, host := range hosts {
		text += address + " " + host + "\n"
	}
	for _, suite := range allSuites() {
		for _, c := range suite.cases {
			vault := strings.ToLower(names(suite.name + "/" + c.name).vault)
			for _, suffix := range suffixes {
				text += address + " " + vault + "." + suffix + "\n"
			}
		}
	}
	if err := os.WriteFile("/etc/hosts", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile("/etc/hosts", before, 0o644) })
}

func (a *scriptedAzure) serve(t *testing.T, address string, handle http.HandlerFunc, secured *tls.Config) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handle, TLSConfig: secured, ErrorLog: log.New(io.Discard, "", 0)}
	if secured != nil {
		go server.ServeTLS(listener, "", "")
	} else {
		go server.Serve(listener)
	}
	t.Cleanup(func() { server.Close() })
}

// leaf is a certificate for the name that a client asks for.
func (a *scriptedAzure) leaf(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if leaf := a.leaves[hello.ServerName]; leaf != nil {
		return leaf, nil
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(a.leaves)) + 2), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{hello.ServerName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(23 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
	a.leaves[hello.ServerName] = leaf
	return leaf, nil
}

// names are those that a case has for itself.
func names(name string) *script {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:6])
	return &script{vault: "kv-" + id, tenant: "tenant-" + id, pod: "pod-" + id}
}

func (a *scriptedAzure) script(name string, answers map[string]reply) *script {
	s := names(name)
	s.answers, s.calls, s.directory = answers, map[string]int{}, a.directory
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, name := range []string{s.vault, s.tenant, s.pod, "client-" + s.tenant, systemAssigned} {
		a.cases[name] = s
	}
	return s
}

func (a *scriptedAzure) of(name string) *script {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.cases[name]
}

// expand puts the names of a case where a text wants them.
func (s *script) expand(text string) string {
	return strings.NewReplacer("$VAULT", s.vault, "$TENANT", s.tenant, "$POD", s.pod, "$CLIENT", "client-"+s.tenant, "$DIRECTORY", s.directory).Replace(text)
}

// requests are those seen so far.
func (s *script) requests() answer {
	s.lock.Lock()
	defer s.lock.Unlock()
	slices.Sort(s.asked)
	slices.Sort(s.tokens)
	return answer{Vault: s.asked, Token: slices.Compact(s.tokens)}
}

// answer gives what the script has for a path, else the usual answer.
func (s *script) answer(writer http.ResponseWriter, path string, usual func() reply) {
	s.lock.Lock()
	given, scripted := s.answers[path]
	s.calls[path]++
	count := s.calls[path]
	s.lock.Unlock()
	if !scripted || given.times > 0 && count > given.times {
		given = usual()
	}
	text := s.expand(given.body)
	writer.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, value := range given.header {
		writer.Header().Set(name, s.expand(value))
	}
	if given.broken {
		writer.Header().Set("Content-Length", fmt.Sprint(len(text)+10))
	}
	if given.status != 0 {
		writer.WriteHeader(given.status)
	}
	_, _ = io.WriteString(writer, text)
	if given.broken {
		panic(http.ErrAbortHandler)
	}
}

// public answers for vaults and authorities.
func (a *scriptedAzure) public(writer http.ResponseWriter, request *http.Request) {
	host, _, _ := strings.Cut(request.Host, ":")
	if slices.Contains(hosts, host) {
		a.authority(writer, request, host)
		return
	}
	name, suffix, _ := strings.Cut(host, ".")
	s := a.of(name)
	if s == nil {
		http.Error(writer, "no such vault: "+host, http.StatusNotFound)
		return
	}
	path := strings.Trim(request.URL.Path, "/")
	if request.Header.Get("Authorization") == "" {
		s.answer(writer, "challenge", func() reply {
			return reply{status: http.StatusUnauthorized, header: map[string]string{
				"WWW-Authenticate": fmt.Sprintf(`Bearer authorization="https://login.microsoftonline.com/%s", resource="https://%s"`, s.tenant, suffix),
			}, body: `{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}`}
		})
		return
	}
	s.lock.Lock()
	s.asked = append(s.asked, s.collapse(request.Method+" https://"+host+request.URL.RequestURI()))
	s.lock.Unlock()
	s.answer(writer, path, func() reply { return usual(s, path, suffix) })
}

// collapse puts placeholders where a text has the names of the case.
func (s *script) collapse(text string) string {
	return strings.NewReplacer(s.vault, "$VAULT", s.tenant, "$TENANT", s.pod, "$POD", s.directory, "$DIRECTORY").Replace(text)
}

// usual is what a vault has for every case.
func usual(s *script, path, suffix string) reply {
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return refusal(http.StatusNotFound, "NotFound", "no such path")
	}
	kind, name := parts[0], parts[1]
	version := "0123456789abcdef0123456789abcdef"
	if len(parts) > 2 {
		version = parts[2]
	}
	if strings.HasPrefix(name, "missing") {
		code := map[string]string{"secrets": "SecretNotFound", "keys": "KeyNotFound", "certificates": "CertificateNotFound"}[kind]
		return refusal(http.StatusNotFound, code, "A "+strings.TrimSuffix(kind, "s")+" with (name/id) "+name+" was not found in this key vault.")
	}
	id := fmt.Sprintf("https://%s.%s/%s/%s/%s", s.vault, suffix, kind, name, version)
	switch kind {
	case "secrets":
		return body(fmt.Sprintf(`{"value":"value of %s","id":%q,"attributes":{"enabled":true,"created":1700000000,"updated":1700000000}}`, name, id))
	case "keys":
		return body(fmt.Sprintf(`{"key":{"kid":%q,"kty":"RSA","n":%q,"e":"AQAB","key_ops":["sign"]},"attributes":{"enabled":true}}`, id, modulus))
	default:
		return body(fmt.Sprintf(`{"id":%q,"kid":"k","sid":"s","x5t":"AAAA","cer":"dGVzdA==","attributes":{"enabled":true}}`, id))
	}
}

// modulus is that of a key of 2048 bits.
const modulus = "5zVfGgKgkRny24OQYkcSWYIZctqwDvxV5PKX7C64Q2G5qShbaKuLg2BfaV6ER6hh9haMELwThBISlIHowIz367ecKSDGNmae9YXNxGjz1yZ6MtkicV3lkdB2_kssEkDG5QbpzVXAsGppyUF2xauEgZRsXUhKJz2nza5PQKu8i_g6W4tStNpoO9qUfsIl_Bf-x5fPE74g_ZV3q0V8AnH76IDfQHgO0OXTMG2H6Tjk2wWtbOV4W0dxM90kcg24EjUS8wAsfIi9vBhaSbHlRI04tZralbwE2ye28mJwutHlGOtWGwk-v534Tuo01sPFcF7Tab-j9HpZAqDgTCIWHhNwuQ"

// authority answers as Entra or AD FS does.
func (a *scriptedAzure) authority(writer http.ResponseWriter, request *http.Request, host string) {
	writer.Header().Set("Content-Type", "application/json; charset=utf-8")
	if strings.HasSuffix(request.URL.Path, "/discovery/instance") {
		endpoint := request.URL.Query().Get("authorization_endpoint")
		fmt.Fprintf(writer, `{"tenant_discovery_endpoint":%q,"api-version":"1.1","metadata":[{"preferred_network":%q,"preferred_cache":%q,"aliases":[%q]}]}`,
			strings.TrimSuffix(endpoint, "/oauth2/v2.0/authorize")+"/v2.0/.well-known/openid-configuration", host, host, host)
		return
	}
	below, through := "", ""
	path := strings.Trim(request.URL.Path, "/")
	// A token proxy keeps the name of the authority, and has one of its own for TLS.
	if name := request.TLS.ServerName; name != host {
		below, through = "below/", " through "+name
		path = strings.TrimPrefix(path, below)
	}
	tenant := strings.Split(path, "/")[0]
	s := a.of(tenant)
	if strings.HasSuffix(request.URL.Path, "openid-configuration") {
		base, token := "https://"+host+"/"+tenant, "/oauth2/v2.0/token"
		if tenant == "adfs" {
			token = "/oauth2/token"
		}
		fmt.Fprintf(writer, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`,
			base+"/v2.0", base+"/oauth2/v2.0/authorize", base+token)
		return
	}
	if err := request.ParseForm(); err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	if s == nil {
		s = a.of(request.Form.Get("client_id"))
	}
	if s == nil {
		http.Error(writer, "no such tenant: "+tenant, http.StatusNotFound)
		return
	}
	s.lock.Lock()
	s.tokens = append(s.tokens, s.collapse(request.Method+" https://"+host+request.URL.Path+through+" "+form(request.Form)))
	s.lock.Unlock()
	s.answer(writer, "token", func() reply {
		return body(`{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"golden-token"}`)
	})
}

// form is what a token request says, without what a client may leave out.
func form(values url.Values) string {
	var parts []string
	for name, value := range values {
		if name == "client_info" || name == "claims" {
			continue
		}
		text := value[0]
		if name == "scope" {
			text = strings.Fields(text)[0]
		}
		parts = append(parts, name+"="+text)
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

const systemAssigned = "system-assigned"

// metadata answers as the instance metadata service does. The identity says whose case it is.
func (a *scriptedAzure) metadata(writer http.ResponseWriter, request *http.Request) {
	identity := request.URL.Query().Get("client_id")
	s := a.of(identity)
	if s == nil {
		// Cases of this kind run one after the other.
		s = a.of(systemAssigned)
	}
	if s == nil {
		http.Error(writer, "no such identity", http.StatusBadRequest)
		return
	}
	s.lock.Lock()
	s.tokens = append(s.tokens, s.collapse(fmt.Sprintf("%s http://%s%s Metadata=%s", request.Method, request.Host, request.URL.Path+"?"+request.URL.Query().Encode(), request.Header.Get("Metadata"))))
	s.lock.Unlock()
	s.answer(writer, "imds", func() reply {
		return body(`{"access_token":"golden-token","client_id":"c","expires_in":"86399","expires_on":"4000000000","ext_expires_in":"86399","not_before":"1700000000","resource":"https://vault.azure.net","token_type":"Bearer"}`)
	})
}

// agent answers as the pod identity agent does.
func (a *scriptedAzure) agent(writer http.ResponseWriter, request *http.Request) {
	s := a.of(request.Header.Get("podname"))
	if s == nil {
		http.Error(writer, "no such pod", http.StatusNotFound)
		return
	}
	s.lock.Lock()
	s.tokens = append(s.tokens, s.collapse(fmt.Sprintf("%s http://%s%s podname=%s podns=%s", request.Method, request.Host, request.RequestURI, request.Header.Get("podname"), request.Header.Get("podns"))))
	s.lock.Unlock()
	s.answer(writer, "nmi", func() reply {
		return body(`{"token":{"access_token":"golden-token","refresh_token":"","expires_in":"3599","expires_on":"4000000000","not_before":"1700000000","resource":"https://vault.azure.net","token_type":"Bearer"},"clientid":"c"}`)
	})
}

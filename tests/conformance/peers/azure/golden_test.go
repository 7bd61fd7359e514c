package azure

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/status"

	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

// What the Go provider v1.8.2 answers, case by case, and what ours does. The tables of cases are the golden_*_test.go
// of this directory, one per subject; the answers, recorded from the Go provider, are the files in golden/. They are
// recorded anew with PEER=upstream RECORD=1.

// golden is one case: what is asked for, and what Azure answers to it.
type golden struct {
	name string
	// attributes are changes to those of a plain request; an empty value takes one away.
	attributes map[string]string
	// objects is the parameter of this name, if it is not among the attributes.
	objects string
	// secrets and permission are those of the request, if they are not the usual ones.
	secrets, permission string
	// azure are answers that differ from the usual ones, by path, of the vault ("secrets/s1"), of the authority
	// ("token"), of the metadata service ("imds") or of the pod identity agent ("nmi").
	azure map[string]reply
	// files are written to $DIRECTORY first.
	files map[string]string
	// ours is how our answer begins where it is another one on purpose, and why is the reason.
	ours, why string
}

// answer is what a provider answers, and what it asked for in between.
type answer struct {
	Code  string `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
	Files []file `json:"files,omitempty"`
	// Vault and Token are the requests with a token to the vault, and those for a token, in alphabetical order.
	Vault []string `json:"vault,omitempty"`
	Token []string `json:"token,omitempty"`
}

// file is a file of a reply, with the object version at the same index.
type file struct {
	Path    string `json:"path"`
	Mode    int    `json:"mode"`
	Text    string `json:"text,omitempty"`
	Bytes   []byte `json:"bytes,omitempty"`
	ID      string `json:"id"`
	Version string `json:"version"`
}

// allSuites are all tables.
func allSuites() []suite {
	return []suite{
		{"request", nil, requestCases},
		{"parameters", nil, parameterCases},
		{"clouds", nil, cloudCases},
		{"custom-clouds", nil, customCloudCases},
		{"yaml", nil, yamlCases},
		{"objects", nil, objectCases},
		{"versions", nil, versionCases},
		{"vault", nil, vaultCases},
		{"content", nil, contentCases()},
		{"separate", []string{"--write-cert-and-key-in-separate-files"}, separateCases()},
		{"unordered", []string{"--construct-pem-chain=false"}, unorderedCases()},
		{"identity", nil, identityCases},
		{"system-assigned", nil, systemAssignedCases},
		{"binding", []string{"--token-proxy-url=https://proxy.golden.test/below", "--sni-name=golden.ests.aks"}, bindingCases},
		{"default-cloud", []string{"--cloud-name=azureusgovernment"}, defaultCloudCases},
	}
}

// suite is a table of cases for a provider with the same flags.
type suite struct {
	name  string
	flags []string
	cases []golden
}

func TestGolden(t *testing.T) {
	azure := startScriptedAzure(t)
	for _, suite := range allSuites() {
		t.Run(suite.name, func(t *testing.T) { azure.run(t, suite) })
	}
}

func (a *scriptedAzure) run(t *testing.T, suite suite) {
	path := filepath.Join("golden", suite.name+".json")
	recorded := map[string]answer{}
	record := os.Getenv("RECORD") != ""
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &recorded); err != nil {
			t.Fatal(err)
		}
	} else if !record {
		t.Fatal(err)
	}
	provider := stack.StartAzureTrusting(t, a.bundle, suite.flags...)
	answers := make([]answer, len(suite.cases))
	t.Run("cases", func(t *testing.T) {
		for index, c := range suite.cases {
			t.Run(c.name, func(t *testing.T) {
				// In the Go provider a custom cloud's file is the process's, and a machine has one identity of its own.
				if suite.name != "custom-clouds" && suite.name != "system-assigned" {
					t.Parallel()
				}
				answers[index] = a.ask(t, provider, suite.name, c)
				want, known := recorded[c.name]
				switch {
				case record:
				case !known:
					t.Errorf("no answer is recorded; ours:\n%s", show(answers[index]))
				case stack.Upstream():
					expect(t, answers[index], want)
				default:
					c.judge(t, answers[index], want)
				}
			})
		}
	})
	names := map[string]answer{}
	for index, c := range suite.cases {
		if _, twice := names[c.name]; twice {
			t.Errorf("two cases are called %q", c.name)
		}
		names[c.name] = answers[index]
	}
	for name := range recorded {
		if _, used := names[name]; !used && !record {
			t.Errorf("an answer is recorded for %q, but there is no such case", name)
		}
	}
	if record && stack.Upstream() && !t.Failed() {
		if err := os.WriteFile(path, []byte(show(names)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// ask makes the request of a case, at a vault and in a tenant that no other case has.
func (a *scriptedAzure) ask(t *testing.T, provider *stack.Azure, suite string, c golden) answer {
	id := a.script(suite+"/"+c.name, c.azure)
	attributes := map[string]string{"keyvaultName": id.vault, "tenantID": id.tenant, "csi.storage.k8s.io/pod.name": id.pod}
	for key, value := range c.attributes {
		attributes[key] = id.expand(value)
	}
	objects := cmp.Or(c.objects, plain)
	if text, given := attributes["objects"]; given {
		objects = text
	}
	for file, text := range c.files {
		if err := os.WriteFile(filepath.Join(a.directory, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fields := stack.AzureRequest(objects, attributes)
	if c.secrets != "" {
		fields["secrets"] = id.expand(c.secrets)
	}
	if c.permission != "" {
		fields["permission"] = c.permission
	}
	reply, err := provider.Call(mount, fields)
	result := id.requests()
	if err != nil {
		result.Code, result.Error = status.Code(err).String(), id.collapse(status.Convert(err).Message())
		return result
	}
	list, _ := reply["files"].([]any)
	versions, _ := reply["object_version"].([]any)
	if len(list) != len(versions) {
		t.Errorf("%d files and %d object versions", len(list), len(versions))
		return result
	}
	for index, entry := range list {
		fields, version := entry.(wire.Fields), versions[index].(wire.Fields)
		one := file{Path: fields["path"].(string)}
		mode, _ := fields["mode"].(float64)
		one.Mode = int(mode)
		encoded, _ := fields["contents"].(string)
		contents, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if utf8.Valid(contents) {
			one.Text = string(contents)
		} else {
			one.Bytes = contents
		}
		one.ID, _ = version["id"].(string)
		one.Version, _ = version["version"].(string)
		result.Files = append(result.Files, one)
	}
	return result
}

// judge compares our answer with the recorded one.
func (c golden) judge(t *testing.T, got, want answer) {
	if c.ours == "" {
		expect(t, got, want)
		return
	}
	if c.why == "" {
		t.Error("a difference needs a reason")
	}
	said := got.Error
	if got.Code == "" {
		said = fmt.Sprintf("%d files", len(got.Files))
		for _, file := range got.Files {
			said += " " + file.Path
		}
	}
	if !strings.HasPrefix(said, c.ours) {
		t.Errorf("%s\n got %s\nwant %s", c.why, said, c.ours)
	}
	if want.Code == got.Code && agree(got, want) {
		t.Errorf("the answers do not differ: %s", show(want))
	}
}

func expect(t *testing.T, got, want answer) {
	t.Helper()
	if !agree(got, want) {
		t.Errorf("\n got %s\nwant %s", show(got), show(want))
	}
}

// agree says whether an answer is as recorded. Ours may go on where the recorded text ends; what was asked for before an
// error may be more or less, because we ask for several objects at once.
func agree(got, want answer) bool {
	if got.Code != want.Code || !strings.HasPrefix(got.Error, strings.TrimRight(want.Error, "\n")) {
		return false
	}
	if want.Code != "" {
		return true
	}
	same := func(a, b file) bool { return show(a) == show(b) }
	// What several objects of a mount need is asked for once.
	vault := func(answer answer) []string { return slices.Compact(slices.Clone(answer.Vault)) }
	return slices.EqualFunc(got.Files, want.Files, same) && slices.Equal(vault(got), vault(want)) && slices.Equal(got.Token, want.Token)
}

func show(value any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSpace(text.String())
}

// plain asks for one secret.
const plain = "array:\n- |\n  objectName: s1\n  objectType: secret\n"

// array is the parameter objects with these items, each the lines of one object.
func array(items ...string) string {
	var text strings.Builder
	text.WriteString("array:\n")
	for _, item := range items {
		text.WriteString("  - |\n")
		for line := range strings.Lines(item) {
			text.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
		}
	}
	return text.String()
}

// secret, key and cert are items with further lines.
func secret(name string, lines ...string) string { return item("secret", name, lines) }
func key(name string, lines ...string) string    { return item("key", name, lines) }
func cert(name string, lines ...string) string   { return item("cert", name, lines) }

func item(kind, name string, lines []string) string {
	return strings.Join(append([]string{"objectName: " + name, "objectType: " + kind}, lines...), "\n") + "\n"
}

// with are attributes, given as pairs.
func with(pairs ...string) map[string]string {
	attributes := map[string]string{}
	for index := 0; index < len(pairs); index += 2 {
		attributes[pairs[index]] = pairs[index+1]
	}
	return attributes
}

func merge(all ...map[string]string) map[string]string {
	merged := map[string]string{}
	for _, one := range all {
		maps.Copy(merged, one)
	}
	return merged
}

package azure

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

const password = `array:
  - |
    objectName: db-password
    objectType: secret
`

const several = `array:
  - |
    objectName: db-password
    objectType: secret
    objectAlias: db/password
    filePermission: "0600"
  - |
    objectName: token-hex
    objectType: secret
    objectEncoding: hex
  - |
    objectName: signing
    objectType: key
  - |
    objectName: site-pem
    objectType: cert
`

// version is what Key Vault's versions look like.
var version = regexp.MustCompile(`^[0-9a-f]{32}$`)

// files are mode and content of a reply's files by path; ids are its object ids in order.
func files(t *testing.T, reply wire.Fields) (files map[string]string, ids []string) {
	t.Helper()
	files = map[string]string{}
	list, _ := reply["files"].([]any)
	for _, entry := range list {
		file := entry.(wire.Fields)
		encoded, _ := file["contents"].(string)
		contents, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		mode, _ := file["mode"].(float64)
		files[file["path"].(string)] = fmt.Sprintf("%04o %s", int(mode), contents)
	}
	versions, _ := reply["object_version"].([]any)
	for _, entry := range versions {
		object := entry.(wire.Fields)
		if text, _ := object["version"].(string); !version.MatchString(text) {
			t.Errorf("version of %v: %q", object["id"], text)
		}
		ids = append(ids, object["id"].(string))
	}
	return files, ids
}

func TestMount(t *testing.T) {
	provider := stack.StartAzure(t)
	reply, err := provider.Call(mount, stack.AzureRequest(several, nil))
	if err != nil {
		t.Fatal(err)
	}
	got, ids := files(t, reply)
	if want := []string{"secret/db-password", "secret/token-hex", "key/signing", "cert/site-pem"}; !reflect.DeepEqual(ids, want) {
		t.Errorf("object versions: %v", ids)
	}
	for path, begin := range map[string]string{
		"db/password": "0600 battery-staple", "token-hex": "0644 keymount",
		"signing": "0644 -----BEGIN PUBLIC KEY-----\n", "site-pem": "0644 -----BEGIN CERTIFICATE-----\n",
	} {
		if !strings.HasPrefix(got[path], begin) {
			t.Errorf("%s: %q", path, got[path])
		}
	}
	if reply["error"] != nil || len(got) != 4 {
		t.Errorf("%d files, error %v", len(got), reply["error"])
	}
}

func TestRequestsOfNewerDrivers(t *testing.T) {
	provider := stack.StartAzure(t)
	fields := stack.AzureRequest(password, map[string]string{"aNewParameter": "of a newer driver"})
	fields["current_object_version"] = []any{wire.Fields{"id": "secret/db-password", "version": "0"}}
	request := wire.New("v1alpha1.MountRequest", fields)
	wire.AddUnknown(request)
	reply, err := wire.Send(stack.Context(t), provider.Conn(), mount, request)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := files(t, reply); got["db-password"] != "0644 battery-staple" {
		t.Errorf("%v", got)
	}
}

func TestRequestsAreDecodedInOrder(t *testing.T) {
	provider := stack.StartAzure(t)
	good := stack.AzureRequest(password, nil)
	const auth = "failed to mount objects, error: failed to build auth config for mode None: "
	for _, test := range []struct {
		field, value, text string
	}{
		{"attributes", "", "failed to unmarshal attributes, error: "},
		{"attributes", `{"keyvaultName": 1}`, "failed to unmarshal attributes, error: "},
		{"secrets", "", "failed to unmarshal secrets, error: "},
		{"secrets", `[]`, "failed to unmarshal secrets, error: "},
		{"permission", "", "failed to unmarshal file permission, error: "},
		{"permission", `"0644"`, "failed to unmarshal file permission, error: "},
		{"permission", `0644`, "failed to unmarshal file permission, error: "},
		{"attributes", "null", "failed to mount objects, error: pod name is not provided"},
		{"secrets", "null", auth + "failed to get credentials, nodePublishSecretRef secret is not set"},
		{"secrets", "{}", auth + "could not find clientid in secrets"},
	} {
		request := maps.Clone(good)
		request[test.field] = test.value
		_, err := provider.Call(mount, request)
		expectUnknown(t, err, test.text)
	}
	_, err := provider.Call(mount, nil)
	expectUnknown(t, err, "failed to unmarshal attributes, error: ")
}

func TestAttributesAreChecked(t *testing.T) {
	provider := stack.StartAzure(t)
	const all = "failed to mount objects, error: "
	for _, test := range []struct {
		attribute, value, text string
	}{
		{"csi.storage.k8s.io/pod.name", "", "pod name is not provided"},
		{"csi.storage.k8s.io/pod.namespace", "", "pod namespace is not provided"},
		{"usePodIdentity", "tru", `failed to parse usePodIdentity flag, error: strconv.ParseBool: parsing "tru": invalid syntax`},
		{"keyvaultName", "", "keyvaultName is not provided"},
		{"tenantID", "", "tenantId is not provided"},
		{"cloudName", "AzureMoonCloud", "cloudName AzureMoonCloud is not valid, error: "},
		{"objects", "", "objects is not set"},
		{"objects", "array: [", "failed to yaml unmarshal objects, error: "},
		{"keyvaultName", "a.b", `failed to get vault: Invalid vault name: "a.b", must match [-a-zA-Z0-9]{3,24}`},
	} {
		_, err := provider.Call(mount, stack.AzureRequest(password, map[string]string{test.attribute: test.value}))
		expectUnknown(t, err, all+test.text)
	}
	none, err := provider.Call(mount, stack.AzureRequest("array: []", nil))
	if err != nil || len(none) != 0 {
		t.Errorf("no objects: %v, %v", none, err)
	}
	_, err = provider.Call(mount, stack.AzureRequest(strings.ReplaceAll(password, "db-password", "absent"), nil))
	expectUnknown(t, err, all+"failed to get objectType:secret, objectName:absent, objectVersion:: ")
	if !strings.Contains(err.Error(), "SecretNotFound") {
		t.Errorf("%v", err)
	}
}

func TestManyMountsAtOnce(t *testing.T) {
	provider := stack.StartAzure(t)
	var group sync.WaitGroup
	for range 40 {
		group.Add(1)
		go func() {
			defer group.Done()
			conn := stack.Dial(t, wire.GoDriver, provider.Socket)
			reply, err := wire.Call(stack.Context(t), conn, mount, stack.AzureRequest(password, nil))
			if err != nil {
				t.Error(err)
			} else if got, _ := files(t, reply); got["db-password"] != "0644 battery-staple" {
				t.Errorf("%v", got)
			}
		}()
	}
	group.Wait()
}

func TestOversizedRequest(t *testing.T) {
	provider := stack.StartAzure(t)
	_, err := provider.Call(mount, stack.AzureRequest(strings.Repeat("#", 4<<20), nil))
	if code := status.Code(err); code != stack.Either(codes.OutOfRange, codes.ResourceExhausted) {
		t.Errorf("%v", err)
	}
	if _, err := provider.Call(mount, stack.AzureRequest(password, nil)); err != nil {
		t.Error(err)
	}
}

func TestVaultThatDoesNotAnswer(t *testing.T) {
	provider := stack.StartAzure(t)
	stack.Fault(t, `{"match": {"service": "vault"}, "action": {"type": "hang"}}`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := wire.Call(ctx, provider.Conn(), mount, stack.AzureRequest(password, nil))
	if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Unknown {
		t.Errorf("%v", err)
	}
	// Others are not held up by it.
	if _, err := provider.Call("/v1alpha1.CSIDriverProvider/Version", nil); err != nil {
		t.Error(err)
	}
}

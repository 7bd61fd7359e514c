package azure

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

func TestVersion(t *testing.T) {
	provider := stack.StartAzure(t)
	for _, request := range []wire.Fields{{"version": "v1alpha1"}, {"version": "of the future"}, nil} {
		reply, err := provider.Call("/v1alpha1.CSIDriverProvider/Version", request)
		if err != nil {
			t.Fatal(err)
		}
		if reply["version"] != "v1alpha1" || reply["runtime_name"] != "secrets-store-csi-driver-provider-azure" {
			t.Errorf("%v", reply)
		}
		if version, _ := reply["runtime_version"].(string); version == "" {
			// The Go provider's is set when it is built for a release.
			if !stack.Upstream() {
				t.Error("no runtime_version")
			}
		}
	}
	stack.ExpectVersion(t, "PROVIDER", `{"version":"`)
}

func TestHealth(t *testing.T) {
	provider := stack.StartAzure(t)
	for _, service := range []string{"", "v1alpha1.CSIDriverProvider", "anything"} {
		reply, err := provider.Call("/grpc.health.v1.Health/Check", wire.Fields{"service": service})
		if err != nil || reply["status"] != 1.0 {
			t.Errorf("%q: %v, %v", service, reply, err)
		}
	}
	_, err := provider.Call("/grpc.health.v1.Health/List", nil)
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("List: %v", err)
	}
	if code, body := get(t, "8989/healthz"); code != 200 || body != "ok" {
		t.Errorf("over HTTP: %d %s", code, body)
	}
	if code, body := get(t, "8898/metrics"); code != 200 || !strings.Contains(body, "grpc_request") {
		t.Errorf("metrics: %d %s", code, body)
	}
}

func get(t *testing.T, path string) (int, string) {
	reply, err := http.Get("http://127.0.0.1:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

func TestEveryStyleOfDialling(t *testing.T) {
	provider := stack.StartAzure(t)
	for _, style := range wire.Styles {
		conn := stack.Dial(t, style, provider.Socket)
		for _, path := range []string{"/grpc.health.v1.Health/Check", "/v1alpha1.CSIDriverProvider/Version"} {
			if _, err := wire.Call(stack.Context(t), conn, path, nil); err != nil {
				t.Errorf("%s: %s: %v", style.Name, path, err)
			}
		}
	}
}

func TestTheSocket(t *testing.T) {
	provider := stack.StartAzure(t)
	info, err := os.Stat(provider.Socket)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	provider.Process.Signal(syscall.SIGTERM)
	if code, err := provider.Process.Wait(); code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if _, err := os.Lstat(provider.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// The process with the tokens needs no privilege at all.
func TestPrivilegesAreGivenUp(t *testing.T) {
	stack.OursOnly(t, "it keeps what it is started with")
	provider := stack.StartAzure(t)
	effective, bounding, final := provider.Process.Privileges(t)
	if effective != 0 || bounding != 0 || !final {
		t.Errorf("effective %#x, bounding %#x, no new privileges: %v", effective, bounding, final)
	}
}

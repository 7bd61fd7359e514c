package stack

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"testing"

	"google.golang.org/grpc"

	"keymount.test/peers/wire"
)

// Azure is an Azure provider under test, with the emulator as its vault.
type Azure struct {
	t *testing.T
	// Socket is where it serves the provider API.
	Socket  string
	Process *Process
	conn    *grpc.ClientConn
}

// StartAzure starts PROVIDER and waits until it answers. Its ports are the usual ones: one at a time.
func StartAzure(t *testing.T, flags ...string) *Azure {
	t.Helper()
	return StartAzureTrusting(t, shared.CA, flags...)
}

// StartAzureTrusting is StartAzure for a provider that trusts the certificates of a file, not those of the emulator.
func StartAzureTrusting(t *testing.T, roots string, flags ...string) *Azure {
	t.Helper()
	directory, err := os.MkdirTemp("", "keymount-azure-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	a := &Azure{t: t, Socket: directory + "/azure.sock"}
	command := append(append(words(variable("PROVIDER")), "--endpoint=unix://"+a.Socket, "-v=5"), flags...)
	if a.Process, err = start("provider", command, []string{"SSL_CERT_FILE=" + roots}, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Process.Stop()
		if t.Failed() {
			t.Logf("log of the provider:\n%s", a.Process.Log())
		}
	})
	a.conn = Dial(t, wire.GoDriver, a.Socket)
	if _, err := a.Call("/grpc.health.v1.Health/Check", nil); err != nil {
		t.Fatalf("the provider does not answer: %v\n%s", err, a.Process.Log())
	}
	return a
}

// Call asks the provider, as the Go driver dials it.
func (a *Azure) Call(path string, fields wire.Fields) (wire.Fields, error) {
	return wire.Call(Context(a.t), a.conn, path, fields, grpc.WaitForReady(true))
}

// Conn is the connection of Call.
func (a *Azure) Conn() *grpc.ClientConn { return a.conn }

// AzureRequest is a MountRequest for objects of the emulator's vault, with the credentials of an application that may
// read them, and with attributes changed; an empty value takes one away.
func AzureRequest(objects string, changes map[string]string) wire.Fields {
	attributes := map[string]string{
		"csi.storage.k8s.io/pod.name": "pod", "csi.storage.k8s.io/pod.namespace": "default",
		"csi.storage.k8s.io/serviceAccount.name": "default", "csi.storage.k8s.io/ephemeral": "true",
		"keyvaultName": "demo", "tenantID": shared.Tenant, "objects": objects,
	}
	maps.Copy(attributes, changes)
	maps.DeleteFunc(attributes, func(_, value string) bool { return value == "" })
	credentials := map[string]string{"clientid": "7e9a0000-0000-4000-8000-0000000000a1", "clientsecret": "demo-client-secret"}
	return wire.Fields{
		"attributes": object(attributes), "secrets": object(credentials), "permission": "420",
		"target_path": "/var/lib/kubelet/pods/uid/volumes/kubernetes.io~csi/v/mount",
	}
}

func object(fields map[string]string) string {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Fault makes the emulator misbehave until the test ends.
func Fault(t *testing.T, rule string) {
	t.Helper()
	if err := request(http.MethodPost, shared.Admin+"/faults", "application/json", []byte(rule)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, end := range []string{http.MethodDelete, http.MethodPost} {
			path := map[string]string{http.MethodDelete: "/faults", http.MethodPost: "/faults/release"}[end]
			if err := request(end, shared.Admin+path, "application/json", nil); err != nil {
				t.Error(err)
			}
		}
	})
}

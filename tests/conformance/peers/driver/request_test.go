package driver

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

const tokensKey = "csi.storage.k8s.io/serviceAccount.tokens"

// decoded is a JSON object of texts, as every provider decodes it.
func decoded(t *testing.T, text string) (object map[string]string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return object
}

// only gives the one call that has arrived for the volume.
func only(t *testing.T, peer *stack.Provider, volume *stack.Volume) provider.Call {
	t.Helper()
	calls := peer.Calls("Mount", volume.Target)
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	return calls[0]
}

func TestWhatAProviderIsTold(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(), "objects", "array:\n  - \"x\"\n", "shared", "of the class", "unicode", "\u00fc<&>\u2028\\\"")
	volume.MustPublish(wire.Fields{"volume_context": wire.Fields{"shared": "of the volume", "extra": "1"}})
	call := only(t, peer, volume)
	attributes := decoded(t, call.Attributes)
	delete(attributes, "script")
	expectEqual(t, "attributes", attributes, map[string]string{
		"objects": "array:\n  - \"x\"\n", "shared": "of the volume", "extra": "1", "unicode": "\u00fc<&>\u2028\\\"",
		"secretProviderClass":                    "class",
		"csi.storage.k8s.io/pod.name":            "pod",
		"csi.storage.k8s.io/pod.namespace":       volume.Namespace,
		"csi.storage.k8s.io/pod.uid":             volume.UID,
		"csi.storage.k8s.io/serviceAccount.name": "default",
		"csi.storage.k8s.io/ephemeral":           "true",
	})
	call.Attributes = ""
	expectEqual(t, "the rest of the call", call, provider.Call{
		Method: "Mount", Authority: "localhost", ContentType: "application/grpc", Deadline: true,
		Secrets: "null", TargetPath: volume.Target, Permission: "420",
	})
	volume.MustUnpublish()
}

func TestSecretsArePassedOn(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files())
	secrets := wire.Fields{"clientid": "id", "clientsecret": "\"quoted\" \u00fc"}
	volume.MustPublish(wire.Fields{"secrets": secrets})
	call := only(t, peer, volume)
	expectEqual(t, "secrets", decoded(t, call.Secrets), map[string]string{"clientid": "id", "clientsecret": "\"quoted\" \u00fc"})
	if _, leaked := decoded(t, call.Attributes)["clientsecret"]; leaked {
		t.Error("secrets are in the attributes too")
	}
	volume.MustUnpublish()
}

func TestServiceAccountTokens(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	token := func(text string) string {
		return `{"vault":{"token":"` + text + `","expirationTimestamp":"2100-01-01T00:00:00Z"}}`
	}
	inContext := wire.Fields{tokensKey: token("context")}
	inSecrets := wire.Fields{tokensKey: token("secrets"), "other": "1"}
	for _, test := range []struct {
		name    string
		changes wire.Fields
		tokens  string
		secrets string
	}{
		{"in the volume context", wire.Fields{"volume_context": inContext}, token("context"), ""},
		{"in the secrets", wire.Fields{"secrets": inSecrets}, token("secrets"), token("secrets")},
		{"in both", wire.Fields{"volume_context": inContext, "secrets": inSecrets}, token("secrets"), token("secrets")},
		{"nowhere", nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			volume := node.Volume(provider.Files())
			volume.MustPublish(test.changes)
			call := only(t, peer, volume)
			expectEqual(t, "tokens in the attributes", decoded(t, call.Attributes)[tokensKey], test.tokens)
			expectEqual(t, "tokens in the secrets", decoded(t, call.Secrets)[tokensKey], test.secrets)
			volume.MustUnpublish()
		})
	}
}

// A class cannot pretend to be kubelet.
func TestClassCannotSetWhatKubeletSets(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(), tokensKey, `{"vault":{"token":"forged"}}`, "csi.storage.k8s.io/pod.name", "victim")
	volume.MustPublish(nil)
	attributes := decoded(t, only(t, peer, volume).Attributes)
	expectEqual(t, "pod name", attributes["csi.storage.k8s.io/pod.name"], "pod")
	expectEqual(t, "tokens", attributes[tokensKey], stack.Either("", `{"vault":{"token":"forged"}}`))
	volume.MustUnpublish()
}

func TestFieldsOfNewerVersionsAreIgnored(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	send := func(method string, message protoreflect.Name, fields wire.Fields) {
		t.Helper()
		request := wire.New("csi.v1."+protoreflect.FullName(message), fields)
		wire.AddUnknown(request)
		if _, err := wire.Send(stack.Context(t), node.Conn(), method, request); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
	for _, method := range []string{"Identity/GetPluginInfo", "Identity/Probe", "Node/NodeGetInfo", "Node/NodeGetCapabilities"} {
		send("/csi.v1."+method, "Empty", nil)
	}
	// An access mode that does not exist yet, too.
	changes := wire.Fields{"volume_capability": wire.Fields{"mount": wire.Fields{"mount_flags": []any{"ro"}}, "access_mode": wire.Fields{"mode": 99}}}
	send("/csi.v1.Node/NodePublishVolume", "NodePublishVolumeRequest", volume.Request(changes))
	expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{"a": "1"})
	expectEqual(t, "fields passed on to the provider", only(t, peer, volume).UnknownBytes, 0)
	send("/csi.v1.Node/NodeUnpublishVolume", "NodeUnpublishVolumeRequest", wire.Fields{"volume_id": "v", "target_path": volume.Target})
	volume.ExpectGone()
}

package driver

import (
	"testing"

	"google.golang.org/grpc/codes"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

func TestPublishChecksItsArgumentsInOrder(t *testing.T) {
	node := stack.NewNode(t)
	volume := node.VolumeWithoutClass()
	missing := []struct {
		field string
		empty any
		text  string
	}{
		{"volume_capability", nil, "Volume capability missing in request"},
		{"volume_id", "", "Volume ID missing in request"},
		{"target_path", "", "Target path missing in request"},
		{"volume_context", wire.Fields{}, "Volume attributes missing in request"},
	}
	// Each request lacks one more argument than the next one.
	for first := range missing {
		changes := wire.Fields{}
		for _, argument := range missing[first:] {
			changes[argument.field] = argument.empty
		}
		expectError(t, volume.Publish(changes), codes.InvalidArgument, missing[first].text)
	}
	volume.ExpectGone()
}

func TestUnpublishChecksItsArguments(t *testing.T) {
	node := stack.NewNode(t)
	for _, test := range []struct {
		request wire.Fields
		text    string
	}{
		{wire.Fields{}, "Volume ID missing in request"},
		{wire.Fields{"volume_id": "v"}, "Target path missing in request"},
	} {
		_, err := node.Call("/csi.v1.Node/NodeUnpublishVolume", test.request)
		expectError(t, err, codes.InvalidArgument, test.text)
	}
}

func TestClassIsCheckedBeforeReadonly(t *testing.T) {
	node := stack.NewNode(t)
	none := node.VolumeWithoutClass()
	noClass := none.Request(nil)
	delete(noClass["volume_context"].(wire.Fields), "secretProviderClass")
	missing := "failed to get secretproviderclass " + none.Namespace + "/class, error: "
	for _, readonly := range []bool{true, false} {
		noClass["readonly"] = readonly
		_, err := node.Call("/csi.v1.Node/NodePublishVolume", noClass)
		expectError(t, err, codes.Unknown, "secretProviderClass is not set")
		expectError(t, none.Publish(wire.Fields{"readonly": readonly}), codes.Unknown, missing)
	}
	none.ExpectUnmounted()
	writable := node.Volume(provider.Files())
	expectError(t, writable.Publish(wire.Fields{"readonly": false}), codes.InvalidArgument, "Readonly is not true in request")
	writable.ExpectUnmounted()
}

func TestClassMustNameProviderAndParameters(t *testing.T) {
	node := stack.NewNode(t)
	for _, test := range []struct {
		spec wire.Fields
		text string
	}{
		{wire.Fields{"parameters": wire.Fields{"a": "b"}}, "provider not set in "},
		{wire.Fields{"provider": "peer"}, "parameters not set in "},
	} {
		volume := node.VolumeWithoutClass()
		stack.Create(node, "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/"+volume.Namespace+"/secretproviderclasses", map[string]any{
			"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
			"metadata": wire.Fields{"name": volume.Class, "namespace": volume.Namespace}, "spec": test.spec,
		})
		want := test.text + volume.Namespace + "/class"
		volume.AwaitClass()
		expectError(t, volume.Publish(nil), codes.Unknown, want)
		volume.ExpectUnmounted()
	}
}

func TestProviderThatCannotBeFound(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	volume := node.VolumeOf("absent", map[string]string{"a": "b"})
	expectError(t, volume.Publish(nil), codes.Unknown,
		"failed to mount secrets store objects for pod "+volume.Namespace+"/pod, err: error connecting to provider \"absent\": provider not found: provider \"absent\"")
	volume.ExpectUnmounted()
	invalid := node.VolumeOf("not/a name", map[string]string{"a": "b"})
	expectError(t, invalid.Publish(nil), codes.Unknown, `invalid provider: provider "not/a name"`)
	invalid.ExpectUnmounted()
}

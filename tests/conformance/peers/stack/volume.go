package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/status"

	"keymount.test/peers/provider"
	"keymount.test/peers/wire"
)

const (
	publish   = "/csi.v1.Node/NodePublishVolume"
	unpublish = "/csi.v1.Node/NodeUnpublishVolume"
)

// Volume is a volume of a pod of its own.
type Volume struct {
	node *Node
	// Target is the path that kubelet mounts it on.
	Target string
	// Namespace and Class name its SecretProviderClass.
	Namespace, Class string
	// Pod is the name of the pod, UID its id.
	Pod, UID string
}

var counter atomic.Int64

// Volume makes a SecretProviderClass in a namespace of its own, with the script for the test provider and further
// parameters, and a volume that uses it.
func (n *Node) Volume(script provider.Script, parameters ...string) *Volume {
	n.t.Helper()
	text, err := json.Marshal(script)
	if err != nil {
		n.t.Fatal(err)
	}
	all := map[string]string{"script": string(text)}
	for i := 0; i < len(parameters); i += 2 {
		all[parameters[i]] = parameters[i+1]
	}
	return n.VolumeOf("peer", all)
}

// VolumeOf makes a SecretProviderClass of any provider, and a volume that uses it.
func (n *Node) VolumeOf(provider string, parameters map[string]string) *Volume {
	n.t.Helper()
	v := n.VolumeWithoutClass()
	class := map[string]any{
		"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
		"metadata": map[string]any{"name": v.Class, "namespace": v.Namespace},
		"spec":     map[string]any{"provider": provider, "parameters": parameters},
	}
	Create(n, "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/"+v.Namespace+"/secretproviderclasses", class)
	v.AwaitClass()
	return v
}

// VolumeWithoutClass makes a volume whose SecretProviderClass does not exist.
func (n *Node) VolumeWithoutClass() *Volume {
	n.t.Helper()
	number := counter.Add(1)
	v := &Volume{
		node: n, Namespace: fmt.Sprintf("peers-%d", number), Class: "class", Pod: "pod",
		UID: fmt.Sprintf("00000000-0000-4000-8000-%012d", number),
	}
	v.Target = n.pods() + "/" + v.UID + "/volumes/kubernetes.io~csi/secrets/mount"
	Create(n, "/api/v1/namespaces", map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": v.Namespace},
	})
	return v
}

// Create puts an object into the Kubernetes API.
func Create(n *Node, path string, object map[string]any) {
	n.t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := request(http.MethodPost, shared.Kubernetes+path, "application/json", text); err != nil {
		n.t.Fatal(err)
	}
}

// Delete takes an object out of the Kubernetes API.
func Delete(n *Node, path string) {
	n.t.Helper()
	if err := request(http.MethodDelete, shared.Kubernetes+path, "application/json", nil); err != nil {
		n.t.Fatal(err)
	}
}

// AwaitClass waits until a driver that keeps a cache of all classes has this one. A request for a writable volume
// is refused right after the class has been looked up.
func (v *Volume) AwaitClass() {
	v.node.t.Helper()
	if !Upstream() {
		return
	}
	probe := *v
	probe.Target = v.node.Directory + "/probe"
	Eventually(v.node.t, "the driver to see a new class", func() bool {
		err := probe.Publish(wire.Fields{"readonly": false})
		return !strings.HasPrefix(status.Convert(err).Message(), "failed to get secretproviderclass")
	})
}

// Request is what kubelet sends to publish the volume, with fields changed; of the volume context keys are added.
func (v *Volume) Request(changes wire.Fields) wire.Fields {
	context := wire.Fields{
		"secretProviderClass":                    v.Class,
		"csi.storage.k8s.io/pod.name":            v.Pod,
		"csi.storage.k8s.io/pod.namespace":       v.Namespace,
		"csi.storage.k8s.io/pod.uid":             v.UID,
		"csi.storage.k8s.io/serviceAccount.name": "default",
		"csi.storage.k8s.io/ephemeral":           "true",
	}
	request := wire.Fields{
		"volume_id": "csi-" + v.UID, "target_path": v.Target, "readonly": true, "volume_context": context,
		"volume_capability": wire.Fields{"mount": wire.Fields{}, "access_mode": wire.Fields{"mode": 1}},
	}
	changes = maps.Clone(changes)
	if more, ok := changes["volume_context"].(wire.Fields); ok && len(more) > 0 {
		maps.Copy(context, more)
		delete(changes, "volume_context")
	}
	maps.Copy(request, changes)
	return request
}

// Publish asks the driver to publish the volume.
func (v *Volume) Publish(changes wire.Fields) error {
	_, err := v.node.Call(publish, v.Request(changes))
	return err
}

// MustPublish is a Publish that has to succeed.
func (v *Volume) MustPublish(changes wire.Fields) {
	v.node.t.Helper()
	if err := v.Publish(changes); err != nil {
		v.node.t.Fatalf("publish: %v", err)
	}
}

// Unpublish asks the driver to take the volume away.
func (v *Volume) Unpublish() error {
	_, err := v.node.Call(unpublish, wire.Fields{"volume_id": "csi-" + v.UID, "target_path": v.Target})
	return err
}

// MustUnpublish is an Unpublish that has to succeed, and to leave nothing behind.
func (v *Volume) MustUnpublish() {
	v.node.t.Helper()
	if err := v.Unpublish(); err != nil {
		v.node.t.Fatalf("unpublish: %v", err)
	}
	v.ExpectGone()
}

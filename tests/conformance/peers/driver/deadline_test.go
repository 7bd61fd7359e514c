package driver

import (
	"context"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

const nodePublish = "/csi.v1.Node/NodePublishVolume"

// held makes a volume whose provider does not answer before the gate opens.
func held(node *stack.Node) (volume *stack.Volume, open func()) {
	gate := node.Directory + "/gate"
	script := provider.Files(provider.File("a", 0o644, "1"))
	script.Hold = gate
	return node.Volume(script), func() { _ = os.WriteFile(gate, nil, 0o600) }
}

// The driver answers before kubelet's time is up: afterwards kubelet would not hear why, and would not know
// whether anything is mounted.
func TestAnswerComesWithinTheCallersTime(t *testing.T) {
	t.Parallel()
	stack.OursOnly(t, "kubelet's own deadline ends the call")
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume, _ := held(node)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	_, err := wire.Call(ctx, node.Conn(), nodePublish, volume.Request(nil))
	if ctx.Err() != nil {
		t.Error("the caller's time was used up")
	}
	expectError(t, err, codes.Unknown, "code = DeadlineExceeded desc = context deadline exceeded")
	volume.ExpectUnmounted()
	// The provider ends the call at the same instant; that is no reason to try once more.
	expectEqual(t, "connections", len(peer.Calls(provider.Dialled, "")), 1)
	expectEqual(t, "calls", len(peer.Calls("Mount", volume.Target)), 1)
	volume.MustUnpublish()
}

// Kubelet gives up and calls again: the second call gets a whole volume, not a half one that is taken for mounted.
func TestCallAfterOneThatWasGivenUp(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume, open := held(node)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		_, err := wire.Call(ctx, node.Conn(), nodePublish, volume.Request(nil))
		given <- err
	}()
	stack.Eventually(t, "the call to arrive", func() bool { return len(peer.Calls("Mount", volume.Target)) == 1 })
	cancel()
	if err := <-given; status.Code(err) != codes.Canceled {
		t.Fatal(err)
	}
	publishing := make(chan error)
	go func() { publishing <- volume.Publish(nil) }()
	open()
	err := <-publishing
	if stack.Upstream() {
		// The Go driver may take the tmpfs of the first call for a volume, and answer OK for an empty one.
		t.Logf("the Go driver: %v, %v", err, volume.Mounts())
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{"a": "1"})
	volume.MustUnpublish()
}

func TestUnpublishEndsAMountThatRuns(t *testing.T) {
	t.Parallel()
	stack.OursOnly(t, "both run at the same time there")
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume, _ := held(node)
	publishing := make(chan error)
	go func() { publishing <- volume.Publish(nil) }()
	stack.Eventually(t, "the call to arrive", func() bool { return len(peer.Calls("Mount", volume.Target)) == 1 })
	volume.MustUnpublish()
	if err := <-publishing; err == nil {
		t.Error("published, although it was unpublished")
	}
	volume.ExpectGone()
}

package driver

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

func TestOversizedRequests(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	secret := func(size int) wire.Fields {
		return wire.Fields{"secrets": wire.Fields{"key": strings.Repeat("s", size)}}
	}
	// Nothing is mounted, so ours is a code after which kubelet knows that; the Go driver's leaves it in doubt.
	code, text := codes.OutOfRange, "message length too large"
	if stack.Upstream() {
		code, text = codes.ResourceExhausted, "grpc: received message larger than max ("
	}
	expectError(t, volume.Publish(secret(4<<20)), code, text)
	volume.ExpectGone()
	// The connection goes on, and what fits is passed on whole.
	volume.MustPublish(secret(3 << 20))
	if got := len(only(t, peer, volume).Secrets); got < 3<<20 {
		t.Errorf("%d bytes of secrets arrived", got)
	}
	volume.MustUnpublish()
}

func TestCallersMayAddMetadata(t *testing.T) {
	node := stack.NewNode(t)
	for _, size := range []int{100, 8 << 10, 60 << 10} {
		ctx := metadata.AppendToOutgoingContext(stack.Context(t), "x-trace", strings.Repeat("t", size), "x-bin", "\x00\xff")
		if _, err := wire.Call(ctx, node.Conn(), "/csi.v1.Identity/Probe", nil); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestRubbishOnTheWireFailsOneCall(t *testing.T) {
	node := stack.NewNode(t)
	rubbish := wire.New("csi.v1.Flag", nil)
	// Field 1 of every message is text, here it is a number that does not end.
	rubbish.ProtoReflect().SetUnknown([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	for _, method := range []string{nodePublish, "/csi.v1.Node/NodeUnpublishVolume"} {
		err := node.Conn().Invoke(stack.Context(t), method, rubbish, wire.New("csi.v1.Empty", nil))
		expectError(t, err, codes.Internal, "")
	}
	if _, err := node.Call("/csi.v1.Identity/Probe", nil); err != nil {
		t.Error(err)
	}
}

package driver

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

// publishFails publishes a volume whose provider follows the script, expects the error, and that nothing is left.
func publishFails(t *testing.T, node *stack.Node, script provider.Script, code codes.Code, text string) {
	t.Helper()
	volume := node.Volume(script)
	for range 2 {
		expectError(t, volume.Publish(nil), code, text)
		volume.ExpectUnmounted()
	}
	volume.MustUnpublish()
}

func TestErrorsOfTheProvider(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	for _, test := range []struct {
		code codes.Code
		name string
		// The Go driver hands the provider's code on, also those after which kubelet keeps the target directory
		// because the volume may be mounted. It never is, so ours are final.
		want codes.Code
	}{
		{codes.NotFound, "NotFound", codes.NotFound},
		{codes.PermissionDenied, "PermissionDenied", codes.PermissionDenied},
		{codes.Unauthenticated, "Unauthenticated", codes.Unauthenticated},
		{codes.InvalidArgument, "InvalidArgument", codes.InvalidArgument},
		{codes.Internal, "Internal", codes.Internal},
		{codes.Unknown, "Unknown", codes.Unknown},
		{codes.Aborted, "Aborted", stack.Either(codes.Unknown, codes.Aborted)},
		{codes.DeadlineExceeded, "DeadlineExceeded", stack.Either(codes.Unknown, codes.DeadlineExceeded)},
		{codes.ResourceExhausted, "ResourceExhausted", stack.Either(codes.Unknown, codes.ResourceExhausted)},
		{codes.Canceled, "Canceled", stack.Either(codes.Unknown, codes.Canceled)},
	} {
		t.Run(test.name, func(t *testing.T) {
			volume := node.Volume(provider.Script{Code: uint32(test.code), Message: "boom \u00fc 100%"})
			expectError(t, volume.Publish(nil), test.want, "failed to mount secrets store objects for pod "+volume.Namespace+
				"/pod, err: rpc error: code = "+test.name+" desc = boom \u00fc 100%")
			volume.ExpectUnmounted()
			volume.MustUnpublish()
		})
	}
}

func TestErrorCodeInTheReply(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	script := provider.Files(provider.File("a", 0o644, "1"))
	script.Reply["error"] = wire.Fields{"code": "AuthFailed"}
	publishFails(t, node, script, codes.Unknown, "mount request failed with provider error code AuthFailed")
	publishFails(t, node, provider.Script{Reply: wire.Fields{"files": []any{provider.File("a", 0o644, "1")}}},
		codes.Unknown, "missing object versions")
	script.Reply["error"] = wire.Fields{} // present, but without a code
	volume := node.Volume(script)
	volume.MustPublish(nil)
	volume.MustUnpublish()
}

// A provider may say a lot: Key Vault's answers, several of them, in one text.
func TestLongErrorTexts(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	for _, length := range []int{4 << 10, 60 << 10, 200 << 10} {
		volume := node.Volume(provider.Script{Code: uint32(codes.PermissionDenied), Message: "Forbidden ", Padding: length})
		expectError(t, volume.Publish(nil), codes.PermissionDenied, "Forbidden xxxxx")
		volume.ExpectUnmounted()
	}
}

func TestUnavailableIsTriedThreeTimes(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	script := provider.Files(provider.File("a", 0o644, "1"))
	script.Unavailable = 2
	volume := node.Volume(script)
	volume.MustPublish(nil)
	expectEqual(t, "calls", len(peer.Calls("Mount", volume.Target)), 3)
	volume.MustUnpublish()

	script.Unavailable = 100
	volume = node.Volume(script)
	expectError(t, volume.Publish(nil), stack.Either(codes.Unknown, codes.Unavailable), "code = Unavailable desc = the provider is starting")
	expectEqual(t, "calls", len(peer.Calls("Mount", volume.Target)), 3)
	volume.ExpectUnmounted()
}

func TestLargeReplies(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	node.StartProvider("peer")
	script := provider.Files()
	script.Bulk = 4<<20 - 1024
	volume := node.Volume(script)
	volume.MustPublish(nil)
	info, err := os.Stat(volume.Target + "/bulk")
	if err != nil || info.Size() != int64(script.Bulk) {
		t.Errorf("%v, %v", info, err)
	}
	volume.MustUnpublish()
	script.Bulk = 4 << 20
	publishFails(t, node, script, stack.Either(codes.Unknown, codes.ResourceExhausted), "grpc: received message larger than max (")
}

func TestReplyLimitIsAFlag(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t, "--max-call-recv-msg-size=8388608")
	node.StartProvider("peer")
	script := provider.Files()
	script.Bulk = 7 << 20
	volume := node.Volume(script)
	volume.MustPublish(nil)
	volume.MustUnpublish()
}

func TestHostilePathsAreRefused(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	for path, text := range map[string]string{
		"":                               "must not be empty",
		"/etc/passwd":                    "must be relative path",
		"../up":                          "..",
		"a/../../up":                     "..",
		"a/..":                           "..",
		"..":                             "..",
		"..data":                         "must not start with '..'",
		"..2024_01_01_00_00_00.1/a":      "must not start with '..'",
		"./a":                            "invalid filepath",
		"a//b":                           "invalid filepath",
		"a/":                             "invalid filepath",
		strings.Repeat("n", 256):         "255",
		strings.Repeat("d/", 2048) + "f": "4096",
		"a\x00b":                         "",
	} {
		publishFails(t, node, provider.Files(provider.File("good", 0o644, "1"), provider.File(path, 0o644, "2")), codes.Unknown, text)
	}
	// A path that means the volume itself, two files of one name, a file that is a directory too: the Go driver loses
	// content over them, ours refuses.
	if stack.Upstream() {
		return
	}
	for _, files := range [][]wire.Fields{
		{provider.File(".", 0o644, "1")},
		{provider.File("a", 0o644, "1"), provider.File("a", 0o644, "2")},
		{provider.File("a", 0o644, "1"), provider.File("a/b", 0o644, "2")},
		{provider.File("a", 0o4755, "1")},
		{provider.File("a", -1, "1")},
	} {
		publishFails(t, node, provider.Files(files...), codes.Unknown, "")
	}
}

package driver

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
)

func TestVolumesOutliveTheDriver(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	kept := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	removed := node.Volume(provider.Files(provider.File("b", 0o644, "2")))
	kept.MustPublish(nil)
	removed.MustPublish(nil)

	node.Driver.Signal(syscall.SIGTERM)
	if code, err := node.Driver.Wait(); code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if _, err := os.Lstat(node.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	expectEqual(t, "files", stack.Files(t, kept.Target), map[string]string{"a": "1"})

	node.StartDriver()
	kept.MustPublish(nil)
	expectEqual(t, "calls of the provider", len(peer.Calls("Mount", kept.Target)), 1)
	removed.MustUnpublish()

	// Without a goodbye, too: the socket file stays and is replaced.
	node.Driver.Signal(syscall.SIGKILL)
	if _, err := node.Driver.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("unix", node.Socket); err == nil {
		t.Error("somebody still listens")
	}
	node.StartDriver()
	expectEqual(t, "files", stack.Files(t, kept.Target), map[string]string{"a": "1"})
	kept.MustPublish(nil)
	expectEqual(t, "calls of the provider", len(peer.Calls("Mount", kept.Target)), 1)
	kept.MustUnpublish()
}

// A driver that is told to end answers what is under way, instead of leaving a half-made volume to a SIGKILL.
func TestEndOfTheDriverEndsAMountThatRuns(t *testing.T) {
	t.Parallel()
	stack.OursOnly(t, "it waits for the provider as long as that takes")
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume, _ := held(node)
	publishing := make(chan error)
	go func() { publishing <- volume.Publish(nil) }()
	stack.Eventually(t, "the call to arrive", func() bool { return len(peer.Calls("Mount", volume.Target)) == 1 })
	node.Driver.Signal(syscall.SIGTERM)
	expectError(t, <-publishing, codes.Unknown, "cancelled")
	if code, err := node.Driver.Wait(); code != 0 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	volume.ExpectUnmounted()
}

// Only root may talk to the driver.
func TestSocketIsRootsOnly(t *testing.T) {
	stack.OursOnly(t, "its socket has mode 0755, the plug-in directory protects it")
	node := stack.NewNode(t)
	info, err := os.Stat(node.Socket)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestVersionIsPrinted(t *testing.T) {
	stack.ExpectVersion(t, "DRIVER", `{"BuildVersion":"`)
}

// A privileged container has every capability of the node. What neither mounting nor writing for any owner takes is given up.
func TestPrivilegesAreGivenUp(t *testing.T) {
	stack.OursOnly(t, "it keeps what it is started with")
	node := stack.NewNode(t)
	// CHOWN, DAC_OVERRIDE, FOWNER, SYS_ADMIN: capability.h.
	const kept = 1<<0 | 1<<1 | 1<<3 | 1<<21
	effective, bounding, final := node.Driver.Privileges(t)
	if effective != kept || bounding != kept || !final {
		t.Errorf("effective %#x, bounding %#x, no new privileges: %v", effective, bounding, final)
	}
}

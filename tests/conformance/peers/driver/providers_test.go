package driver

import (
	"net"
	"os"
	"testing"

	"google.golang.org/grpc/codes"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

func TestAdditionalDirectoryIsSearchedFirst(t *testing.T) {
	node := stack.NewNode(t)
	main, additional := node.StartProvider("peer"), node.StartProviderIn(node.Directory+"/additional", "peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	volume.MustPublish(nil)
	expectEqual(t, "calls", []int{len(main.Calls("Mount", "")), len(additional.Calls("Mount", ""))}, []int{0, 1})
	volume.MustUnpublish()
}

func TestProviderMayRestart(t *testing.T) {
	node := stack.NewNode(t)
	for range 3 {
		peer := node.StartProvider("peer")
		volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
		volume.MustPublish(nil)
		volume.MustUnpublish()
		peer.Process.Stop()
	}
}

func TestSocketNobodyListensOn(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	listener, err := net.Listen("unix", node.Providers+"/peer.sock")
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	publishing := make(chan error)
	go func() { publishing <- volume.Publish(nil) }()
	// A provider that comes up in time is good enough.
	node.StartProvider("peer")
	if err := <-publishing; err != nil {
		t.Error(err)
	}
	volume.MustUnpublish()
}

func TestProviderThatWritesTheFilesItself(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	script := provider.Files()
	script.Write = map[string]string{"a": "1", "dir/b": "2"}
	volume := node.Volume(script)
	volume.MustPublish(nil)
	want := map[string]string{"a": "1", "dir/b": "2"}
	expectEqual(t, "files", stack.Files(t, volume.Target), want)
	if mounts := volume.Mounts(); len(mounts) != 1 || mounts[0].FileSystem != "tmpfs" {
		t.Errorf("mounts on the target: %v", mounts)
	}
	volume.MustPublish(nil)
	expectEqual(t, "files", stack.Files(t, volume.Target), want)
	expectEqual(t, "calls", len(peer.Calls("Mount", volume.Target)), 1)
	volume.MustUnpublish()
	// A second volume, now that the driver knows this provider, and one of a provider that fails after it has written.
	volume = node.Volume(script)
	volume.MustPublish(nil)
	expectEqual(t, "files", stack.Files(t, volume.Target), want)
	volume.MustUnpublish()
	script.Reply["error"] = wire.Fields{"code": "TooLate"}
	publishFails(t, node, script, codes.Unknown, "mount request failed with provider error code TooLate")
}

func TestSlowProviderIsGivenTheCallersTime(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	gate := node.Directory + "/gate"
	script := provider.Files(provider.File("a", 0o644, "1"))
	script.Hold = gate
	volume := node.Volume(script)
	publishing := make(chan error)
	go func() { publishing <- volume.Publish(nil) }()
	stack.Eventually(t, "the call to arrive", func() bool { return len(peer.Calls("Mount", volume.Target)) == 1 })
	// Other volumes do not wait for it, and nothing is seen of it.
	quick := node.Volume(provider.Files(provider.File("b", 0o644, "2")))
	quick.MustPublish(nil)
	quick.MustUnpublish()
	if _, err := os.Stat(volume.Target); err == nil {
		expectEqual(t, "files before the answer", stack.Files(t, volume.Target), map[string]string{})
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-publishing; err != nil {
		t.Error(err)
	}
	expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{"a": "1"})
	volume.MustUnpublish()
}

func TestVersionIsAskedForByTheHealthCheck(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t, "--provider-health-check=true", "--provider-health-check-interval=100ms")
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	volume.MustPublish(nil)
	stack.Eventually(t, "a call of Version", func() bool { return len(peer.Calls("Version", "")) > 2 })
	volume.MustUnpublish()
}

package driver

import (
	"fmt"
	"sync"
	"testing"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

// together runs the work for each number at the same time.
func together(count int, work func(int)) {
	var group sync.WaitGroup
	for i := range count {
		group.Add(1)
		go func() {
			defer group.Done()
			work(i)
		}()
	}
	group.Wait()
}

func TestManyVolumesAtOnce(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	node.StartProvider("peer")
	const count = 60
	var volumes []*stack.Volume
	for i := range count {
		volumes = append(volumes, node.Volume(provider.Files(provider.File("a", 0o644, fmt.Sprint(i)))))
	}
	// Over connections of their own, as kubelet does, more than the server's limit of streams of one.
	together(count, func(i int) {
		conn := stack.Dial(t, wire.Kubelet, node.Socket)
		if _, err := wire.Call(stack.Context(t), conn, nodePublish, volumes[i].Request(nil)); err != nil {
			t.Error(err)
		}
	})
	for i, volume := range volumes {
		expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{"a": fmt.Sprint(i)})
	}
	together(count, func(i int) {
		if err := volumes[i].Unpublish(); err != nil {
			t.Error(err)
		}
	})
	for _, volume := range volumes {
		volume.ExpectGone()
	}
}

func TestManyCallsOnOneConnection(t *testing.T) {
	node := stack.NewNode(t)
	together(500, func(int) {
		if _, err := node.Call("/csi.v1.Node/NodeGetInfo", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestTheSameVolumeManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	failures := make(chan error, 20)
	together(20, func(int) {
		if err := volume.Publish(nil); err != nil {
			failures <- err
		}
	})
	if stack.Upstream() {
		// Each call mounts and writes for itself there; some fail, or mount over each other.
		t.Logf("the Go driver: %d of 20 failed, %d mounts, %d calls", len(failures), len(volume.Mounts()), len(peer.Calls("Mount", volume.Target)))
		return
	}
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	expectEqual(t, "mounts on the target", len(volume.Mounts()), 1)
	expectEqual(t, "calls of the provider", len(peer.Calls("Mount", volume.Target)), 1)
	expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{"a": "1"})
	volume.MustUnpublish()
}

func TestPublishAndUnpublishInTurns(t *testing.T) {
	t.Parallel()
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	if stack.Upstream() {
		t.Skip("the Go driver lets them run into each other")
	}
	together(40, func(i int) {
		if i%2 == 0 {
			_ = volume.Publish(nil)
		} else if err := volume.Unpublish(); err != nil {
			t.Error(err)
		}
	})
	if mounts := volume.Mounts(); len(mounts) > 1 {
		t.Errorf("mounted over each other: %v", mounts)
	}
	volume.MustPublish(nil)
	expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{"a": "1"})
	volume.MustUnpublish()
}

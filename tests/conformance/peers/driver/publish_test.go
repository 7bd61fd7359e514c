package driver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keymount.test/peers/provider"
	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

// modes are the permission bits a program sees, by path.
func modes(t *testing.T, root string, paths ...string) map[string]os.FileMode {
	t.Helper()
	found := map[string]os.FileMode{}
	for _, path := range paths {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		found[path] = info.Mode()
	}
	return found
}

func TestPublishMountsWhatTheProviderSends(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(
		provider.File("password", 0o644, "correct horse"),
		provider.File("private.key", 0o400, "battery"),
		provider.File("run.sh", 0o755, "#!/bin/sh\n"),
		provider.File("hidden", 0, "nobody but root"),
		provider.File("tls/server/cert.pem", 0o600, "staple"),
		provider.File("empty", 0o644, ""),
		provider.File("a..b", 0o644, "dots\x00and bytes"),
		provider.File(`back\slash`, 0o644, "an ordinary character"),
	))
	volume.MustPublish(nil)

	expectEqual(t, "files", stack.Files(t, volume.Target), map[string]string{
		"password": "correct horse", "private.key": "battery", "run.sh": "#!/bin/sh\n", "hidden": "nobody but root",
		"tls/server/cert.pem": "staple", "empty": "", "a..b": "dots\x00and bytes", `back\slash`: "an ordinary character",
	})
	expectEqual(t, "modes",
		modes(t, volume.Target, ".", "password", "private.key", "run.sh", "hidden", "tls", "tls/server", "tls/server/cert.pem"),
		map[string]os.FileMode{
			// The Go driver mounts a tmpfs that everybody may write to (the container's view is read-only).
			".":        stack.Either(os.ModeDir|0o755, os.ModeDir|os.ModeSticky|0o777),
			"password": 0o644, "private.key": 0o400, "run.sh": 0o755, "hidden": 0,
			"tls": os.ModeDir | 0o755, "tls/server": os.ModeDir | 0o755, "tls/server/cert.pem": 0o600,
		})
	parent, err := os.Stat(filepath.Dir(volume.Target))
	if err != nil || parent.Mode().Perm() != 0o750 {
		t.Errorf("parent directory: %v, %v", parent.Mode(), err)
	}

	mounts := volume.Mounts()
	if len(mounts) != 1 || mounts[0].FileSystem != "tmpfs" {
		t.Fatalf("mounts on the target: %v", mounts)
	}
	for _, option := range []string{"nosuid", "nodev", "size="} {
		if has := strings.Contains(mounts[0].Options, option); has == stack.Upstream() {
			t.Errorf("%s in %s: %t", option, mounts[0].Options, has)
		}
	}
	volume.MustUnpublish()
}

// Programs and sidecars rely on the layout of Kubernetes' own secret volumes: one link decides which generation is
// seen, and a change of it can be watched.
func TestLayoutIsThatOfSecretVolumes(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("top", 0o644, "1"), provider.File("dir/inner", 0o644, "2")))
	volume.MustPublish(nil)
	for link, want := range map[string]string{"top": "..data/top", "dir": "..data/dir"} {
		target, err := os.Readlink(filepath.Join(volume.Target, link))
		if err != nil || target != want {
			t.Errorf("%s -> %s, %v", link, target, err)
		}
	}
	generation, err := os.Readlink(filepath.Join(volume.Target, "..data"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(generation, "..20") || strings.Contains(generation, "/") {
		t.Errorf("..data -> %s", generation)
	}
	info, err := os.Lstat(filepath.Join(volume.Target, generation))
	if err != nil || info.Mode() != os.ModeDir|0o755 {
		t.Errorf("generation: %v, %v", info, err)
	}
	volume.MustUnpublish()
}

func TestRepublishChangesNothing(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	volume.MustPublish(nil)
	mounts := volume.Mounts()
	before, err := os.Stat(volume.Target)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		volume.MustPublish(nil)
	}
	// Rotation is off: new tokens and a class that is gone change nothing either.
	volume.MustPublish(wire.Fields{"volume_context": wire.Fields{"csi.storage.k8s.io/serviceAccount.tokens": "{}"}})
	stack.Delete(node, "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/"+volume.Namespace+"/secretproviderclasses/class")
	volume.MustPublish(nil)
	after, err := os.Stat(volume.Target)
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "mounts", volume.Mounts(), mounts)
	expectEqual(t, "time of the last change", after.ModTime(), before.ModTime())
	expectEqual(t, "calls of the provider", len(peer.Calls("Mount", volume.Target)), 1)
	volume.MustUnpublish()
}

func TestContainerSeesAReadOnlyVolume(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1"), provider.File("dir/b", 0o644, "2")))
	volume.MustPublish(nil)
	container := volume.Container()
	expectEqual(t, "files", stack.Files(t, container), map[string]string{"a": "1", "dir/b": "2"})
	for what, err := range map[string]error{
		"change": os.WriteFile(container+"/a", []byte("x"), 0o644),
		"create": os.WriteFile(container+"/new", nil, 0o644),
		"remove": os.Remove(container + "/a"),
		"link":   os.Symlink("..", container+"/up"),
		"mode":   os.Chmod(container+"/a", 0o777),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Kubelet unpublishes when the containers are gone, but does not wait for their mounts to be.
	volume.MustUnpublish()
}

func TestUnpublishIsIdempotent(t *testing.T) {
	node := stack.NewNode(t)
	peer := node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	volume.MustUnpublish() // never published
	volume.MustPublish(nil)
	for range 3 {
		volume.MustUnpublish()
	}
	// A directory that kubelet has left is removed as well.
	if err := os.MkdirAll(volume.Target, 0o750); err != nil {
		t.Fatal(err)
	}
	volume.MustUnpublish()
	// The same path can be used again, also with the provider gone for the way out.
	volume.MustPublish(nil)
	expectEqual(t, "calls of the provider", len(peer.Calls("Mount", volume.Target)), 2)
	peer.Process.Stop()
	volume.MustUnpublish()
}

func TestUnpublishWorksWhileFilesAreOpen(t *testing.T) {
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	volume.MustPublish(nil)
	file, err := os.Open(volume.Target + "/a")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = volume.Unpublish()
	if stack.Upstream() {
		// umount(8) of a busy mount fails, and kubelet calls again.
		if err == nil || !strings.Contains(err.Error(), "busy") {
			t.Errorf("%v", err)
		}
		file.Close()
		volume.MustUnpublish()
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	volume.ExpectGone()
}

func TestTargetThatIsNoPlaceForAVolume(t *testing.T) {
	stack.OursOnly(t, "kubelet is trusted with any target path")
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(provider.File("a", 0o644, "1")))
	if err := os.MkdirAll(filepath.Dir(volume.Target), 0o750); err != nil {
		t.Fatal(err)
	}
	outside := node.Directory + "/outside"
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func() error{
		"a link": func() error { return os.Symlink(outside, volume.Target) },
		"a file": func() error { return os.WriteFile(volume.Target, nil, 0o644) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if err := volume.Publish(nil); err == nil {
			t.Errorf("%s was mounted on", what)
		}
		if err := os.Remove(volume.Target); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("written through a link: %v, %v", left, err)
	}
}

func TestGroupOfThePod(t *testing.T) {
	stack.OursOnly(t, "fsGroup is ignored")
	if !stack.Root() {
		t.Skip("a user namespace has one group only")
	}
	node := stack.NewNode(t)
	node.StartProvider("peer")
	volume := node.Volume(provider.Files(
		provider.File("shared", 0o644, "1"), provider.File("private", 0o400, "2"), provider.File("dir/tool", 0o700, "3"),
	))
	capability := wire.Fields{"mount": wire.Fields{"volume_mount_group": "2000"}, "access_mode": wire.Fields{"mode": 1}}
	volume.MustPublish(wire.Fields{"volume_capability": capability})
	paths := []string{".", "shared", "private", "dir", "dir/tool"}
	expectEqual(t, "modes", modes(t, volume.Target, paths...), map[string]os.FileMode{
		".": os.ModeDir | os.ModeSetgid | 0o750, "dir": os.ModeDir | os.ModeSetgid | 0o750,
		"shared": 0o644, "private": 0o440, "dir/tool": 0o740,
	})
	for _, path := range paths {
		info, err := os.Stat(filepath.Join(volume.Target, path))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 0 || owner.Gid != 2000 {
			t.Errorf("%s belongs to %d:%d", path, owner.Uid, owner.Gid)
		}
	}
	volume.MustUnpublish()
}

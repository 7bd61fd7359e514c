package stack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Mount is a line of mountinfo.
type Mount struct {
	ID, Path, FileSystem, Options string
}

func mounts(t *testing.T) (mounts []Mount) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		front, back, _ := strings.Cut(line, " - ")
		words, kind := strings.Fields(front), strings.Fields(back)
		mounts = append(mounts, Mount{ID: words[0], Path: words[4], FileSystem: kind[0], Options: words[5] + "," + kind[2]})
	}
	return mounts
}

// Mounts are the mounts on the target path.
func (v *Volume) Mounts() (found []Mount) {
	v.node.t.Helper()
	for _, mount := range mounts(v.node.t) {
		if mount.Path == v.Target {
			found = append(found, mount)
		}
	}
	return found
}

// ExpectGone fails the test if anything of the volume is left.
func (v *Volume) ExpectGone() {
	v.node.t.Helper()
	v.ExpectUnmounted()
	if _, err := os.Lstat(v.Target); !errors.Is(err, fs.ErrNotExist) {
		v.node.t.Errorf("the target path is still there (%v)", err)
	}
}

// ExpectUnmounted fails the test if the target path is a mount point, or holds files.
func (v *Volume) ExpectUnmounted() {
	v.node.t.Helper()
	if left := v.Mounts(); len(left) > 0 {
		v.node.t.Errorf("still mounted: %v", left)
	}
	if left, err := os.ReadDir(v.Target); err == nil && len(left) > 0 {
		v.node.t.Errorf("the target path is not empty: %v", left)
	}
}

// Files are the contents of the files below a directory by relative path, as a program in the pod sees them: links
// are followed, and the directories that make the atomic layout are left out.
func Files(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "..") {
			continue
		}
		collect(t, filepath.Join(root, entry.Name()), entry.Name(), files)
	}
	return files
}

func collect(t *testing.T, path, name string, files map[string]string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
		return
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		collect(t, filepath.Join(path, entry.Name()), name+"/"+entry.Name(), files)
	}
}

// Container mounts the volume where a container would see it: bound to another path, read-only, as container
// runtimes do.
func (v *Volume) Container() string {
	v.node.t.Helper()
	path := v.node.Directory + "/container-" + v.UID
	if err := os.Mkdir(path, 0o755); err != nil {
		v.node.t.Fatal(err)
	}
	if err := syscall.Mount(v.Target, path, "", syscall.MS_BIND, ""); err != nil {
		v.node.t.Fatal(err)
	}
	flags := uintptr(syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV)
	if err := syscall.Mount("", path, "", flags, ""); err != nil {
		v.node.t.Fatal(err)
	}
	return path
}

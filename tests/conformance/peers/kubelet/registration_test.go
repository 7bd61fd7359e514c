package kubelet

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

const (
	getInfo = "/pluginregistration.Registration/GetInfo"
	notify  = "/pluginregistration.Registration/NotifyRegistrationStatus"
)

// registrar is a process that keeps a driver registered.
type registrar struct {
	node    *stack.Node
	process *stack.Process
	socket  string
}

// registrars are the two ways: the driver's own, and the sidecar.
var registrars = map[string]func(t *testing.T) *registrar{
	"the driver itself": func(t *testing.T) *registrar {
		stack.OursOnly(t, "it is the sidecar's task")
		directory := registry(t)
		node := stack.NewNode(t, "--kubelet-registration-path=/var/lib/kubelet/plugins/x/csi.sock",
			"--plugin-registration-path="+directory)
		return &registrar{node, node.Driver, socketIn(directory)}
	},
	"node-driver-registrar": func(t *testing.T) *registrar {
		directory := registry(t)
		node := stack.NewNode(t)
		process := stack.StartOptional(t, "NODE_DRIVER_REGISTRAR", "--csi-address="+node.Socket,
			"--kubelet-registration-path=/var/lib/kubelet/plugins/x/csi.sock", "--plugin-registration-path="+directory)
		return &registrar{node, process, socketIn(directory)}
	},
}

// registry is kubelet's directory for registration sockets, with one that an earlier process has left behind.
func registry(t *testing.T) string {
	directory := t.TempDir()
	left, err := net.Listen("unix", socketIn(directory))
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	return directory
}

func socketIn(directory string) string { return filepath.Join(directory, stack.DriverName+"-reg.sock") }

// connect dials the registration socket as kubelet does.
func (r *registrar) connect(t *testing.T) *grpc.ClientConn {
	return stack.Dial(t, wire.Registration, r.socket)
}

func call(t *testing.T, conn *grpc.ClientConn, path string, fields wire.Fields) wire.Fields {
	t.Helper()
	reply, err := wire.Call(stack.Context(t), conn, path, fields, grpc.WaitForReady(true))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return reply
}

func (r *registrar) inode() uint64 {
	info, err := os.Stat(r.socket)
	if err != nil {
		return 0
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func forEach(t *testing.T, test func(t *testing.T, r *registrar)) {
	for name, start := range registrars {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

func TestKubeletRegistersTheDriver(t *testing.T) {
	forEach(t, func(t *testing.T, r *registrar) {
		conn := r.connect(t)
		info := call(t, conn, getInfo, nil)
		want := wire.Fields{
			"type": "CSIPlugin", "name": stack.DriverName, "endpoint": "/var/lib/kubelet/plugins/x/csi.sock",
			"supported_versions": []any{"1.0.0"},
		}
		if !reflect.DeepEqual(info, want) {
			t.Errorf("GetInfo: %v", info)
		}
		socket, err := os.Stat(r.socket)
		if err != nil || socket.Mode().Perm()&0o077 != 0 {
			t.Errorf("the socket is not root's only: %v, %v", socket.Mode(), err)
		}
		// Kubelet now asks the driver itself who it is, and reports.
		node, err := r.node.Call("/csi.v1.Node/NodeGetInfo", nil)
		if err != nil || node["node_id"] != stack.NodeID {
			t.Errorf("NodeGetInfo: %v, %v", node, err)
		}
		before := r.inode()
		call(t, conn, notify, wire.Fields{"plugin_registered": true})
		// After a restart of kubelet the whole is done again, with the same socket.
		call(t, r.connect(t), getInfo, nil)
		call(t, conn, notify, wire.Fields{"plugin_registered": true})
		if r.inode() != before {
			t.Error("the socket was replaced, although kubelet was content")
		}

		r.process.Signal(syscall.SIGTERM)
		if code, err := r.process.Wait(); code != 0 || err != nil {
			t.Errorf("exit code %d, %v", code, err)
		}
		if _, err := os.Lstat(r.socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("kubelet is not told that the driver has gone: %v", err)
		}
	})
}

// Kubelet looks at a registration socket once. So one that it has refused must appear anew for it to look again: the
// sidecar ends and is started again for that.
func TestKubeletRefusesTheDriver(t *testing.T) {
	forEach(t, func(t *testing.T, r *registrar) {
		conn := r.connect(t)
		call(t, conn, getInfo, nil)
		before := r.inode()
		_, _ = wire.Call(stack.Context(t), conn, notify, wire.Fields{"plugin_registered": false, "error": "no such file"})
		if r.process != r.node.Driver {
			if code, err := r.process.Wait(); code != 1 || err != nil {
				t.Errorf("exit code %d, %v", code, err)
			}
			return
		}
		stack.Eventually(t, "a new registration socket", func() bool { return r.inode() != 0 && r.inode() != before })
		call(t, r.connect(t), getInfo, nil)
		call(t, r.connect(t), notify, wire.Fields{"plugin_registered": true})
	})
}

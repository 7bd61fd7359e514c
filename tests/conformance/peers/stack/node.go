package stack

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	"keymount.test/peers/provider"
	"keymount.test/peers/wire"
)

// DriverName is the name of the driver, as kubelet knows it.
const DriverName = "secrets-store.csi.k8s.io"

// NodeID is the name that drivers are started with.
const NodeID = "node-a"

// Node is a directory that stands for a node, with a driver under test on it.
type Node struct {
	t *testing.T
	// Directory holds everything of the node.
	Directory string
	// Socket is the CSI socket.
	Socket string
	// Providers is the directory with provider sockets.
	Providers string
	Driver    *Process
	conn      *grpc.ClientConn
}

// NewNode makes a node and starts a driver on it, with flags beside those that every driver needs.
func NewNode(t *testing.T, flags ...string) *Node {
	t.Helper()
	directory, err := os.MkdirTemp("", "keymount-node-")
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{t: t, Directory: directory, Socket: directory + "/csi.sock", Providers: directory + "/providers"}
	for _, directory := range []string{n.Providers, n.pods()} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(n.remove)
	n.StartDriver(flags...)
	return n
}

// StartDriver starts DRIVER and waits until it answers.
func (n *Node) StartDriver(flags ...string) {
	n.t.Helper()
	command := append(words(variable("DRIVER")),
		"--endpoint=unix://"+n.Socket, "--nodeid="+NodeID, "--metrics-addr=0",
		"--provider-volume="+n.Providers, "--additional-provider-volume-paths="+n.Directory+"/additional", "-v=5")
	driver, err := start("driver", append(command, flags...), []string{"KUBECONFIG=" + shared.kubeconfig()}, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	n.Driver = driver
	n.t.Cleanup(func() {
		driver.Stop()
		if n.t.Failed() {
			n.t.Logf("log of the driver:\n%s", driver.Log())
		}
	})
	n.conn = Dial(n.t, wire.Kubelet, n.Socket)
	if _, err := n.Call("/csi.v1.Identity/Probe", nil); err != nil {
		n.t.Fatalf("the driver does not answer: %v\n%s", err, driver.Log())
	}
}

// Dial opens a connection that ends with the test.
func Dial(t *testing.T, style wire.Style, socket string) *grpc.ClientConn {
	t.Helper()
	conn, err := style.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Context gives a call the time that nothing here should take.
func Context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// Call asks the driver, as kubelet dials it. It waits for one that is starting.
func (n *Node) Call(path string, fields wire.Fields) (wire.Fields, error) {
	return wire.Call(Context(n.t), n.conn, path, fields, grpc.WaitForReady(true))
}

// Conn is the connection of Call.
func (n *Node) Conn() *grpc.ClientConn { return n.conn }

func (n *Node) pods() string { return n.Directory + "/pods" }

// remove unmounts what a failed test has left, and removes the directory.
func (n *Node) remove() {
	for _, mount := range mounts(n.t) {
		if strings.HasPrefix(mount.Path, n.Directory+"/") {
			_ = syscall.Unmount(mount.Path, syscall.MNT_DETACH)
		}
	}
	if err := os.RemoveAll(n.Directory); err != nil {
		n.t.Error(err)
	}
}

// Provider is a test provider that runs on the node.
type Provider struct {
	t       *testing.T
	Process *Process
	journal string
}

// StartProvider starts the test provider under a name, in the main directory of provider sockets.
func (n *Node) StartProvider(name string) *Provider {
	return n.StartProviderIn(n.Providers, name)
}

// StartProviderIn starts the test provider with its socket in a given directory.
func (n *Node) StartProviderIn(directory, name string) *Provider {
	n.t.Helper()
	self, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		n.t.Fatal(err)
	}
	journal := filepath.Join(n.Directory, name+filepath.Base(directory)+".journal")
	output, input := io.Pipe()
	environment := provider.Environment(filepath.Join(directory, name+".sock"), journal)
	process, err := start("test provider", []string{self}, environment, input)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(process.Stop)
	go func() {
		<-process.ended
		input.Close()
	}()
	if _, err := bufio.NewReader(output).ReadString('\n'); err != nil {
		n.t.Fatalf("the test provider does not start: %v\n%s", err, process.Log())
	}
	go io.Copy(io.Discard, output)
	return &Provider{t: n.t, Process: process, journal: journal}
}

// Calls are the calls of a method that have arrived for a target path, or for any if that is empty.
func (p *Provider) Calls(method, target string) (calls []provider.Call) {
	p.t.Helper()
	text, err := os.ReadFile(p.journal)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var call provider.Call
		if err := json.Unmarshal([]byte(line), &call); err != nil {
			p.t.Fatal(err)
		}
		if call.Method == method && !call.Abandoned && (target == "" || call.TargetPath == target) {
			calls = append(calls, call)
		}
	}
	return calls
}

// Eventually waits until the condition holds; another process brings it about.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

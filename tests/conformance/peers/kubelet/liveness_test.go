package kubelet

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymount.test/peers/stack"
)

// get asks a liveness endpoint; code 0 means that nobody answers.
func get(path string) (code int, body string) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get("http://127.0.0.1:" + path)
	if err != nil {
		return 0, err.Error()
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return 0, err.Error()
	}
	return reply.StatusCode, string(text)
}

func expectLive(t *testing.T, path string) {
	t.Helper()
	stack.Eventually(t, "the liveness endpoint", func() bool { code, _ := get(path); return code != 0 })
	for range 3 {
		if code, body := get(path); code != 200 || body != "ok" {
			t.Fatalf("%s: %d %s", path, code, body)
		}
	}
}

func TestLivenessOfTheDriverItself(t *testing.T) {
	stack.OursOnly(t, "it is the sidecar's task")
	node := stack.NewNode(t, "--health-addr=127.0.0.1:9808")
	expectLive(t, "9808/healthz")
	if code, _ := get("9808/other"); code != 404 {
		t.Errorf("another path: %d", code)
	}
	// The probe goes through the socket, as kubelet's calls do.
	if err := os.Rename(node.Socket, node.Socket+".away"); err != nil {
		t.Fatal(err)
	}
	if code, body := get("9808/healthz"); code != 500 || body == "" {
		t.Errorf("without a socket: %d %s", code, body)
	}
	if err := os.Rename(node.Socket+".away", node.Socket); err != nil {
		t.Fatal(err)
	}
	expectLive(t, "9808/healthz")
	node.Driver.Stop()
	if code, _ := get("9808/healthz"); code != 0 {
		t.Errorf("after the end: %d", code)
	}
}

func TestLivenessprobeSidecar(t *testing.T) {
	node := stack.NewNode(t)
	stack.StartOptional(t, "LIVENESSPROBE", "--csi-address="+node.Socket, "--probe-timeout=1s", "--http-endpoint=127.0.0.1:9809")
	expectLive(t, "9809/healthz")
	node.Driver.Signal(syscall.SIGSTOP)
	if code, _ := get("9809/healthz"); code != 500 {
		t.Errorf("while the driver hangs: %d", code)
	}
	node.Driver.Signal(syscall.SIGCONT)
	expectLive(t, "9809/healthz")
	node.Driver.Stop()
	if code, _ := get("9809/healthz"); code != 500 {
		t.Errorf("after the end of the driver: %d", code)
	}
}

// What both sidecars do with the CSI socket, by the library they are made of.
func TestSidecarsClientLibrary(t *testing.T) {
	program := os.Getenv("SIDECARS")
	if program == "" {
		t.Skip("SIDECARS is not set; tests/conformance/csi/run.sh builds it")
	}
	node := stack.NewNode(t)
	for _, address := range []string{node.Socket, "unix://" + node.Socket} {
		output, err := exec.Command(program, "--csi-address="+address).CombinedOutput()
		if err != nil || strings.TrimSpace(string(output)) != stack.DriverName+" ready=true" {
			t.Errorf("%s: %v: %s", address, err, output)
		}
	}
	node.Driver.Signal(syscall.SIGSTOP)
	output, err := exec.Command(program, "--csi-address="+node.Socket).CombinedOutput()
	if err == nil {
		t.Errorf("a driver that hangs counts as live: %s", output)
	}
	node.Driver.Signal(syscall.SIGCONT)
}

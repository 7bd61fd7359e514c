package stack

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// shared is the emulator beside the tests of one package.
var shared *emulator

// emulator is the project's emulator: Kubernetes API, Key Vault, Entra.
type emulator struct {
	process   *Process
	directory string
	// Where it says things are.
	Kubernetes string `json:"kubernetes"`
	CA         string `json:"ca"`
	Tenant     string `json:"tenant"`
	Admin      string `json:"admin"`
}

// startEmulator runs EMULATE: on the ports of the real services where nobody else has them, which is so in a
// network namespace, and with the project's resource definitions installed.
func startEmulator() (*emulator, error) {
	directory, err := os.MkdirTemp("", "keymount-peers-")
	if err != nil {
		return nil, err
	}
	e := &emulator{directory: directory}
	if err := e.nameHosts(); err != nil {
		return nil, err
	}
	output, input := io.Pipe()
	command := append(words(variable("EMULATE")), "--json", "--seed", "demo", "--listen", "127.0.0.1:443")
	if e.process, err = start("emulator", command, nil, input); err != nil {
		return nil, err
	}
	go func() {
		<-e.process.ended
		input.Close()
	}()
	lines := bufio.NewReader(output)
	announcement, err := lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the emulator does not start: %w\n%s", err, e.process.Log())
	}
	go io.Copy(io.Discard, lines)
	if err := json.Unmarshal(announcement, e); err != nil {
		return nil, err
	}
	definitions, err := filepath.Glob(filepath.Join(variable("CHECKOUT"), "deploy/crds/secrets-store.csi.x-k8s.io_*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, definition := range definitions {
		text, err := os.ReadFile(definition)
		if err != nil {
			return nil, err
		}
		path := e.Kubernetes + "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
		if err := request(http.MethodPost, path, "application/yaml", text); err != nil {
			return nil, err
		}
	}
	return e, os.WriteFile(e.kubeconfig(), fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Config", "current-context": "peers",
 "clusters": [{"name": "peers", "cluster": {"server": %q}}], "users": [{"name": "peers", "user": {}}],
 "contexts": [{"name": "peers", "context": {"cluster": "peers", "user": "peers"}}]}`, e.Kubernetes), 0o600)
}

// nameHosts makes the names of Azure lead to the emulator, in this mount namespace.
func (e *emulator) nameHosts() error {
	hosts := filepath.Join(e.directory, "hosts")
	text := "127.0.0.1 localhost demo.vault.azure.net login.microsoftonline.com\n"
	if err := os.WriteFile(hosts, []byte(text), 0o644); err != nil {
		return err
	}
	return syscall.Mount(hosts, "/etc/hosts", "", syscall.MS_BIND, "")
}

func (e *emulator) kubeconfig() string { return filepath.Join(e.directory, "kubeconfig") }

func (e *emulator) stop() {
	e.process.Stop()
	_ = syscall.Unmount("/etc/hosts", syscall.MNT_DETACH)
	os.RemoveAll(e.directory)
}

// request sends a body somewhere, and expects that it is taken.
func request(verb, url, contentType string, body []byte) error {
	request, err := http.NewRequest(verb, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", verb, url, reply.Status, strings.TrimSpace(string(text)))
	}
	return err
}

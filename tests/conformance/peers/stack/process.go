package stack

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for another process.
const patience = 30 * time.Second

// Process is a program that a test has started.
type Process struct {
	name  string
	cmd   *exec.Cmd
	log   *log
	ended chan struct{}
	state *os.ProcessState
}

// start runs a command line, with variables added to the environment.
func start(name string, command []string, environment []string, output io.Writer) (*Process, error) {
	process := &Process{name: name, log: &log{}, ended: make(chan struct{})}
	process.cmd = exec.Command(command[0], command[1:]...)
	process.cmd.Env = append(os.Environ(), environment...)
	process.cmd.Stderr = process.log
	process.cmd.Stdout = output
	if output == nil {
		process.cmd.Stdout = process.log
	}
	// The kernel ends it if the tests end without doing so.
	process.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := onStarter(process.cmd.Start); err != nil {
		return nil, fmt.Errorf("cannot start the %s: %w", name, err)
	}
	go func() {
		_ = process.cmd.Wait()
		process.state = process.cmd.ProcessState
		close(process.ended)
	}()
	return process, nil
}

// Signal sends a signal.
func (p *Process) Signal(signal syscall.Signal) { _ = p.cmd.Process.Signal(signal) }

// Wait gives the exit code, once the process has ended; -1 if a signal ended it.
func (p *Process) Wait() (int, error) {
	select {
	case <-p.ended:
		return p.state.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("the %s did not end within %s", p.name, patience)
	}
}

// Stop ends the process: SIGTERM, and SIGKILL for one that does not listen.
func (p *Process) Stop() {
	p.Signal(syscall.SIGCONT)
	p.Signal(syscall.SIGTERM)
	if _, err := p.Wait(); err != nil {
		p.Signal(syscall.SIGKILL)
		<-p.ended
	}
}

// Log is what the process has said so far.
func (p *Process) Log() string { return p.log.String() }

// log collects output.
type log struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(text []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(text)
}

func (l *log) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

// starter is a thread that never ends: the death signal of a process belongs to the thread that started it.
var starter = sync.OnceValue(func() chan func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

func onStarter(job func() error) error {
	done := make(chan error)
	starter() <- func() { done <- job() }
	return <-done
}

// words splits a command line that stands in a variable.
func words(commandLine string) []string { return strings.Fields(commandLine) }

// Privileges reads what /proc tells of a process: its effective and its bounding capabilities, as masks, and whether
// it can get new ones by starting a program.
func (p *Process) Privileges(t *testing.T) (effective, bounding uint64, final bool) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "CapEff":
			effective, err = strconv.ParseUint(value, 16, 64)
		case "CapBnd":
			bounding, err = strconv.ParseUint(value, 16, 64)
		case "NoNewPrivs":
			final = value == "1"
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return effective, bounding, final
}

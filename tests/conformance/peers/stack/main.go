// Package stack starts what the tests need around them: namespaces of their own, the emulator, a driver or a
// provider under test. It ends what it started.
package stack

import (
	"fmt"
	"os"
	"testing"

	"keymount.test/peers/provider"
)

// Main runs the tests of a package in namespaces of their own, with an emulator beside them. It is called by
// TestMain. The same binary is the test provider, if the environment says so.
func Main(m *testing.M) {
	if provider.Wanted() {
		provider.Main()
		return
	}
	isolate()
	var err error
	if shared, err = startEmulator(); err != nil {
		fail(err)
	}
	code := m.Run()
	shared.stop()
	os.Exit(code)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// variable is a setting that the scripts beside this module make.
func variable(name string) string {
	value := os.Getenv(name)
	if value == "" {
		fail(fmt.Errorf("%s is not set: start the tests with a run.sh of tests/conformance", name))
	}
	return value
}

// Upstream says that the program under test is the one of the Go stack. The tests are the same for both; where
// the two differ on purpose, Either holds what each does.
func Upstream() bool { return os.Getenv("PEER") == "upstream" }

// Either is what the program under test is expected to do: ours, or the Go stack's.
func Either[T any](ours, upstream T) T {
	if Upstream() {
		return upstream
	}
	return ours
}

// OursOnly skips a test of something that the Go stack leaves to other programs.
func OursOnly(t *testing.T, why string) {
	t.Helper()
	if Upstream() {
		t.Skip("not in the Go stack: " + why)
	}
}

package stack

import (
	"os"
	"testing"
)

// StartOptional starts a program of somebody else's that a variable names; without it the test is skipped.
func StartOptional(t *testing.T, name string, arguments ...string) *Process {
	t.Helper()
	program := os.Getenv(name)
	if program == "" {
		t.Skip("no " + name + " given: set the variable to the program")
	}
	process, err := start(program, append(words(program), arguments...), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Stop()
		if t.Failed() {
			t.Logf("log of %s:\n%s", program, process.Log())
		}
	})
	return process
}

package stack

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// ExpectVersion runs the program that a variable names with --version: one line of JSON that begins as given.
func ExpectVersion(t *testing.T, program, begin string) {
	t.Helper()
	command := append(words(variable(program)), "--version")
	output, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil || !json.Valid(output) || !strings.HasPrefix(string(output), begin) {
		t.Errorf("%v: %s", err, output)
	}
}

// Package driver holds the tests of a driver over its sockets: called as kubelet calls it, and served by a provider
// that it has never met.
package driver

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keymount.test/peers/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

// expectEqual compares what a driver said with what it has to say.
func expectEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// expectError checks code and text of an error; the text has to contain the one given.
func expectError(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), text) {
		t.Errorf("\n got %v\nwant %s with %q", err, code, text)
	}
}

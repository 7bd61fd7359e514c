// Package azure holds the tests of an Azure provider over its socket: called by a driver that it has never met.
package azure

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keymount.test/peers/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

const mount = "/v1alpha1.CSIDriverProvider/Mount"

// expectUnknown checks the error of a Mount: the code is always UNKNOWN, and texts begin as people know them.
func expectUnknown(t *testing.T, err error, begin string) {
	t.Helper()
	if status.Code(err) != codes.Unknown || !strings.HasPrefix(status.Convert(err).Message(), begin) {
		t.Errorf("\n got %v\nwant %s", err, begin)
	}
}

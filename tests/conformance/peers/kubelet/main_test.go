// Package kubelet holds the tests of what kubelet and the sidecars find beside the CSI socket: registration and
// liveness, in the driver's own process and in the sidecars that otherwise do it.
package kubelet

import (
	"testing"

	"keymount.test/peers/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

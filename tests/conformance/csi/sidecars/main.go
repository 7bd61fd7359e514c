// Sidecars does what node-driver-registrar v2.16.0 and livenessprobe v2.18.0 do with a CSI socket, by the library that
// both are made of, in the version of the former: connect, ask for the name, probe. It prints what it has got.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/kubernetes-csi/csi-lib-utils/connection"
	"github.com/kubernetes-csi/csi-lib-utils/metrics"
	"github.com/kubernetes-csi/csi-lib-utils/rpc"
)

func main() {
	address := flag.String("csi-address", "/run/csi/socket", "path of the CSI socket")
	flag.Parse()
	if err := run(*address); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	conn, err := connection.Connect(ctx, address, metrics.NewCSIMetricsManager(""), connection.WithTimeout(3*time.Second))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	name, err := rpc.GetDriverName(ctx, conn)
	if err != nil {
		return fmt.Errorf("driver name: %w", err)
	}
	ready, err := rpc.Probe(ctx, conn)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	fmt.Printf("%s ready=%t\n", name, ready)
	return nil
}

package wire

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// Style is a way to dial a unix socket. They differ in what the server gets to see as :authority.
type Style struct {
	Name string
	Dial func(path string) (*grpc.ClientConn, error)
}

// Styles are the ways of the programs that dial these sockets.
var Styles = []Style{
	{"kubelet: path, own dialer, authority localhost", func(path string) (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+path, options(unixDialer, grpc.WithAuthority("localhost"))...)
	}},
	{"Go driver: unix:path, authority localhost", func(path string) (*grpc.ClientConn, error) {
		return grpc.NewClient("unix:"+path, options(grpc.WithAuthority("localhost"))...)
	}},
	{"sidecars: unix:///path, own dialer", func(path string) (*grpc.ClientConn, error) {
		return grpc.NewClient("unix://"+path, options(grpc.WithContextDialer(
			func(ctx context.Context, _ string) (net.Conn, error) { return dialUnix(ctx, path) }))...)
	}},
	{"unix:///path", func(path string) (*grpc.ClientConn, error) {
		return grpc.NewClient("unix://"+path, options()...)
	}},
	Registration,
}

// Kubelet is how kubelet dials a CSI driver.
var Kubelet = Styles[0]

// GoDriver is how the Go driver dials a provider.
var GoDriver = Styles[1]

// Registration is how kubelet dials a registration socket, and other clients written in Go any socket: without
// a word about the authority, which then is the escaped path ("%2Fregistration%2F…").
var Registration = Style{"kubelet, registration: path, own dialer", func(path string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+path, options(unixDialer)...)
}}

var unixDialer = grpc.WithContextDialer(dialUnix)

func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

// options are those all clients have: no TLS, and short pauses between attempts, since a test waits for a
// server that is starting.
func options(more ...grpc.DialOption) []grpc.DialOption {
	pauses := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}
	return append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pauses, MinConnectTimeout: 20 * time.Second}),
	}, more...)
}

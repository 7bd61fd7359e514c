package sanity

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

// controller only hands out volume contexts: inline volumes have no controller, but csi-sanity gets the volumes of
// its node tests from one. It advertises nothing, so no test of a controller's own features runs against it.
type controller struct {
	lock    sync.Mutex
	volumes map[string]wire.Fields
}

// volumeContext is what a pod's inline volume would carry.
var volumeContext = wire.Fields{
	"secretProviderClass":              "sanity",
	"csi.storage.k8s.io/pod.name":      "sanity",
	"csi.storage.k8s.io/pod.namespace": "default",
	"csi.storage.k8s.io/pod.uid":       "00000000-0000-4000-8000-000000000000",
	"csi.storage.k8s.io/ephemeral":     "true",
}

// serveController serves a controller until the test ends.
func serveController(t *testing.T, socket string) {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	c := &controller{volumes: map[string]wire.Fields{}}
	server := grpc.NewServer()
	wire.Serve(server, "csi.v1.Identity", identity)
	wire.Serve(server, "csi.v1.Controller", c.handle)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
}

func identity(_ context.Context, method string, _ proto.Message) (wire.Fields, error) {
	switch method {
	case "GetPluginInfo":
		return wire.Fields{"name": stack.DriverName, "vendor_version": "test controller"}, nil
	case "Probe":
		return wire.Fields{"ready": wire.Fields{"value": true}}, nil
	}
	return nil, nil
}

func (c *controller) handle(_ context.Context, method string, request proto.Message) (wire.Fields, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	fields := wire.Read(request)
	missing := func(field string) error {
		if fields[field] == nil {
			return status.Error(codes.InvalidArgument, field+" is missing")
		}
		return nil
	}
	switch method {
	case "ControllerGetCapabilities":
		return nil, nil
	case "CreateVolume":
		if err := missing("name"); err != nil {
			return nil, err
		}
		name := fields["name"].(string)
		c.volumes[name] = wire.Fields{"volume_id": name, "volume_context": volumeContext}
		return wire.Fields{"volume": c.volumes[name]}, nil
	case "DeleteVolume":
		if err := missing("volume_id"); err != nil {
			return nil, err
		}
		delete(c.volumes, fields["volume_id"].(string))
		return nil, nil
	case "ValidateVolumeCapabilities":
		for _, field := range []string{"volume_id", "volume_capabilities"} {
			if err := missing(field); err != nil {
				return nil, err
			}
		}
		if c.volumes[fields["volume_id"].(string)] == nil {
			return nil, status.Error(codes.NotFound, "no such volume")
		}
		return wire.Fields{"confirmed": wire.Fields{"volume_capabilities": fields["volume_capabilities"]}}, nil
	}
	return nil, status.Error(codes.Unimplemented, method)
}

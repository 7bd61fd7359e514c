package driver

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"keymount.test/peers/stack"
	"keymount.test/peers/wire"
)

func TestIdentity(t *testing.T) {
	node := stack.NewNode(t)
	info, err := node.Call("/csi.v1.Identity/GetPluginInfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	if version, _ := info["vendor_version"].(string); version == "" {
		t.Error("no vendor_version")
	}
	delete(info, "vendor_version")
	expectEqual(t, "GetPluginInfo", info, wire.Fields{"name": stack.DriverName})

	capabilities, err := node.Call("/csi.v1.Identity/GetPluginCapabilities", nil)
	if err != nil {
		t.Fatal(err)
	}
	// The Go driver advertises CONTROLLER_SERVICE, which it does not have.
	controller := wire.Fields{"capabilities": []any{wire.Fields{"service": wire.Fields{"type": 1.0}}}}
	expectEqual(t, "GetPluginCapabilities", capabilities, stack.Either(wire.Fields{}, controller))

	probe, err := node.Call("/csi.v1.Identity/Probe", nil)
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "Probe", probe, wire.Fields{"ready": wire.Fields{"value": true}})
}

func TestControllerServiceIsAStub(t *testing.T) {
	node := stack.NewNode(t)
	capabilities, err := node.Call("/csi.v1.Controller/ControllerGetCapabilities", nil)
	if err != nil {
		t.Fatal(err)
	}
	unknown := wire.Fields{"capabilities": []any{wire.Fields{"rpc": wire.Fields{}}}}
	expectEqual(t, "ControllerGetCapabilities", capabilities, unknown)
	for _, method := range []string{
		"CreateVolume", "DeleteVolume", "ValidateVolumeCapabilities", "ControllerPublishVolume", "ControllerUnpublishVolume",
		"ListVolumes", "GetCapacity", "CreateSnapshot", "DeleteSnapshot", "ListSnapshots", "ControllerExpandVolume", "ControllerGetVolume",
	} {
		_, err := node.Call("/csi.v1.Controller/"+method, nil)
		if status.Code(err) != codes.Unimplemented || status.Convert(err).Message() != "" {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestNodeService(t *testing.T) {
	node := stack.NewNode(t)
	info, err := node.Call("/csi.v1.Node/NodeGetInfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "NodeGetInfo", info, wire.Fields{"node_id": stack.NodeID})

	capabilities, err := node.Call("/csi.v1.Node/NodeGetCapabilities", nil)
	if err != nil {
		t.Fatal(err)
	}
	stage, group := wire.Fields{"rpc": wire.Fields{"type": 1.0}}, wire.Fields{"rpc": wire.Fields{"type": 6.0}}
	// VOLUME_MOUNT_GROUP: the Go driver ignores the pod's fsGroup.
	expectEqual(t, "NodeGetCapabilities", capabilities["capabilities"], stack.Either([]any{stage, group}, []any{stage}))

	_, err = node.Call("/csi.v1.Node/NodeGetVolumeStats", wire.Fields{"volume_id": "v", "volume_path": "/"})
	expectError(t, err, codes.Unimplemented, "")
	_, err = node.Call("/csi.v1.Node/NodeExpandVolume", wire.Fields{"volume_id": "v", "volume_path": "/"})
	expectError(t, err, codes.Unimplemented, "NodeExpandVolume is not implemented")
}

func TestStagingOnlyChecksItsArguments(t *testing.T) {
	node := stack.NewNode(t)
	capability := wire.Fields{"mount": wire.Fields{}}
	for _, test := range []struct {
		method  string
		request wire.Fields
		text    string
	}{
		{"NodeStageVolume", wire.Fields{}, "Volume ID missing in request"},
		{"NodeStageVolume", wire.Fields{"volume_id": "v"}, "Target path missing in request"},
		{"NodeStageVolume", wire.Fields{"volume_id": "v", "staging_target_path": "/s"}, "Volume capability missing in request"},
		{"NodeStageVolume", wire.Fields{"volume_id": "v", "staging_target_path": "/s", "volume_capability": capability}, ""},
		{"NodeUnstageVolume", wire.Fields{}, "Volume ID missing in request"},
		{"NodeUnstageVolume", wire.Fields{"volume_id": "v"}, "Target path missing in request"},
		{"NodeUnstageVolume", wire.Fields{"volume_id": "v", "staging_target_path": "/s"}, ""},
	} {
		_, err := node.Call("/csi.v1.Node/"+test.method, test.request)
		if test.text != "" {
			expectError(t, err, codes.InvalidArgument, test.text)
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestEveryStyleOfDialling(t *testing.T) {
	node := stack.NewNode(t)
	for _, style := range wire.Styles {
		t.Run(style.Name, func(t *testing.T) {
			conn := stack.Dial(t, style, node.Socket)
			for range 3 {
				if _, err := wire.Call(stack.Context(t), conn, "/csi.v1.Identity/Probe", nil); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestWhatIsNotThereIsUnimplemented(t *testing.T) {
	node := stack.NewNode(t)
	for _, path := range []string{"/csi.v1.Node/NodeDoSomethingNew", "/csi.v1.GroupController/CreateVolumeGroupSnapshot", "/x/y"} {
		message := wire.New("csi.v1.Empty", nil)
		err := node.Conn().Invoke(stack.Context(t), path, message, wire.New("csi.v1.Empty", nil))
		expectError(t, err, codes.Unimplemented, "")
	}
}

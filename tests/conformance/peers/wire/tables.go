package wire

// The field tables of the contracts, as their specifications print them: number, name, type. An enum is written
// as int32 and a oneof as its members, which is the same on the wire. `map` is map<string,string>.
var tables = []string{provider, csi, registration, health}

// What a driver asks of a provider (Secrets Store CSI driver v1.6.0, provider API v1alpha1).
const provider = `
package v1alpha1

service CSIDriverProvider
  Version VersionRequest VersionResponse
  Mount   MountRequest   MountResponse

message VersionRequest
  1 version string
message VersionResponse
  1 version string
  2 runtime_name string
  3 runtime_version string
message MountRequest
  1 attributes string
  2 secrets string
  3 target_path string
  4 permission string
  5 current_object_version []ObjectVersion
message MountResponse
  1 object_version []ObjectVersion
  2 error Error
  3 files []File
message File
  1 path string
  2 mode int32
  3 contents bytes
message ObjectVersion
  1 id string
  2 version string
message Error
  1 code string
`

// What kubelet, its sidecars and csi-sanity ask of a node driver (CSI specification 1.6).
const csi = `
package csi.v1

service Identity
  GetPluginInfo         Empty GetPluginInfoResponse
  GetPluginCapabilities Empty GetPluginCapabilitiesResponse
  Probe                 Empty ProbeResponse

service Controller
  CreateVolume               CreateVolumeRequest               CreateVolumeResponse
  DeleteVolume               DeleteVolumeRequest               Empty
  ValidateVolumeCapabilities ValidateVolumeCapabilitiesRequest ValidateVolumeCapabilitiesResponse
  ControllerGetCapabilities  Empty                             ControllerGetCapabilitiesResponse
  ControllerPublishVolume    Empty Empty
  ControllerUnpublishVolume  Empty Empty
  ListVolumes                Empty Empty
  GetCapacity                Empty Empty
  CreateSnapshot             Empty Empty
  DeleteSnapshot             Empty Empty
  ListSnapshots              Empty Empty
  ControllerExpandVolume     Empty Empty
  ControllerGetVolume        Empty Empty

service Node
  NodeStageVolume     NodeStageVolumeRequest     Empty
  NodeUnstageVolume   NodeUnstageVolumeRequest   Empty
  NodePublishVolume   NodePublishVolumeRequest   Empty
  NodeUnpublishVolume NodeUnpublishVolumeRequest Empty
  NodeGetVolumeStats  NodeGetVolumeStatsRequest  Empty
  NodeExpandVolume    NodeExpandVolumeRequest    Empty
  NodeGetCapabilities Empty                      NodeGetCapabilitiesResponse
  NodeGetInfo         Empty                      NodeGetInfoResponse

message Empty
message Flag
  1 value bool
message GetPluginInfoResponse
  1 name string
  2 vendor_version string
  3 manifest map
message GetPluginCapabilitiesResponse
  1 capabilities []PluginCapability
message PluginCapability
  1 service Kind
  2 volume_expansion Kind
message Kind
  1 type int32
message ProbeResponse
  1 ready Flag
message ControllerGetCapabilitiesResponse
  1 capabilities []Capability
message NodeGetCapabilitiesResponse
  1 capabilities []Capability
message Capability
  1 rpc Kind
message NodeGetInfoResponse
  1 node_id string
  2 max_volumes_per_node int64
  3 accessible_topology Topology
message Topology
  1 segments map
message VolumeCapability
  1 block Empty
  2 mount MountVolume
  3 access_mode AccessMode
message MountVolume
  1 fs_type string
  2 mount_flags []string
  3 volume_mount_group string
message AccessMode
  1 mode int32
message CapacityRange
  1 required_bytes int64
  2 limit_bytes int64
message NodePublishVolumeRequest
  1 volume_id string
  2 publish_context map
  3 staging_target_path string
  4 target_path string
  5 volume_capability VolumeCapability
  6 readonly bool
  7 secrets map
  8 volume_context map
message NodeUnpublishVolumeRequest
  1 volume_id string
  2 target_path string
message NodeStageVolumeRequest
  1 volume_id string
  2 publish_context map
  3 staging_target_path string
  4 volume_capability VolumeCapability
  5 secrets map
  6 volume_context map
message NodeUnstageVolumeRequest
  1 volume_id string
  2 staging_target_path string
message NodeGetVolumeStatsRequest
  1 volume_id string
  2 volume_path string
  3 staging_target_path string
message NodeExpandVolumeRequest
  1 volume_id string
  2 volume_path string
  3 capacity_range CapacityRange
  4 staging_target_path string
  5 volume_capability VolumeCapability
  6 secrets map
message CreateVolumeRequest
  1 name string
  2 capacity_range CapacityRange
  3 volume_capabilities []VolumeCapability
  4 parameters map
message CreateVolumeResponse
  1 volume Volume
message Volume
  1 capacity_bytes int64
  2 volume_id string
  3 volume_context map
message DeleteVolumeRequest
  1 volume_id string
message ValidateVolumeCapabilitiesRequest
  1 volume_id string
  2 volume_context map
  3 volume_capabilities []VolumeCapability
  4 parameters map
message ValidateVolumeCapabilitiesResponse
  1 confirmed Confirmed
  2 message string
message Confirmed
  1 volume_context map
  2 volume_capabilities []VolumeCapability
  3 parameters map
`

// What kubelet asks of a plug-in that wants to register (k8s.io/kubelet pluginregistration v1).
const registration = `
package pluginregistration

service Registration
  GetInfo                  InfoRequest        PluginInfo
  NotifyRegistrationStatus RegistrationStatus RegistrationStatusResponse

message InfoRequest
message PluginInfo
  1 type string
  2 name string
  3 endpoint string
  4 supported_versions []string
message RegistrationStatus
  1 plugin_registered bool
  2 error string
message RegistrationStatusResponse
`

// gRPC's health checking protocol.
const health = `
package grpc.health.v1

service Health
  Check HealthCheckRequest HealthCheckResponse
  List  HealthListRequest  HealthListResponse

message HealthCheckRequest
  1 service string
message HealthCheckResponse
  1 status int32
message HealthListRequest
message HealthListResponse
`

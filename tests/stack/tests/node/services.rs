//! The other services of the driver's socket, and those that the sidecars otherwise have.

use std::path::Path;
use std::time::Duration;

use keymount_daemon::grpc::channel;
use keymount_proto::csi::controller_client::ControllerClient;
use keymount_proto::csi::identity_client::IdentityClient;
use keymount_proto::csi::node_service_capability::Type;
use keymount_proto::csi::{
    ControllerGetCapabilitiesRequest, CreateVolumeRequest, DeleteVolumeRequest, GetPluginCapabilitiesRequest,
    GetPluginInfoRequest, NodeGetCapabilitiesRequest, ProbeRequest, ValidateVolumeCapabilitiesRequest,
};
use keymount_proto::registration::registration_client::RegistrationClient;
use keymount_proto::registration::{InfoRequest, RegistrationStatus};
use keymount_stack_tests::{Node, NodeOptions, paused_stack_test, stack_test};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tonic::Code;

stack_test!(identity_and_capabilities_are_the_go_drivers_but_for_the_controller_it_has_not, |_| async {
    let node = Node::start(NodeOptions::flags(&["--drivername=other.csi.example.com"])).await;
    let mut identity = IdentityClient::new(channel(&node.path("csi.sock")));
    let info = identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.name.as_str(), info.manifest.len()), ("other.csi.example.com", 0));
    assert!(!info.vendor_version.is_empty());
    let capabilities = identity.get_plugin_capabilities(GetPluginCapabilitiesRequest {}).await.unwrap();
    assert!(capabilities.into_inner().capabilities.is_empty(), "no controller service");
    let probe = identity.probe(ProbeRequest {}).await.unwrap().into_inner();
    assert_eq!(probe.ready, Some(true), "whatever the API server does");
    let capabilities = node.csi().node_get_capabilities(NodeGetCapabilitiesRequest {}).await.unwrap();
    let kinds: Vec<_> = capabilities.into_inner().capabilities.into_iter().filter_map(|c| c.r#type).collect();
    let rpcs: Vec<_> =
        kinds.into_iter().map(|Type::Rpc(rpc)| rpc.r#type().as_str_name().to_owned()).collect();
    assert_eq!(rpcs, ["STAGE_UNSTAGE_VOLUME", "VOLUME_MOUNT_GROUP"]);
});

stack_test!(a_driver_without_a_name_says_so, |_| async {
    let node = Node::start(NodeOptions::flags(&["--drivername="])).await;
    let mut identity = IdentityClient::new(channel(&node.path("csi.sock")));
    let error = identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "driver name not configured"));
});

stack_test!(the_controller_service_answers_what_it_can_do_which_is_nothing, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let mut controller = ControllerClient::new(channel(&node.path("csi.sock")));
    let answer = controller.controller_get_capabilities(ControllerGetCapabilitiesRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().capabilities.len(), 1, "of type UNKNOWN, as the Go driver's");
    let codes = [
        controller.create_volume(CreateVolumeRequest::default()).await.unwrap_err().code(),
        controller.delete_volume(DeleteVolumeRequest::default()).await.unwrap_err().code(),
        controller
            .validate_volume_capabilities(ValidateVolumeCapabilitiesRequest::default())
            .await
            .unwrap_err()
            .code(),
    ];
    assert_eq!(codes, [Code::Unimplemented; 3]);
});

/// Starts the driver of a node anew, with a registration directory.
async fn registering(node: &mut Node) -> std::path::PathBuf {
    node.stop_driver().await;
    std::fs::create_dir(node.path("registration")).expect("a directory");
    node.set_flags(&[
        "--kubelet-registration-path=/var/lib/kubelet/plugins/csi-secrets-store/csi.sock",
        &format!("--plugin-registration-path={}", node.path("registration").display()),
    ]);
    node.start_driver().await;
    node.path("registration/secrets-store.csi.k8s.io-reg.sock")
}

async fn appears(path: &Path, expected: bool) {
    while path.exists() != expected {
        sleep(Duration::from_millis(5)).await;
    }
}

// Instead of node-driver-registrar, whose contract with kubelet this is.
paused_stack_test!(the_driver_registers_itself_and_again_where_kubelet_refused, |_| async {
    let mut node = Node::start(NodeOptions::default()).await;
    let socket = registering(&mut node).await;
    appears(&socket, true).await;
    let mut kubelet = RegistrationClient::new(channel(&socket));
    let info = kubelet.get_info(InfoRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (
            info.r#type.as_str(),
            info.name.as_str(),
            info.endpoint.as_str(),
            info.supported_versions.as_slice()
        ),
        (
            "CSIPlugin",
            "secrets-store.csi.k8s.io",
            "/var/lib/kubelet/plugins/csi-secrets-store/csi.sock",
            &["1.0.0".to_owned()][..]
        )
    );
    let status = |registered: bool| RegistrationStatus {
        plugin_registered: registered,
        error: if registered { String::new() } else { "no such socket".to_owned() },
    };
    kubelet.notify_registration_status(status(true)).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(socket.exists(), "registered as long as it runs");
    // Refused: kubelet looks at a socket once, so it has to be another one.
    kubelet.notify_registration_status(status(false)).await.unwrap();
    appears(&socket, false).await;
    appears(&socket, true).await;
    let mut kubelet = RegistrationClient::new(channel(&socket));
    kubelet.get_info(InfoRequest {}).await.unwrap();
    node.stop_driver().await;
    assert!(!socket.exists(), "kubelet forgets a driver whose socket is gone");
});

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the driver's port");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a peer");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

// Instead of livenessprobe.
stack_test!(the_liveness_endpoint_asks_the_drivers_own_socket, |_| async {
    // An address that no other test of this machine has.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.{}.{}.9:9808", high.max(1), low);
    let node = Node::start(NodeOptions::flags(&[&format!("--health-addr={address}")])).await;
    let well = get(&address, "/healthz").await;
    assert!(well.starts_with("HTTP/1.1 200 ") && well.ends_with("\r\n\r\nok"), "{well}");
    assert!(get(&address, "/").await.starts_with("HTTP/1.1 404 "));
    // Nobody reaches the driver any more: kubelet is to start it anew.
    std::fs::rename(node.path("csi.sock"), node.path("elsewhere")).unwrap();
    let gone = get(&address, "/healthz").await;
    assert!(gone.starts_with("HTTP/1.1 500 "), "{gone}");
});

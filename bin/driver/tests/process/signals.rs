//! SIGTERM and SIGINT: running calls end, the process ends in time, a second signal does not wait.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use keymount_daemon::grpc::channel;
use keymount_proto::csi::node_client::NodeClient;
use keymount_stack_tests::{Mount, Provider, reply, stack_test};
use rustix::process::Signal;
use tonic::Code;

use crate::program::Place;

#[tokio::test]
async fn a_signal_ends_the_process_with_code_0_and_takes_its_socket_along() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let mut program = place.serve(&["--enable-secret-rotation"]).await;
        program.signal(signal);
        program.logged("received shutdown signal").await;
        let ended = program.ended().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!place.path("csi.sock").exists());
    }
}

// The Go driver is killed at the end of the grace period here, with a mounted empty volume that it believes
// in afterwards.
stack_test!(i1_sigterm_while_the_provider_is_slow_undoes_the_mount_in_time, |_| async {
    let place = Place::new();
    let provider = Provider::start(&place.path("providers"), "test", |_| reply("v1", &[("a", "x")])).await;
    let cluster =
        keymount_stack_tests::Cluster::start(keymount_emulator::kubernetes::Options::default()).await;
    place.write_kubeconfig("kubeconfig", cluster.api.url());
    let mut program = place.serve(&[]).await;
    provider.hold();
    let mut csi = NodeClient::new(channel(&place.path("csi.sock")));
    let request = Mount::new("web", "uid").request(&place.path("pods"));
    let publishing = tokio::spawn(async move { csi.node_publish_volume(request).await });
    provider.called(1).await;
    program.signal(Signal::TERM);
    program.logged("received shutdown signal").await;
    let error = publishing.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unknown, "{error}");
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&place.path("pods").display().to_string()), "{mounts}");
});

/// A call whose message never comes: the server cannot answer it and has to wait. Returns when the server
/// has seen it.
fn call_without_end(place: &Place) -> UnixStream {
    let mut stream = UnixStream::connect(place.path("csi.sock")).expect("the driver's socket");
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("a short frame");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let text = |text: &str| [&[u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat();
    // HPACK (RFC 7541): indexed fields, then literals without indexing.
    let head = [
        vec![0x83, 0x86, 0x04],
        text("/csi.v1.Identity/Probe"),
        vec![0x01],
        text("localhost"),
        vec![0x0f, 0x10],
        text("application/grpc"),
        vec![0x00],
        text("te"),
        text("trailers"),
    ];
    let settings = frame(4, 0, 0, &[]);
    let (headers, ping) = (frame(1, 4, 1, &head.concat()), frame(6, 0, 0, &[7; 8]));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    stream.write_all(&[preface, settings, headers, ping].concat()).expect("a peer");
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).expect("a frame");
        let mut payload = vec![0; usize::from(header[1]) * 256 + usize::from(header[2])];
        stream.read_exact(&mut payload).expect("a frame");
        if header[3] == 6 && header[4] == 1 {
            return stream;
        }
    }
}

#[tokio::test]
async fn the_second_signal_ends_the_process_at_once_with_code_1() {
    let place = Place::new();
    let mut program = place.serve(&["--shutdown-timeout=50s"]).await;
    let _call = call_without_end(&place);
    program.signal(Signal::TERM);
    program.logged("received shutdown signal").await;
    assert!(program.runs(), "a call is under way");
    program.signal(Signal::TERM);
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

// The Go driver waits without a bound, until kubelet kills it.
#[tokio::test]
async fn a_call_that_does_not_end_holds_the_process_up_for_the_shutdown_timeout_only() {
    let place = Place::new();
    let program = place.serve(&["--shutdown-timeout=200ms"]).await;
    let _call = call_without_end(&place);
    program.signal(Signal::TERM);
    let ended = program.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

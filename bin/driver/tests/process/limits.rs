//! Floods, exhausted limits, and what the memory of the process holds: seen from outside.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures::future::join_all;
use keymount_daemon::grpc::channel;
use keymount_emulator::kubernetes::Options;
use keymount_mount_namespace::{Cgroup, each_writable_range};
use keymount_proto::csi::identity_client::IdentityClient;
use keymount_proto::csi::node_client::NodeClient;
use keymount_proto::csi::{NodeUnpublishVolumeRequest, ProbeRequest};
use keymount_stack_tests::{Cluster, Mount, Provider, reply, stack_test};

use crate::program::{LISTENING, Place, Program};

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Sends what `next` gives until it gives no more, or the peer wants no more. Whatever comes back is thrown away.
fn flood(place: &Place, mut next: impl FnMut(u32) -> Option<Vec<u8>>) {
    let mut stream = UnixStream::connect(place.path("csi.sock")).expect("the driver's socket");
    // A peer that no longer reads has had enough.
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let mut incoming = stream.try_clone().expect("a socket");
    let drain = std::thread::spawn(move || std::io::copy(&mut incoming, &mut std::io::sink()));
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
    let mut sent = stream.write_all(&preface).is_ok();
    let mut number = 0;
    while sent && let Some(bytes) = next(number) {
        sent = stream.write_all(&bytes).is_ok();
        number += 1;
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    let _ = drain.join().expect("no panic");
}

/// The most memory that was resident at one time so far, in KiB.
fn peak_memory(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// The n-th frames of a flood, with the fields of a request.
type Make = fn(u32, &[u8]) -> Vec<u8>;

/// Floods that made servers in other languages use memory or time without end: streams that are opened and reset,
/// headers that never end, settings and pings.
#[tokio::test(flavor = "multi_thread")]
async fn cve_2023_44487_floods_of_frames_cost_bounded_memory_and_nobody_else() {
    let place = Place::new();
    let mut program = place.serve(&[]).await;
    let mut identity = IdentityClient::new(channel(&place.path("csi.sock")));
    identity.probe(ProbeRequest::default()).await.expect("an answer");
    let before = peak_memory(&program);
    let head = [0x83, 0x86, 0x04, 1, b'/', 0x01, 1, b'x'];
    let floods: [(&str, Make); 4] = [
        ("reset streams", |number, head| {
            let stream = number * 2 + 1;
            [frame(1, 4, stream, head), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
        }),
        ("endless headers", |number, head| {
            if number == 0 {
                frame(1, 0, 1, head)
            } else {
                frame(9, 0, 1, &[0, 1, b'a', 1, b'b'].repeat(1_000))
            }
        }),
        ("settings", |_, _| frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("pings", |_, _| frame(6, 0, 0, &[7; 8])),
    ];
    for (name, make) in floods {
        // 256 MiB of endless headers, if anybody takes them.
        flood(&place, |number| (number < 50_000).then(|| make(number, &head)));
        identity.probe(ProbeRequest::default()).await.expect("others are answered");
        let grown = peak_memory(&program).saturating_sub(before);
        assert!(grown < 16 * 1024, "{name}: {grown} KiB more");
    }
    assert!(program.runs());
}

stack_test!(fault_24_without_file_descriptors_calls_fail_and_nothing_breaks, |_| async {
    let place = Place::new();
    let provider = Provider::start(&place.path("providers"), "test", |_| reply("v1", &[("a", "x")])).await;
    let cluster = Cluster::start(Options::default()).await;
    place.write_kubeconfig("kubeconfig", cluster.api.url());
    let limited = ["/bin/sh", "-c", "ulimit -n 48; exec \"$0\" \"$@\""].map(str::to_owned);
    let mut program = Program::start_under(&limited, &place.arguments(&["--enable-secret-rotation"]), &[]);
    program.logged(LISTENING).await;
    let mount = |name: &str| Mount::new(name, &cluster.put_pod(name));
    let (first, second) = (mount("first"), mount("second"));
    let pods = place.path("pods");
    let mut csi = NodeClient::new(channel(&place.path("csi.sock")));
    csi.node_publish_volume(first.request(&pods)).await.unwrap();
    // Connections take what descriptors there are: some more wait to be accepted.
    let hold: Vec<UnixStream> =
        (0..60).map_while(|_| UnixStream::connect(place.path("csi.sock")).ok()).collect();
    assert!(hold.len() > 40, "{}", hold.len());
    program.logged("a connection could not be accepted").await;
    // Over the connection that there is already.
    let refused =
        csi.node_publish_volume(second.request(&pods)).await.expect_err("no descriptor for the mount");
    assert!(!refused.message().is_empty());
    assert_eq!(std::fs::read_to_string(first.target(&pods).join("a")).unwrap(), "x");
    // Whether a volume is mounted cannot be looked up either: that is said, and nothing is done to it.
    if let Err(error) = csi.node_publish_volume(first.request(&pods)).await {
        assert!(error.message().contains("too many open files: raise the limit"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(first.target(&pods).join("a")).unwrap(), "x");
    drop(hold);
    // There are some again: a new connection is accepted, and the mount succeeds.
    let mut again = NodeClient::new(channel(&place.path("csi.sock")));
    let mounted = async {
        while again.node_publish_volume(second.request(&pods)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), mounted).await.expect("it goes on");
    assert!(program.runs() && provider.count() >= 2);
    for mount in [first, second] {
        let target_path = mount.target(&pods).display().to_string();
        let request = NodeUnpublishVolumeRequest { volume_id: "csi-1".to_owned(), target_path };
        csi.node_unpublish_volume(request).await.unwrap();
    }
});

/// The limit of the charts, in bytes.
const MEMORY_LIMIT: u64 = 200 << 20;

// The worst that may come at once: replies as large as the driver takes them, more than the budget has room for.
// Pages of the volumes count against the same limit.
stack_test!(fault_24_large_replies_at_once_within_the_memory_limit_of_the_charts, |_| async {
    let group = match Cgroup::new(MEMORY_LIMIT) {
        Ok(group) => group,
        Err(why) => return println!("skipped: no memory cgroup can be made here ({why})"),
    };
    let place = Place::new();
    let large = "x".repeat((4 << 20) - 4096);
    let _provider =
        Provider::start(&place.path("providers"), "test", move |_| reply("v1", &[("large", &large)])).await;
    let cluster = Cluster::start(Options::default()).await;
    place.write_kubeconfig("kubeconfig", cluster.api.url());
    // One namespace may have half of the calls: 64.
    let arguments = place.arguments(&["--provider-max-calls=128"]);
    let mut program = Program::start_under(&group.enter(), &arguments, &[]);
    program.logged(LISTENING).await;
    let pods = place.path("pods");
    let csi = NodeClient::new(channel(&place.path("csi.sock")));
    let mounts: Vec<_> = (0..64)
        .map(|number| format!("pod-{number}"))
        .map(|name| Mount::new(&name, &cluster.put_pod(&name)))
        .collect();
    let answers = mounts.iter().map(|mount| {
        let (mut csi, request) = (csi.clone(), mount.request(&pods));
        async move { csi.node_publish_volume(request).await }
    });
    let answers = join_all(answers).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    for error in &refused {
        assert!(error.message().contains("--mounted-bytes-budget"), "{error}");
    }
    // 96 MiB for volumes of 4 MiB.
    assert_eq!((answers.len() - refused.len(), refused.len()), (24, 40));
    assert!(program.runs() && group.kills().expect("a count") == 0);
    let peak = group.peak().expect("a peak");
    assert!((96 << 20..=MEMORY_LIMIT).contains(&peak), "{peak}");
    // What is unmounted makes room.
    let mut csi = csi;
    for mount in &mounts {
        let target_path = mount.target(&pods).display().to_string();
        let request = NodeUnpublishVolumeRequest { volume_id: "csi-1".to_owned(), target_path };
        csi.node_unpublish_volume(request).await.expect("unmounted");
    }
    csi.node_publish_volume(mounts[0].request(&pods)).await.expect("there is room again");
    program.kill_all();
});

#[tokio::test]
async fn fault_25_no_inotify_is_used() {
    let place = Place::new();
    let program = place.serve(&["--enable-secret-rotation", "--provider-health-check"]).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", program.id())).expect("a process");
    let links: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect();
    assert!(links.len() > 3, "{links:?}");
    assert!(!links.iter().any(|link| link.display().to_string().contains("inotify")), "{links:?}");
}

/// How often each text stands in the writable memory of a process.
fn found_in_memory(program: &Program, texts: &[&str]) -> Vec<usize> {
    let mut counts = vec![0; texts.len()];
    each_writable_range(program.id(), |bytes| {
        for (count, text) in counts.iter_mut().zip(texts) {
            *count += bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
        }
    });
    counts
}

// What the driver keeps of a volume goes with it: contents, tokens, secrets of the pod. Read from outside, as a
// debugger of the node's administrator would; a core dump there is none.
stack_test!(fault_29_after_unpublish_no_secret_is_in_the_drivers_memory, |_| async {
    // Built at run time, so that no constant of this test is what is found.
    let canary =
        |what: &str| format!("{what}-{:016x}-canary", 0x5eed_0000_u64 + u64::from(std::process::id()));
    let (content, token, secret) = (canary("content"), canary("token"), canary("secret"));
    let place = Place::new();
    let (sent, uid) = (content.clone(), std::sync::OnceLock::<String>::new());
    let provider = Provider::start(&place.path("providers"), "test", move |request| {
        let first = uid.get_or_init(|| request.target_path.clone()) == &request.target_path;
        reply("v1", &[("a", if first { &sent } else { "nothing in particular" })])
    })
    .await;
    let cluster = Cluster::start(Options::default()).await;
    place.write_kubeconfig("kubeconfig", cluster.api.url());
    let program = place.serve(&["--enable-secret-rotation", "-v=10"]).await;
    let mount = Mount::new("web", &cluster.pod_uid("web"));
    let pods = place.path("pods");
    let mut request = mount.request(&pods);
    let tokens = serde_json::json!({"aud": {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"}});
    request.volume_context.insert("csi.storage.k8s.io/serviceAccount.tokens".to_owned(), tokens.to_string());
    request.secrets.insert("clientsecret".to_owned(), secret.clone());
    let mut csi = NodeClient::new(channel(&place.path("csi.sock")));
    csi.node_publish_volume(request).await.unwrap();
    assert!(provider.calls()[0].secrets.contains(&secret), "it did go in");
    let texts = [content.as_str(), token.as_str(), secret.as_str()];
    let mounted = found_in_memory(&program, &texts);
    assert!(mounted[1] > 0 && mounted[2] > 0, "kept for the rotation, and found by this search: {mounted:?}");
    let target_path = mount.target(&pods).display().to_string();
    let request = NodeUnpublishVolumeRequest { volume_id: "csi-1".to_owned(), target_path };
    csi.node_unpublish_volume(request).await.unwrap();
    // Other volumes come and go meanwhile, as on any node: buffers of connections are used again.
    for number in 0..8 {
        let other = Mount::new("other", &format!("uid-{number}"));
        let _ = csi.node_publish_volume(other.request(&pods)).await;
    }
    let left = found_in_memory(&program, &texts);
    println!("mounted: {mounted:?}, after unpublish: {left:?}");
    assert!(left.iter().all(|count| *count <= 3), "buffers of libraries, not of ours: {left:?}");
});

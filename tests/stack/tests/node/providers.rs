//! Providers: where they are looked for, and what one that misbehaves can do to others. Nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keymount_stack_tests::{
    Mount, Node, NodeOptions, Provider, class, file, paused_stack_test, reply, stack_test,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tonic::Status;

/// A node that looks for providers in a second directory first.
async fn with_two_directories(flags: &[&str]) -> Node {
    let mut node = Node::start(NodeOptions::default()).await;
    node.stop_driver().await;
    std::fs::create_dir(node.path("additional")).expect("a directory");
    let additional =
        format!("--additional-provider-volume-paths=/nowhere,{}", node.path("additional").display());
    let flags: Vec<&str> = flags.iter().copied().chain([additional.as_str()]).collect();
    node.set_flags(&flags);
    node.start_driver().await;
    node
}

stack_test!(additional_directories_are_searched_before_the_main_one, |_| async {
    let node = with_two_directories(&[]).await;
    node.publish().await.unwrap();
    assert_eq!(node.provider.count(), 1);
    node.unpublish().await.unwrap();
    // Of two providers with the same name the one in the additional directory counts, from the next call on.
    let other =
        Provider::start(&node.path("additional"), "test", |_| reply("v2", &[("password", "other")])).await;
    node.publish().await.unwrap();
    assert_eq!((node.provider.count(), other.count()), (1, 1));
    assert_eq!(node.read("password").as_deref(), Some("other"));
    node.unpublish().await.unwrap();
    other.stop().await;
    node.publish().await.unwrap();
    assert_eq!(node.provider.count(), 2);
});

paused_stack_test!(a_provider_that_starts_late_or_anew_is_found_at_once, |_| async {
    let node = with_two_directories(&[]).await;
    node.put(&class("late", "late", &json!([])));
    let mount = node.mount().class("late");
    let mut csi = node.csi();
    let request = mount.request(&node.pods());
    let publishing = tokio::spawn(async move { csi.node_publish_volume(request).await });
    sleep(Duration::from_millis(300)).await;
    let late = Provider::start(&node.path("additional"), "late", |_| reply("v1", &[("a", "x")])).await;
    publishing.await.unwrap().unwrap();
    node.unpublish_mount(&mount).await.unwrap();
    // Replaced while it runs: the new socket counts, and nobody waits for a reconnect.
    let new = Provider::start(&node.path("additional"), "late", |_| reply("v2", &[("a", "y")])).await;
    let began = Instant::now();
    node.publish_mount(&mount).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!((late.count(), new.count(), node.read_in(&mount, "a").as_deref()), (1, 1, Some("y")));
});

stack_test!(the_wait_for_a_provider_ends_with_what_is_missing, |_| async {
    let node = with_two_directories(&["--provider-startup-timeout=200ms"]).await;
    node.put(&class("absent", "absent", &json!([])));
    let error = node.publish_mount(&node.mount().class("absent")).await.unwrap_err();
    for part in
        ["provider not found: provider \"absent\"", "/additional", "/providers", "installed there: test"]
    {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    // A socket file that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(node.path("additional/absent.sock")).unwrap());
    let error = node.publish_mount(&node.mount().class("absent")).await.unwrap_err();
    assert!(error.message().contains("rpc error: code = Unavailable desc = connection error"), "{error}");
    assert!(error.message().contains("connect: "), "{error}");
});

paused_stack_test!(unavailable_is_tried_three_times, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    node.provider.answer(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Err(Status::unavailable("starting")),
        _ => reply("v1", &[("password", "first")]),
    });
    node.publish().await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 3);
});

paused_stack_test!(health_checks_are_a_metric_of_installed_providers, |_| async {
    let node = Node::start(NodeOptions::flags(&[
        "--provider-health-check",
        "--provider-health-check-interval=1m",
        "--provider-startup-timeout=1s",
    ]))
    .await;
    // A tenant that names providers at random makes no series.
    for number in 0..20 {
        let name = format!("random-{number}");
        node.put(&class(&name, &name, &json!([])));
        node.publish_mount(&node.mount().class(&name)).await.unwrap_err();
    }
    node.publish().await.unwrap();
    sleep(Duration::from_secs(90)).await;
    assert_eq!(node.metric("keymount_provider_healthy", r#"provider="test""#), 1.0);
    assert!(!node.metrics().contains("random-"), "{}", node.metrics());
    let socket = node.path("providers/test.sock");
    std::fs::rename(&socket, node.path("providers/away")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    sleep(Duration::from_secs(90)).await;
    assert!(node.metrics().contains(r#"keymount_provider_healthy{provider="test"} 0"#), "{}", node.metrics());
    std::fs::rename(node.path("providers/away"), &socket).unwrap();
    sleep(Duration::from_secs(90)).await;
    assert_eq!(node.metric("keymount_provider_healthy", r#"provider="test""#), 1.0);
});

paused_stack_test!(
    i1_i2_files_that_the_provider_writes_itself_rotate_and_survive_a_failing_provider,
    |_| async {
        let mut node = Node::start(NodeOptions::rotating(&["--rotation-poll-interval=1m"])).await;
        let write = |content: &'static str, version: &'static str| {
            move |request: &keymount_proto::provider::MountRequest| {
                std::fs::write(format!("{}/written", request.target_path), content).unwrap();
                let mut response = reply(version, &[("written", "")])?;
                response.files.clear();
                Ok(response)
            }
        };
        node.provider.answer(write("first", "v1"));
        node.publish().await.unwrap();
        node.provider.answer(write("second", "v2"));
        node.status(|status| status["status"]["objects"][0]["version"] == "v2").await;
        assert_eq!(node.read("written").as_deref(), Some("second"));
        node.provider.answer(|_| Err(Status::internal("boom")));
        sleep(Duration::from_secs(300)).await;
        assert_eq!(node.read("written").as_deref(), Some("second"));
        // After a restart the mark says that it is complete.
        node.stop_driver().await;
        node.start_driver().await;
        let calls = node.provider.count();
        node.publish().await.unwrap();
        assert_eq!(node.provider.count(), calls);
        // The provider learns to send files: the next volume is its, whole.
        node.provider.answer(|_| reply("v3", &[("sent", "third")]));
        sleep(Duration::from_secs(2000)).await;
        assert_eq!(node.read("sent").as_deref(), Some("third"));
        node.unpublish().await.unwrap();
        assert!(node.mounts().is_empty());
    }
);

/// What a connection to a provider that is none does.
type Manners = fn(UnixStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves every connection to `bad.sock` in that manner.
fn serve_badly(node: &Node, manners: Manners) -> JoinHandle<()> {
    let path = node.path("providers/bad.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(manners(stream));
        }
    })
}

// A provider that misbehaves in any way harms its own volumes only: every mount of another provider is as
// quick as ever, and its own ends by kubelet's deadline.
paused_stack_test!(i8_a_provider_that_misbehaves_harms_its_own_volumes_only, |_| async {
    let node =
        Node::start(NodeOptions::flags(&["--provider-startup-timeout=1s", "--provider-max-calls=4"])).await;
    node.put(&class("bad", "bad", &json!([])));
    let manners: [(&str, Manners); 6] = [
        ("hangs up at once", |stream| Box::pin(async { drop(stream) })),
        ("never speaks", |mut stream| {
            Box::pin(async move {
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
            })
        }),
        ("speaks no HTTP/2", |mut stream| {
            Box::pin(async move {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            })
        }),
        ("sends frames without end", |mut stream| {
            Box::pin(async move {
                let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
                while stream.write_all(&settings).await.is_ok() {
                    tokio::task::yield_now().await;
                }
            })
        }),
        ("announces two gigabytes", |mut stream| {
            Box::pin(async move {
                let mut answer = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
                // HEADERS with `:status 200` of stream 1, then DATA with a gRPC length of 2 GiB.
                answer.extend([0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88]);
                answer.extend([0, 0, 5, 0, 0, 0, 0, 0, 1, 0, 0x80, 0, 0, 0]);
                let _ = stream.write_all(&answer).await;
                let mut bytes = [0; 1024];
                while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
            })
        }),
        ("trickles", |mut stream| {
            Box::pin(async move {
                for byte in [0, 0, 0, 4, 0, 0, 0, 0, 0].into_iter().cycle() {
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            })
        }),
    ];
    for (name, manners) in manners {
        let server = serve_badly(&node, manners);
        let mut mounting = Vec::new();
        for number in 0..8 {
            let mount = Mount::new(&format!("bad-{number}"), &format!("uid-bad-{number}")).class("bad");
            let (mut csi, mut request) = (node.csi(), tonic::Request::new(mount.request(&node.pods())));
            request.set_timeout(Duration::from_secs(20));
            mounting.push(tokio::spawn(async move { csi.node_publish_volume(request).await }));
        }
        tokio::task::yield_now().await;
        let began = Instant::now();
        node.publish().await.unwrap();
        node.unpublish().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "{name}: {:?}", began.elapsed());
        for mounting in mounting {
            mounting.await.unwrap().unwrap_err();
        }
        assert!(began.elapsed() < Duration::from_secs(21), "{name}: {:?}", began.elapsed());
        assert!(node.mounts().is_empty(), "{name}");
        server.abort();
    }
});

// I8: calls of one tenant that hang leave room for the pods of others at the same provider.
paused_stack_test!(i8_a_tenant_whose_store_hangs_leaves_room_for_others, |_| async {
    let node = Node::start(NodeOptions::flags(&["--provider-max-calls=4"])).await;
    let mut other = class("web", "test", &json!([]));
    other["metadata"]["namespace"] = "other".into();
    node.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}));
    node.put(&other);
    node.provider.hold_if(|request| request.attributes.contains(r#"pod.namespace":"default"#));
    let hanging: Vec<_> = (0..20)
        .map(|number| {
            let mount = Mount::new(&format!("p-{number}"), &format!("uid-{number}"));
            let (mut csi, request) = (node.csi(), mount.request(&node.pods()));
            tokio::spawn(async move { csi.node_publish_volume(request).await })
        })
        .collect();
    node.provider.called(2).await;
    let mut request = Mount::new("quiet", "uid-quiet").request(&node.pods());
    request.volume_context.insert("csi.storage.k8s.io/pod.namespace".to_owned(), "other".to_owned());
    node.publish_as(request).await.unwrap();
    assert_eq!(node.provider.count(), 3);
    let calls = |state| node.metric("keymount_provider_calls", state);
    // The last of the requests may still be on their way.
    while calls(r#"state="waiting""#) < 18.0 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((node.provider.count(), calls(r#"state="running""#)), (3, 2.0));
    node.provider.release();
    for hanging in hanging {
        hanging.await.unwrap().unwrap();
    }
});

stack_test!(i7_replies_with_too_much_of_anything_are_refused_whole, |_| async {
    let node = Node::start(NodeOptions::flags(&["--volume-max-files=100"])).await;
    node.provider.answer(|_| {
        let mut response = reply("v1", &[("password", "first")])?;
        response.files = (0..101).map(|number| file(&format!("f-{number}"), "x")).collect();
        Ok(response)
    });
    let error = node.publish().await.unwrap_err();
    assert!(error.message().contains("100"), "{error}");
    node.provider.answer(|_| {
        let mut response = reply("v1", &[("password", "first")])?;
        response.files = (0..100_000).map(|number| file(&format!("{number}"), "")).collect();
        Ok(response)
    });
    node.publish().await.unwrap_err();
    node.provider.answer(|_| {
        reply("v1", &[("deep", "x")]).map(|mut response| {
            response.files[0].path = "d/".repeat(2000) + "f";
            response
        })
    });
    let deep = node.publish().await;
    assert!(deep.is_err() || node.mounts().len() == 1);
    node.unpublish().await.unwrap();
    assert!(node.mounts().is_empty());
});

// grpc-go allows 16 MiB of trailers; the default of others would break the connection at 16 KiB.
stack_test!(an_error_of_any_length_arrives_whole, |_| async {
    let node = Node::start(NodeOptions::default()).await;
    let text = "ERROR CODE: Forbidden\n".repeat(10_000);
    let answer = text.clone();
    node.provider.answer(move |_| Err(Status::permission_denied(answer.clone())));
    let error = node.publish().await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::PermissionDenied);
    assert!(error.message().contains(&text), "{} bytes", error.message().len());
});

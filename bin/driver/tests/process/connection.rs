//! The way to the Kubernetes API: which configuration counts, what is said there, and that none is needed
//! for volumes that are mounted.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keymount_daemon::grpc::channel;
use keymount_emulator::kubernetes::Options;
use keymount_mount_namespace::isolated;
use keymount_proto::csi::NodeUnpublishVolumeRequest;
use keymount_proto::csi::node_client::NodeClient;
use keymount_stack_tests::{Cluster, Mount, Provider, in_namespace, reply, stack_test};

use crate::program::{Place, Program};

/// Listeners in place of API servers, by name; says who was connected to first, and with which first line.
struct Servers(Vec<(&'static str, TcpListener)>);

impl Servers {
    fn new(names: &[&'static str]) -> Self {
        Self(names.iter().map(|name| (*name, TcpListener::bind("127.0.0.1:0").expect("a port"))).collect())
    }

    fn port(&self, name: &str) -> u16 {
        let found = self.0.iter().find(|(known, _)| *known == name).expect("a server");
        found.1.local_addr().expect("an address").port()
    }

    /// Waits for the first connection to any of them.
    async fn asked(&self) -> &'static str {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
        for (name, listener) in &self.0 {
            let (name, listener, sender) = (*name, listener.try_clone().expect("a socket"), sender.clone());
            std::thread::spawn(move || {
                if listener.accept().is_ok() {
                    let _ = sender.blocking_send(name);
                }
            });
        }
        let first = tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await;
        first.expect("somebody is asked").expect("a name")
    }
}

/// `--kubeconfig`, `KUBECONFIG`, the cluster, `~/.kube/config`: the first that is there.
#[test]
fn the_first_configuration_of_the_go_drivers_order_counts() {
    isolated(|namespace| {
        in_namespace(namespace, |_| async {
            // What a pod finds in its container, in a file system of this test's own.
            let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]).status().unwrap();
            assert!(mounted.success());
            let account = Path::new("/run/secrets/kubernetes.io/serviceaccount");
            std::fs::create_dir_all(account).unwrap();
            for (name, content) in [
                ("token", &b"t"[..]),
                ("namespace", b"kube-system"),
                ("ca.crt", include_bytes!("../../../../crates/pem/tests/fixtures/certificates/leaf.pem")),
            ] {
                std::fs::write(account.join(name), content).unwrap();
            }
            assert_eq!(std::fs::read_link("/var/run").ok().as_deref(), Some(Path::new("/run")));

            let place = Place::new();
            let names = ["flag", "variable", "cluster", "home"];
            for (position, expected) in names.iter().enumerate() {
                let servers = Servers::new(&names);
                let write = |name: &str, at: &str| {
                    place.write_kubeconfig(at, &format!("http://127.0.0.1:{}", servers.port(name)))
                };
                let flag = format!("--kubeconfig={}", write("flag", "of-flag").display());
                let variable = write("variable", "of-variable");
                write("home", "home/.kube/config");
                let port = servers.port("cluster").to_string();
                let home = place.path("home");
                let environment: &[(&str, &Path)] = &[
                    ("KUBECONFIG", &variable),
                    ("KUBERNETES_SERVICE_HOST", Path::new("127.0.0.1")),
                    ("KUBERNETES_SERVICE_PORT", Path::new(&port)),
                    ("HOME", &home),
                    // Proxies are for the world outside.
                    ("HTTPS_PROXY", Path::new("http://127.0.0.1:1")),
                    ("HTTP_PROXY", Path::new("http://127.0.0.1:1")),
                ];
                let environment: Vec<_> = environment
                    .iter()
                    .filter(|(name, _)| match *name {
                        "KUBECONFIG" => position <= 1,
                        "KUBERNETES_SERVICE_HOST" => position <= 2,
                        _ => true,
                    })
                    .copied()
                    .collect();
                let arguments = place.arguments(&[]);
                let mut arguments: Vec<_> =
                    arguments.into_iter().filter(|argument| !argument.starts_with("--kubeconfig")).collect();
                if position == 0 {
                    arguments.push(flag);
                }
                let program = Program::start(&arguments, &environment);
                assert_eq!(servers.asked().await, *expected, "{:#?}", program.lines());
            }
            // None of them.
            let arguments = place.arguments(&["--kubeconfig="]);
            let ended = Program::start(&arguments, &[("HOME", &place.path("nowhere"))]).ended().await;
            assert_eq!(ended.code, Some(1), "{ended:?}");
            for part in ["no --kubeconfig, no KUBECONFIG, not in a cluster", "~/.kube/config"] {
                assert!(ended.stderr.contains(part), "{ended:?}");
            }
        })
    });
}

/// Audit policies and priority levels tell drivers by it.
#[tokio::test]
async fn requests_carry_the_go_drivers_user_agent() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    place.write_kubeconfig("kubeconfig", &address);
    let _program = Program::start(&place.arguments(&["--drivername=other.csi.example.com"]), &[]);
    let head = tokio::task::spawn_blocking(move || {
        let (stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>()
    });
    let head = tokio::time::timeout(Duration::from_secs(60), head).await.unwrap().unwrap();
    assert!(head[0].starts_with("GET /apis/storage.k8s.io/v1/csidrivers"), "{head:#?}");
    assert!(head[0].contains("other.csi.example.com"), "the object of the driver's name: {head:#?}");
    let agent = head.iter().find_map(|line| line.strip_prefix("user-agent: ")).expect("an agent");
    assert!(agent.starts_with("csi-secrets-store/controller/") && agent.contains(" (linux/a"), "{agent}");
}

// I10: the API server is down when the process starts, and stays down.
stack_test!(i10_the_process_starts_without_the_api_and_serves_what_is_mounted, |_| async {
    let place = Place::new();
    let provider = Provider::start(&place.path("providers"), "test", |_| reply("v1", &[("a", "x")])).await;
    let cluster = Cluster::start(Options::default()).await;
    place.write_kubeconfig("kubeconfig", cluster.api.url());
    let mount = Mount::new("web", &cluster.pod_uid("web"));
    let (target, request) = (mount.target(&place.path("pods")), mount.request(&place.path("pods")));
    let mut csi = NodeClient::new(channel(&place.path("csi.sock")));
    let program = place.serve(&["--enable-secret-rotation"]).await;
    csi.node_publish_volume(request.clone()).await.unwrap();
    program.signal(rustix::process::Signal::KILL);
    program.ended().await;

    cluster.api.down().await;
    let program = place.serve(&["--enable-secret-rotation"]).await;
    let mut csi = NodeClient::new(channel(&place.path("csi.sock")));
    csi.node_publish_volume(request).await.unwrap();
    assert_eq!(std::fs::read_to_string(target.join("a")).unwrap(), "x");
    assert_eq!(provider.count(), 1);
    let request = NodeUnpublishVolumeRequest {
        volume_id: "csi-1".to_owned(),
        target_path: target.display().to_string(),
    };
    csi.node_unpublish_volume(request).await.unwrap();
    assert!(!target.exists());
    program.signal(rustix::process::Signal::TERM);
    assert_eq!(program.ended().await.code, Some(0));
});

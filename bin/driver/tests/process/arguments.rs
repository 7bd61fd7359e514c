//! Flags in Go's spellings, and what the process ends with when they make no sense.

use std::net::TcpListener;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::program::{Ended, LISTENING, Place, Program};

async fn run(arguments: &[String]) -> Ended {
    Program::start(arguments, &[]).ended().await
}

#[tokio::test]
async fn the_version_is_json_on_standard_output() {
    for spelling in ["-version", "--version", "--version=true", "-version=1", "--version=T"] {
        let ended = run(&[spelling.to_owned()]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{spelling}");
        let version: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let keys: Vec<_> = version.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["BuildDate", "BuildVersion", "GitCommit"], "{ended:?}");
        assert!(ended.stdout.starts_with(r#"{"BuildVersion":""#), "the order of the Go driver");
    }
}

#[tokio::test]
async fn mistakes_end_with_the_go_drivers_exit_codes() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("--metrics-addr={}", taken.local_addr().unwrap());
    let file = place.path("no-socket");
    std::fs::write(&file, "precious").unwrap();
    let endpoint = format!("--endpoint=unix://{}", file.display());
    for (argument, code, text) in [
        ("--nonsense", 2, "flag provided but not defined: -nonsense\nUsage of "),
        ("--v=abc", 2, r#"invalid value "abc" for flag -v: "#),
        ("--rotation-poll-interval=2", 2, r#"invalid value "2" for flag -rotation-poll-interval: "#),
        (
            "-enable-secret-rotation=maybe",
            2,
            r#"invalid boolean value "maybe" for -enable-secret-rotation: "#,
        ),
        ("---v", 2, "bad flag syntax: ---v"),
        ("-h", 0, "Usage of "),
        ("--metrics-backend=OpenCensus", 1, "unsupported metrics backend OpenCensus"),
        ("--max-call-recv-msg-size=0", 1, "--max-call-recv-msg-size must be above zero"),
        ("--endpoint=unix://", 255, "invalid endpoint: unix://"),
        ("--endpoint=/csi.sock", 255, "invalid endpoint: /csi.sock"),
        (metrics.as_str(), 1, "choose another address with --metrics-addr"),
        (endpoint.as_str(), 1, "no-socket"),
        ("--kubeconfig=/nowhere/kubeconfig", 1, "/nowhere/kubeconfig"),
    ] {
        let ended = run(&place.arguments(&[argument])).await;
        assert_eq!(ended.code, Some(code), "{argument}: {ended:?}");
        assert!(ended.stderr.contains(text), "{argument}: {ended:?}");
        assert_eq!(ended.stdout, "", "{argument}");
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
}

/// The arguments of the Go chart's DaemonSet with everything switched on, and of people's own manifests.
#[tokio::test]
async fn the_go_drivers_and_klogs_flags_start_the_program_in_any_spelling() {
    let place = Place::new();
    let klog = [
        "-v",
        "2",
        "-vmodule=server=5",
        "--logtostderr",
        "--alsologtostderr=true",
        "-stderrthreshold=ERROR",
        "-stderrthreshold=2",
        "--log_dir=/tmp",
        "-log_file",
        "/tmp/x",
        "--log_file_max_size=10",
        "--log_backtrace_at=a.go:1",
        "-add_dir_header",
        "--skip_headers=false",
        "-skip_log_headers=f",
        "--one_output",
    ];
    let go = [
        "-drivername=secrets-store.csi.k8s.io",
        "--enable-secret-rotation=1",
        "-rotation-poll-interval",
        "1h2m3.5s",
        "--provider-health-check",
        "-provider-health-check-interval=2m0s",
        "--max-call-recv-msg-size=0x400000",
        "-enable-pprof=true",
        "--pprof-port=6065",
        "--metrics-backend=prometheus",
        "--log-format-json=FALSE",
    ];
    let arguments: Vec<_> = klog.into_iter().chain(go).collect();
    let program = place.serve(&arguments).await;
    let lines = program.lines().join("\n");
    assert!(lines.contains("1h2m3.5s") || lines.contains("3723.5s"), "{lines}");
    // Said once, with its name: nobody looks for files that are not written.
    for flag in ["vmodule", "log_dir", "log_file", "stderrthreshold", "log_backtrace_at"] {
        let told = lines.matches(&format!("flag=\"{flag}\"")).count();
        assert_eq!(told, 1, "{flag}: {lines}");
    }
    assert!(std::net::TcpStream::connect("127.0.0.1:6065").is_err(), "no pprof");
    assert!(lines.contains(LISTENING));
}

/// What OpenTelemetry's libraries read, and what manifests expand in arguments, is not read here.
#[tokio::test]
async fn metrics_are_served_as_text_whatever_the_environment_says() {
    let place = Place::new();
    // An address that no other test of this machine has.
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = format!("127.{}.{low}.11:8095", high.max(1));
    let flag = format!("--metrics-addr={address}");
    let environment = [
        ("OTEL_SERVICE_NAME", "other"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b"),
        ("OTEL_SDK_DISABLED", "true"),
        ("CSI_ENDPOINT", "unix:///nowhere/csi.sock"),
        ("KUBE_NODE_NAME", "other"),
    ]
    .map(|(name, value)| (name, Path::new(value)));
    let mut program = Program::start(&place.arguments(&[&flag]), &environment);
    program.logged(LISTENING).await;
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains(r#"service_name="unknown_service:secrets-store-csi-driver""#), "{answer}");
    assert!(answer.contains("process_resident_memory_bytes ") && !answer.contains("other"), "{answer}");
    assert!(place.path("csi.sock").exists());
}

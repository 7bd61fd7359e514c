//! Both forms of the log, on standard error.

use keymount_daemon::grpc::channel;
use keymount_proto::csi::NodeUnpublishVolumeRequest;
use keymount_proto::csi::node_client::NodeClient;
use serde_json::Value;

use crate::program::{LISTENING, Place};

async fn unpublish(place: &Place) {
    let target = place.path("pods/uid/volumes/kubernetes.io~csi/v/mount");
    let request = NodeUnpublishVolumeRequest {
        volume_id: "csi-1".to_owned(),
        target_path: target.display().to_string(),
    };
    let mut csi = NodeClient::new(channel(&place.path("csi.sock")));
    csi.node_unpublish_volume(request).await.expect("an answer");
}

#[tokio::test]
async fn text_has_the_header_of_klog_and_verbosity_adds_lines() {
    let done = "node unpublish volume complete";
    for (verbosity, request) in [("-v=0", false), ("-v=2", false), ("-v=5", true), ("-v=10", true)] {
        let place = Place::new();
        let mut program = place.serve(&[verbosity]).await;
        unpublish(&place).await;
        program.logged(done).await;
        let lines = program.lines();
        assert_eq!(lines.iter().any(|line| line.contains("\"request\"")), request, "{lines:#?}");
        for line in &lines {
            // `I1123 23:11:42.097585   12345 node.rs:35] "message" key="value"`
            let (header, message) = line.split_once("] ").expect("a header");
            let fields: Vec<_> = header.split_whitespace().collect();
            assert!("IWE".contains(&fields[0][..1]) && fields[0].len() == 5, "{line}");
            assert_eq!((fields[1].len(), &fields[1][2..3], &fields[1][8..9]), (15, ":", "."), "{line}");
            assert!(fields[2].parse::<u32>().is_ok() && fields[3].contains(".rs:"), "{line}");
            assert!(message.starts_with('"'), "{line}");
        }
    }
}

#[tokio::test]
async fn json_has_the_keys_of_the_go_driver_one_object_a_line() {
    let place = Place::new();
    let program = place.serve(&["--log-format-json=true", "-v=5"]).await;
    for line in program.lines() {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["level", "timestamp", "caller", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        if line["message"] == LISTENING {
            assert_eq!((&line["level"], &line["node"]), (&"info".into(), &"node-1".into()), "{line}");
        }
    }
}

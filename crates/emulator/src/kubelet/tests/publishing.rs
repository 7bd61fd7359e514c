use std::os::unix::fs::PermissionsExt as _;

use keymount_proto::csi::node_service_capability::rpc::Type as Rpc;
use keymount_proto::csi::volume_capability::AccessType;
use keymount_proto::csi::volume_capability::access_mode::Mode;
use serde_json::json;
use tonic::Code;

use super::*;

const PREFIX: &str = "csi.storage.k8s.io/";

#[tokio::test]
async fn a_publish_says_what_kubelet_says() {
    let world = World::new().await;
    let fake = world.driver().await;
    let pod = world.pod("p", &json!({"securityContext": {"fsGroup": 2000}}));
    world.kubelet.publish(&pod).await.expect("published");
    let (request, timeout) = fake.last();
    let directory = directory::volume(world.root.path(), uid(&pod), "v");
    assert_eq!(request.volume_id, VolumeData::ephemeral(uid(&pod), "v", DRIVER, "node-1").volume_handle);
    assert_eq!(request.target_path, directory.join("mount").to_string_lossy());
    assert!(request.readonly && request.secrets.is_empty() && request.staging_target_path.is_empty());
    let context = |key: &str| request.volume_context.get(&format!("{PREFIX}{key}")).map(String::as_str);
    assert_eq!(
        (context("pod.name"), context("pod.namespace"), context("pod.uid")),
        (Some("p"), Some("default"), Some(uid(&pod)))
    );
    assert_eq!((context("serviceAccount.name"), context("ephemeral")), (Some("default"), Some("true")));
    assert_eq!(context("serviceAccount.tokens"), None);
    assert_eq!(request.volume_context.get("secretProviderClass").map(String::as_str), Some("web"));
    assert_eq!(request.volume_context.len(), 6);
    let capability = request.volume_capability.clone().expect("a capability");
    assert_eq!(capability.access_mode.expect("a mode").mode(), Mode::SingleNodeWriter);
    let Some(AccessType::Mount(mount)) = capability.access_type else { panic!("a mount") };
    assert_eq!(
        (mount.fs_type.as_str(), mount.mount_flags.len(), mount.volume_mount_group.as_str()),
        ("", 0, "")
    );
    // As gRPC writes two minutes.
    assert!(["120000000u", "120S", "2M", "120000m"].contains(&timeout.as_str()), "{timeout}");
    let mode = std::fs::metadata(&directory).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    let data = VolumeData::load(&directory).expect("remembered");
    assert_eq!((data.driver_name.as_str(), data.volume_lifecycle_mode.as_str()), (DRIVER, "Ephemeral"));
}

#[tokio::test]
async fn the_group_goes_to_drivers_that_take_it() {
    let world = World::new().await;
    let fake = world.driver().await;
    fake.script(|script| script.capabilities = vec![Rpc::VolumeMountGroup, Rpc::SingleNodeMultiWriter]);
    let pod = world.pod("p", &json!({"securityContext": {"fsGroup": 2000}}));
    world.kubelet.publish(&pod).await.expect("published");
    let capability = fake.last().0.volume_capability.clone().expect("a capability");
    assert_eq!(capability.access_mode.expect("a mode").mode(), Mode::SingleNodeMultiWriter);
    let Some(AccessType::Mount(mount)) = capability.access_type else { panic!("a mount") };
    assert_eq!(mount.volume_mount_group, "2000");
}

#[tokio::test]
async fn secrets_are_read_for_every_publish() {
    let world = World::new().await;
    let fake = world.driver().await;
    let volumes =
        json!([{"name": "v", "csi": {"driver": DRIVER, "nodePublishSecretRef": {"name": "creds"}}}]);
    let pod = world.pod("p", &json!({"volumes": volumes}));
    let (volume, error) = world.kubelet.publish(&pod).await.expect_err("no Secret");
    assert!(
        volume == "v"
            && !error.is_final()
            && error.to_string().contains("fetching NodePublishSecretRef default/creds failed"),
        "{error}"
    );
    for value in ["one", "two"] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}, "stringData": {"clientsecret": value}});
        world.api.put(&secret).expect("put");
        world.kubelet.publish(&pod).await.expect("published");
        let (request, _) = fake.last();
        assert_eq!(request.secrets.get("clientsecret").map(String::as_str), Some(value));
        assert!(!request.readonly, "as the pod says");
    }
}

#[tokio::test]
async fn tokens_are_for_drivers_that_ask() {
    let start: jiff::Timestamp = "2026-11-24T00:00:00Z".parse().expect("a time");
    let clock = WallClock::simulated(start);
    let world = World::with(clock.clone(), |_| {}).await;
    let fake = world.driver().await;
    world
        .api
        .put(&csi_driver(
            json!({"tokenRequests": [{"audience": "a", "expirationSeconds": 3600}, {"audience": ""}]}),
        ))
        .expect("put");
    let pod = world.pod("p", &json!({}));
    let tokens = async || {
        world.kubelet.publish(&pod).await.expect("published");
        let request = fake.last().0;
        let text =
            request.volume_context.get(&format!("{PREFIX}serviceAccount.tokens")).cloned().expect("tokens");
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let first = tokens().await;
    assert_eq!(first.as_object().map(serde_json::Map::len), Some(2));
    assert!(first["a"]["expirationTimestamp"].is_string());
    let claims =
        crate::token::Parsed::new(first["a"]["token"].as_str().expect("a token")).expect("a JWT").claims;
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(["a"]), &json!("system:serviceaccount:default:default"))
    );
    assert_eq!(claims["kubernetes.io"]["pod"]["uid"], uid(&pod));
    assert_eq!(tokens().await, first, "kept");
    clock.jump(jiff::SignedDuration::from_mins(50));
    assert_ne!(tokens().await["a"], first["a"], "renewed after four fifths of its life");
    world
        .api
        .patch(
            "csidrivers.storage.k8s.io",
            "",
            DRIVER,
            &json!({"spec": {"serviceAccountTokenInSecrets": true}}),
        )
        .expect("patched");
    world.kubelet.publish(&pod).await.expect("published");
    let request = fake.last().0;
    let key = format!("{PREFIX}serviceAccount.tokens");
    assert!(request.secrets.contains_key(&key) && !request.volume_context.contains_key(&key));
}

#[tokio::test]
async fn directories_after_errors() {
    for (code, kept) in [
        (Code::Unknown, false),
        (Code::Internal, false),
        (Code::NotFound, false),
        (Code::InvalidArgument, false),
        (Code::Cancelled, true),
        (Code::DeadlineExceeded, true),
        (Code::Unavailable, true),
        (Code::ResourceExhausted, true),
        (Code::Aborted, true),
    ] {
        let world = World::new().await;
        let fake = world.driver().await;
        fake.script(|script| (script.leaves_target, script.publishes) = (true, [Some(code)].into()));
        let pod = world.pod("p", &json!({}));
        let error = world.kubelet.publish_volume(&pod, "v").await.expect_err("as told");
        assert_eq!((error.code(), error.is_final()), (Some(code), !kept));
        assert!(
            error.to_string().starts_with("rpc error: code = ")
                && error.to_string().ends_with("desc = as told")
        );
        let target = world.kubelet.target_path(uid(&pod), "v");
        assert_eq!(exists(&target), kept, "{code:?}");
        assert_eq!(exists(target.parent().expect("a parent")), kept, "{code:?}");
        world.kubelet.unpublish(uid(&pod)).await.expect("unpublished");
        assert!(!exists(world.kubelet.pods_dir().join(uid(&pod))));
    }
}

#[tokio::test]
async fn a_driver_has_until_the_deadline() {
    let world =
        World::with(WallClock::system(), |options| options.timeout = Duration::from_millis(200)).await;
    let fake = world.driver().await;
    fake.script(|script| script.hangs = true);
    let pod = world.pod("p", &json!({}));
    let error = soon(world.kubelet.publish_volume(&pod, "v")).await.expect_err("too late");
    assert_eq!(error.code(), Some(Code::DeadlineExceeded));
    assert_eq!(error.to_string(), "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
    assert!(exists(world.kubelet.target_path(uid(&pod), "v")));
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let world = World::new().await;
    let pod = world.pod("p", &json!({}));
    let error = world.kubelet.publish_volume(&pod, "v").await.expect_err("no driver");
    assert_eq!(error.to_string(), "driver name fake.test not found in the list of registered CSI drivers");
    assert!(matches!(world.kubelet.publish_volume(&pod, "other").await, Err(MountError::NoVolume(_))));
    let _fake = world.driver().await;
    world.api.delete("csidrivers.storage.k8s.io", "", DRIVER).expect("deleted");
    let error = world.kubelet.publish_volume(&pod, "v").await.expect_err("no object");
    assert_eq!(
        error.to_string(),
        "volume mode \"Ephemeral\" not supported by driver fake.test (no CSIDriver object)"
    );
}

#[tokio::test]
async fn unpublishing_needs_no_pod_and_no_api_server() {
    let world = World::new().await;
    let fake = world.driver().await;
    let pod = world.pod("p", &json!({}));
    world.kubelet.publish(&pod).await.expect("published");
    let container = world.kubelet.start_container(uid(&pod), "v").expect("started");
    std::fs::write(world.kubelet.target_path(uid(&pod), "v").join("db"), "secret").expect("written");
    assert_eq!(
        (container.list().expect("read"), container.read("db").expect("read")),
        (vec!["db".to_owned()], b"secret".to_vec())
    );
    world.api.down().await;
    fake.script(|script| script.unpublishes = [Some(Code::Internal)].into());
    let (volume, error) = world.kubelet.unpublish(uid(&pod)).await.expect_err("as told");
    assert_eq!(
        (volume.as_str(), error.to_string().as_str()),
        ("v", "rpc error: code = Internal desc = as told")
    );
    world.kubelet.unpublish(uid(&pod)).await.expect("unpublished");
    world.kubelet.unpublish(uid(&pod)).await.expect("unpublished already");
    assert!(!exists(world.kubelet.pods_dir().join(uid(&pod))));
}

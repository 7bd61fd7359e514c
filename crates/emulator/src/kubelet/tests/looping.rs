use serde_json::json;
use tonic::Code;

use super::*;

fn phase(pod: Option<&Value>) -> &str {
    pod.and_then(|pod| pod["status"]["phase"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn a_pod_from_its_beginning_to_its_end() {
    let world = World::new().await;
    let _watching = world.kubelet.watch_registry().expect("watched");
    let _running = world.kubelet.run();
    // The pod comes first, the driver later: kubelet tries until it is there.
    let pod = world.pod("p", &json!({}));
    let fake = Fake::start(world.root.path(), DRIVER).await;
    soon(world.api.wait_for("pods", "default", "p", |pod| phase(pod) == "Running")).await;
    fake.called(1, 0).await;
    assert!(exists(world.kubelet.target_path(uid(&pod), "v")));
    // As kubectl deletes: with grace, so that the node has a say.
    let pods: kube::Api<Pod> = kube::Api::default_namespaced(client(&world.api).await);
    pods.delete("p", &kube::api::DeleteParams::default()).await.expect("begun");
    soon(world.api.wait_for("pods", "default", "p", |pod| pod.is_none())).await;
    fake.called(1, 1).await;
    assert!(!exists(world.kubelet.pods_dir().join(uid(&pod))));
}

#[tokio::test]
async fn failures_are_said_and_tried_again() {
    let world = World::new().await;
    let fake = world.driver().await;
    fake.script(|script| {
        script.publishes = [Some(Code::Unknown), Some(Code::Unknown), Some(Code::Unavailable)].into()
    });
    let _running = world.kubelet.run();
    let _pod = world.pod("p", &json!({}));
    soon(world.api.wait_for("pods", "default", "p", |pod| phase(pod) == "Running")).await;
    fake.called(4, 0).await;
    let mut events: Vec<(Value, Value)> = world
        .api
        .list("events", "default")
        .iter()
        .map(|event| (event["message"].clone(), event["count"].clone()))
        .collect();
    events.sort_by_key(|(message, _)| message.to_string());
    let text = |code: &str| {
        json!(format!("MountVolume.SetUp failed for volume \"v\" : rpc error: code = {code} desc = as told"))
    };
    assert_eq!(events, [(text("Unavailable"), json!(1)), (text("Unknown"), json!(2))]);
}

#[tokio::test]
async fn volumes_are_published_again_where_the_driver_asks() {
    let world =
        World::with(WallClock::system(), |options| options.sync_interval = Duration::from_millis(30)).await;
    let fake = world.driver().await;
    world.api.put(&csi_driver(json!({"requiresRepublish": true}))).expect("put");
    let _running = world.kubelet.run();
    let pod = world.pod("p", &json!({}));
    fake.called(2, 0).await;
    // A pod that is up stays up when a republish fails.
    fake.script(|script| script.publishes = [Some(Code::Unavailable)].into());
    let calls = fake.calls.borrow().0;
    fake.called(calls + 3, 0).await;
    assert_eq!(phase(world.api.get("pods", "default", "p").as_ref()), "Running");
    let ended = json!({"status": {"phase": "Succeeded"}});
    let pods: kube::Api<Pod> = kube::Api::default_namespaced(client(&world.api).await);
    pods.patch_status("p", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&ended))
        .await
        .expect("patched");
    fake.called(0, 1).await;
    let gone = async {
        while exists(world.kubelet.pods_dir().join(uid(&pod))) {
            tokio::task::yield_now().await;
        }
    };
    soon(gone).await;
    assert!(world.api.get("pods", "default", "p").is_some(), "the object stays");
}

#[tokio::test]
async fn a_new_kubelet_cleans_up_after_the_old_one() {
    let world = World::new().await;
    let fake = world.driver().await;
    let pod = world.pod("p", &json!({}));
    world.kubelet.publish(&pod).await.expect("published");
    world.api.delete("pods", "default", "p").expect("deleted");
    let options = world.kubelet.options().clone();
    let kubelet = Kubelet::new(options).expect("a kubelet");
    let _watching = kubelet.watch_registry().expect("watched");
    let _running = kubelet.run();
    fake.called(1, 1).await;
}

#[tokio::test]
async fn one_volume_does_not_wait_for_another() {
    let world = World::new().await;
    let fake = world.driver().await;
    let csi = |name: &str, driver: &str| json!({"name": name, "csi": {"driver": driver}});
    let pod = world.pod("p", &json!({"volumes": [csi("missing", "none.test"), csi("v", DRIVER)]}));
    let _running = world.kubelet.run();
    fake.called(1, 0).await;
    assert!(exists(world.kubelet.target_path(uid(&pod), "v")));
    assert_eq!(phase(world.api.get("pods", "default", "p").as_ref()), "Pending");
    let said = |world: &World| {
        let events = world.api.list("events", "default");
        events.iter().any(|event| {
            event["message"].as_str().is_some_and(|text| text.contains("driver name none.test not found"))
        })
    };
    let said = async {
        let mut revision = 0;
        while !said(&world) {
            revision = world.api.changed_after(revision).await;
        }
    };
    soon(said).await;
    assert_eq!(fake.calls.borrow().0, 1, "what is published is left alone");
}

use serde_json::json;

use super::*;

fn csi_node(world: &World) -> Value {
    world.api.get("csinodes.storage.k8s.io", "", "node-1").expect("the node's object")["spec"]["drivers"]
        .clone()
}

#[tokio::test]
async fn a_driver_registers_and_is_written_down() {
    let world = World::new().await;
    world
        .api
        .create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}))
        .expect("created");
    let fake = Fake::start(world.root.path(), DRIVER).await;
    let registration = world.kubelet.register(&fake.registration).await.expect("registered");
    assert_eq!((registration.driver.name.as_str(), registration.driver.node_id.as_str()), (DRIVER, "node-1"));
    assert_eq!(world.kubelet.drivers().get(DRIVER), Some(&registration.driver));
    let verdicts = fake.verdicts.borrow().clone();
    assert_eq!(
        verdicts
            .iter()
            .map(|verdict| (verdict.plugin_registered, verdict.error.as_str()))
            .collect::<Vec<_>>(),
        [(true, "")]
    );
    assert_eq!(csi_node(&world), json!([{"name": DRIVER, "nodeID": "node-1"}]));
    let object = world.api.get("csinodes.storage.k8s.io", "", "node-1").expect("the object");
    assert_eq!(object["metadata"]["ownerReferences"][0]["kind"], "Node");
    let revision = world.api.revision();
    world.kubelet.register(&fake.registration).await.expect("registered again");
    assert_eq!(world.api.revision(), revision, "nothing to write");
    world.kubelet.deregister(DRIVER).await;
    assert!(world.kubelet.drivers().is_empty() && csi_node(&world) == json!([]));
}

#[tokio::test]
async fn what_is_no_driver_is_refused_and_told_so() {
    let world = World::new().await;
    let fake = Fake::start(world.root.path(), DRIVER).await;
    for (kind, versions, text) in [
        ("DevicePlugin", vec!["1.0.0"], "no handler registered for plugin type: DevicePlugin"),
        ("CSIPlugin", vec![], "Plugin returned an empty list for supported versions"),
        ("CSIPlugin", vec!["2.0.0", "x"], "None of the versions specified"),
    ] {
        fake.script(|script| {
            script.info.r#type = kind.to_owned();
            script.info.supported_versions = versions.into_iter().map(str::to_owned).collect();
        });
        let error = world.kubelet.register(&fake.registration).await.expect_err("refused");
        assert!(error.to_string().contains(text) && error.is_retried(), "{error}");
        let verdict = fake.verdicts.borrow().last().cloned().expect("a verdict");
        assert!(!verdict.plugin_registered && verdict.error.contains(text));
    }
    assert!(world.kubelet.drivers().is_empty());
}

#[tokio::test]
async fn a_driver_that_does_not_answer_gets_one_chance() {
    let world = World::new().await;
    let fake = Fake::start(world.root.path(), DRIVER).await;
    fake.script(|script| script.node_info_fails = true);
    let error = world.kubelet.register(&fake.registration).await.expect_err("failed");
    assert!(matches!(error, RegistrationError::Failed(_)) && !error.is_retried());
    assert!(!fake.verdicts.borrow()[0].plugin_registered);
    let _watching = world.kubelet.watch_registry().expect("watched");
    soon(fake.verdicts.subscribe().wait_for(|verdicts| verdicts.len() == 2)).await.expect("told again");
    // Only a new socket is a new chance.
    drop(fake);
    let again = Fake::start(world.root.path(), DRIVER).await;
    soon(world.kubelet.registered(DRIVER)).await;
    assert!(again.verdicts.borrow().iter().all(|verdict| verdict.plugin_registered));
}

#[tokio::test]
async fn sockets_come_and_go() {
    let world = World::new().await;
    let _watching = world.kubelet.watch_registry().expect("watched");
    std::fs::write(world.kubelet.registry_dir().join("no-socket"), "").expect("written");
    // Somebody who does not listen yet is tried again.
    let silent = world.kubelet.registry_dir().join("silent-reg.sock");
    drop(std::os::unix::net::UnixListener::bind(&silent).expect("a socket"));
    let fake = Fake::start(world.root.path(), DRIVER).await;
    soon(world.kubelet.registered(DRIVER)).await;
    let mut drivers = world.kubelet.0.drivers.subscribe();
    std::fs::remove_file(&fake.registration).expect("removed");
    soon(drivers.wait_for(|drivers| !drivers.contains_key(DRIVER))).await.expect("the kubelet lives");
    let _again = Fake::start(world.root.path(), DRIVER).await;
    soon(world.kubelet.registered(DRIVER)).await;
}

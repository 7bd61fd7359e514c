//! `keymount verify` against the emulator.

use keymount_emulator::vault::Access;
use keymount_stack_tests::stack_test;
use serde_json::Value;

use crate::scene::Scene;
use crate::transcript::recorded;

fn stages(report: &Value) -> Vec<&str> {
    report["steps"].as_array().into_iter().flatten().filter_map(|step| step["stage"].as_str()).collect()
}

stack_test!(a_class_is_tried_step_by_step, async |_| {
    let scene = Scene::start().await;
    scene.put_class(|class| {
        class["spec"]["parameters"]["objects"] = "array:\n  - |\n    objectName: password\n    objectType: secret\n    objectAlias: db/pw\n  - |\n    objectName: pasword\n    objectType: secret\n".into();
    });
    let said = scene.run(&["verify", "web", "-o", "json"]).await;
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    let report = &serde_json::from_str::<Value>(&said.out).expect("JSON")[0];
    assert_eq!(
        stages(report),
        ["class", "credential", "dns", "tcp", "tls", "token", "dns", "tcp", "tls", "object", "object"]
    );
    let steps = report["steps"].as_array().expect("steps");
    assert!(
        steps[9]["detail"].as_str().is_some_and(|text| text.starts_with("db/pw 0644 12 bytes at ")),
        "{}",
        steps[9]
    );
    assert_eq!(steps[10]["error"]["number"], "KM0409");
    let text = scene.run(&["verify", "web"]).await.out;
    assert!(text.contains("KM0409 ObjectNotFound") && text.contains("a mount would fail"), "{text}");

    scene.put_class(|_| {});
    let said = scene.run(&["verify", "web"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    recorded("cli.md", "verify", &["verify", "web"], &said.out);
    assert!(said.out.contains("a mount would work") && said.out.contains("TLS 1.3"), "{}", said.out);
    scene.pod("web").await;
    assert_eq!(scene.run(&["verify", "--pod", "web"]).await.code, Some(0));
});

stack_test!(each_stage_fails_in_its_own_words, async |_| {
    let scene = Scene::start().await;
    let parameter = |name: &'static str, value: &'static str| {
        move |class: &mut Value| class["spec"]["parameters"][name] = value.into()
    };
    for (name, value, stage, number) in [
        ("keyvaultName", "https://kv1", "class", "KM0106"),
        ("keyvaultName", "kv-other", "dns", "KM0415"),
        ("tenantID", "11111111-2222-4333-8444-555555555555", "token", "KM0304"),
        ("clientID", "", "credential", "KM0203"),
    ] {
        scene.put_class(parameter(name, value));
        let said = scene.run(&["verify", "web", "-o", "json"]).await;
        assert_eq!(said.code, Some(1), "{value}: {}", said.err);
        let report = &serde_json::from_str::<Value>(&said.out).expect("JSON")[0];
        let last = report["steps"].as_array().and_then(|steps| steps.last()).expect("a step").clone();
        assert_eq!((&last["stage"], &last["error"]["number"]), (&stage.into(), &number.into()), "{report:#}");
    }
    scene.azure.vault("kv1").set_access(Access { firewalled: true, ..Access::default() });
    scene.put_class(|_| {});
    let said = scene.run(&["verify", "web"]).await;
    assert!(said.out.contains("KM0405 VaultForbiddenByFirewall"), "{}", said.out);
    let said = scene.run(&["verify", "web", "--service-account", "nobody"]).await;
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.err.contains("cannot make a token for the service account default/nobody"), "{}", said.err);
});

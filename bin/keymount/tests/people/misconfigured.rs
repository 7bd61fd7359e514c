//! Ten mistakes that people make, and what shows them the cause: the events of the pod, and one command each. What that command
//! prints stands in docs/mistakes.md.

use jiff::ToSpan as _;
use keymount_emulator::kubernetes::{Denial, Verb};
use keymount_emulator::vault::{Access, Model};
use keymount_stack_tests::{CLASSES, stack_test};
use serde_json::json;

use crate::scene::Scene;
use crate::transcript::recorded;

const PAGE: &str = "mistakes.md";

/// The first mount of the pod `web` fails: events and state name the code, and `keymount describe` says what to do.
async fn fails(scene: &Scene, name: &str, number: &str, code: &str, remedy: &str) -> String {
    let pod = scene.pod("web").await;
    assert!(!scene.mount(&pod).await, "the pod starts all the same");
    let events = scene.events("web", "FailedMount").await;
    assert!(events.contains(&format!("reason: {code} ({number})")), "{events}");
    let condition = scene.condition("web", "Mounted", "False").await;
    assert_eq!(condition["reason"], code);
    assert!(
        condition["message"].as_str().is_some_and(|text| text.ends_with(&format!("({number})"))),
        "{condition}"
    );
    let arguments = ["describe", "pod", "web"];
    let said = scene.run(&arguments).await;
    recorded(PAGE, name, &arguments, &said.out);
    assert_eq!(said.code, Some(1), "{}", said.err);
    for part in [number, code, "What to do", remedy] {
        assert!(said.out.contains(part), "{part} is not in\n{}", said.out);
    }
    said.out
}

stack_test!(wrong_tenant, async |_| {
    let scene = Scene::start().await;
    scene.put_class(|class| {
        class["spec"]["parameters"]["tenantID"] = "11111111-2222-4333-8444-555555555555".into()
    });
    let said = fails(&scene, "wrong tenant", "KM0304", "TokenTenantNotFound", "tenantID").await;
    assert!(said.contains("✗ Identity") && said.contains("· Vault"), "{said}");
});

stack_test!(wrong_vault, async |_| {
    let scene = Scene::start().await;
    scene.put_class(|class| class["spec"]["parameters"]["keyvaultName"] = "kv-other".into());
    let said = fails(&scene, "wrong vault", "KM0415", "VaultNotResolved", "keyvaultName").await;
    assert!(said.contains("✓ Identity") && said.contains("✗ Vault     kv-other"), "{said}");
});

stack_test!(missing_permission, async |_| {
    let scene = Scene::start().await;
    scene.azure.vault("kv1").set_access(Access {
        model: Model::Rbac,
        grants: Some(Vec::new()),
        ..Access::default()
    });
    scene.put_class(|_| {});
    fails(&scene, "missing permission", "KM0404", "VaultForbiddenByRbac", "role").await;
});

stack_test!(disabled_secret, async |_| {
    let scene = Scene::start().await;
    let vault = scene.azure.vault("kv1");
    let version = vault.set_secret("password", "v4lue-c4n4ry").expect("a version");
    vault.enable_secret("password", &version, false).expect("a secret");
    scene.put_class(|_| {});
    let said = fails(&scene, "disabled secret", "KM0407", "ObjectDisabled", "Enable the object").await;
    assert!(said.contains("✓ Vault") && said.contains("✗ Content"), "{said}");
});

// The pod starts, but the Secret that it waits for in its environment never comes.
stack_test!(typo_in_the_alias, async |_| {
    let scene = Scene::start().await;
    scene.put_class(|class| Scene::with_secret(class, "pasword"));
    let pod = scene.pod("web").await;
    assert!(scene.mount(&pod).await);
    let events = scene.events("web", "FailedToCreateSecret").await;
    assert!(events.contains("pasword") && events.contains("reason: SecretDataMissing (KM0703)"), "{events}");
    scene.condition("web", "SecretsSynced", "False").await;
    let said = scene.run(&["describe", "pod", "web"]).await;
    recorded(PAGE, "typo in the alias", &["describe", "pod", "web"], &said.out);
    assert_eq!(said.code, Some(1));
    for part in [
        "KM0703 SecretDataMissing",
        "web-db (missing)",
        "objectName in secretObjects is the objectAlias",
        "lint error",
    ] {
        assert!(said.out.contains(part), "{part} is not in\n{}", said.out);
    }
});

stack_test!(wrong_namespace, async |_| {
    let scene = Scene::start().await;
    scene.api().delete(CLASSES, "default", "web").expect("a class");
    scene.put_class(|class| class["metadata"]["namespace"] = "shop".into());
    let said = fails(&scene, "wrong namespace", "KM0603", "ClassNotReadable", "in the pod's namespace").await;
    assert!(said.contains("✗ Class") && said.contains("there is one in shop"), "{said}");
});

stack_test!(provider_down, async |_| {
    let mut scene = Scene::start().await;
    scene.stop_provider();
    scene.put_class(|_| {});
    let said = fails(&scene, "provider down", "KM0607", "ProviderNotFound", "install the provider").await;
    assert!(said.contains("✓ Class") && said.contains("✗ Driver"), "{said}");
});

stack_test!(firewall, async |_| {
    let scene = Scene::start().await;
    scene.azure.vault("kv1").set_access(Access { firewalled: true, ..Access::default() });
    scene.put_class(|_| {});
    fails(&scene, "firewall", "KM0405", "VaultForbiddenByFirewall", "firewall").await;
});

stack_test!(clock_skew, async |_| {
    let scene = Scene::with_azure_ahead(3.hours()).await;
    scene.put_class(|_| {});
    let said = fails(&scene, "clock skew", "KM0302", "TokenAssertionExpired", "clock").await;
    assert!(said.contains("The clock of the node or of Entra is off"), "{said}");
});

stack_test!(rights_missing_for_sync, async |_| {
    let scene = Scene::start().await;
    for verb in [Verb::Get, Verb::Create] {
        let resource = Some("secrets".to_owned());
        scene.api().deny(Denial { verb: Some(verb), resource, ..Denial::default() });
    }
    scene.put_class(|class| Scene::with_secret(class, "password"));
    let pod = scene.pod("web").await;
    assert!(scene.mount(&pod).await);
    let events = scene.events("web", "FailedToCreateSecret").await;
    assert!(events.contains("reason: SecretForbidden (KM0709)"), "{events}");
    let condition = scene.condition("web", "SecretsSynced", "False").await;
    assert_eq!(condition["reason"], "SecretForbidden");
    let said = scene.run(&["describe", "pod", "web"]).await;
    recorded(PAGE, "rights missing for sync", &["describe", "pod", "web"], &said.out);
    assert!(
        said.out.contains("KM0709 SecretForbidden") && said.out.contains("syncSecret.enabled=true"),
        "{}",
        said.out
    );
    // What the administrator of the cluster sees.
    let status = scene.run(&["status", "-o", "json"]).await;
    let views: serde_json::Value = serde_json::from_str(&status.out).expect("JSON");
    assert_eq!(
        (&views[0]["state"], &views[0]["problems"][0]["number"]),
        (&json!("NotSynced"), &json!("KM0709"))
    );
});

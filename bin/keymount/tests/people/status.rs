//! `keymount status`, `refresh` and `describe` of a cluster that is well, and while something changes.

use keymount_stack_tests::stack_test;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::scene::Scene;
use crate::transcript::recorded;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

stack_test!(a_volume_is_shown_in_every_form, async |_| {
    let scene = Scene::start().await;
    scene.put_class(|class| Scene::with_secret(class, "password"));
    let web = scene.pod("web").await;
    assert!(scene.mount(&web).await);
    scene.condition("web", "Mounted", "True").await;
    scene.node.secret("web-db", |secret| !secret.is_null()).await;
    // Of this one no driver has told anything yet.
    scene.pod("waiting").await;

    let table = scene.run(&["status"]).await;
    assert_eq!(table.code, Some(0), "{}", table.err);
    recorded("cli.md", "status", &["status"], &table.out);
    let lines: Vec<&str> = table.out.lines().collect();
    assert!(lines[0].starts_with("NAMESPACE") && lines.len() == 3, "{}", table.out);
    assert!(lines[1].contains("waiting") && lines[1].contains("Unknown"), "{}", table.out);
    assert!(lines[2].contains("web") && lines[2].contains("Mounted"), "{}", table.out);
    assert!(!table.out.contains('\x1b'), "colours in a pipe");
    let wide = scene.run(&["status", "-A", "-o", "wide"]).await;
    assert!(
        wide.out.contains("node-1") && wide.out.contains("1/1") && wide.out.contains("secret/password="),
        "{}",
        wide.out
    );

    let views = json(&scene.run(&["status", "-o", "json", "--pod", "web"]).await.out);
    assert_eq!(views.as_array().map(Vec::len), Some(1));
    let view = &views[0];
    assert_eq!(
        (&view["state"], &view["node"], &view["rotates"]),
        (&"Mounted".into(), &"node-1".into(), &true.into())
    );
    assert_eq!(view["objects"][0]["id"], "secret/password");
    assert_eq!(view["secrets"][0]["state"], "Synced");
    let yaml = scene.run(&["status", "-o", "yaml", "--class", "web"]).await;
    let from_yaml: Value = serde_saphyr::from_str(&yaml.out).expect("YAML");
    assert_eq!(from_yaml.as_array().map(Vec::len), Some(2), "{}", yaml.out);
    let problems = json(&scene.run(&["status", "-o", "json", "--problems", "--node", "node-1"]).await.out);
    assert_eq!(problems.as_array().map(Vec::len), Some(1), "{problems}");

    let described = scene.run(&["describe", "pod/web"]).await;
    recorded("cli.md", "describe", &["describe", "pod", "web"], &described.out);
    assert_eq!(described.code, Some(0), "{}\n{}", described.out, described.err);
    for part in [
        "✓ Class",
        "✓ Driver",
        "✓ Identity",
        "✓ Vault",
        "✓ Content",
        "✓ Secrets",
        "web-db (synced)",
        "rotates",
    ] {
        assert!(described.out.contains(part), "{part} is not in\n{}", described.out);
    }
    // What kubectl completes behind `kubectl keymount`.
    for (words, names) in
        [(["describe", "pod", ""], "waiting\nweb\n:4\n"), (["verify", "-n", "sh"], "shop\n:4\n")]
    {
        let completed =
            scene.command(&words).arg0("kubectl_complete-keymount").output().await.expect("a program");
        assert_eq!(String::from_utf8_lossy(&completed.stdout), names, "{words:?}");
    }
    for (arguments, part) in [
        (&["describe", "nothing"][..], "not found"),
        (&["describe", "node", "node-1"], "only pods can be described"),
        (&["status", "--kubeconfig", "/nothing"], "/nothing"),
        (&["refresh", "nothing"], "not found"),
    ] {
        let said = scene.run(arguments).await;
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.err.contains(part), "{}", said.err);
    }
});

stack_test!(the_end_of_a_certificate_is_shown, async |_| {
    let scene = Scene::start().await;
    let certificate = json(r#"{"name": "site", "pem": true, "chain": true, "months": 1200}"#);
    let certificate = serde_json::from_value(certificate).expect("a certificate");
    scene.azure.vault("kv1").put_certificate(&certificate).await.expect("a version");
    scene.put_class(|class| {
        class["spec"]["parameters"]["objects"] =
            "array:\n  - |\n    objectName: site\n    objectType: secret\n    objectAlias: tls/site\n".into();
    });
    let web = scene.pod("web").await;
    assert!(scene.mount(&web).await);
    scene.condition("web", "Mounted", "True").await;
    let view = json(&scene.run(&["status", "-o", "json"]).await.out)[0].clone();
    assert_eq!(view["certificates"][0]["path"], "tls/site", "{view:#}");
    let end = view["certificates"][0]["notAfter"].as_str().expect("a time").to_owned();
    assert!(end.starts_with("2126-"), "{end}");
    let table = scene.run(&["status"]).await.out;
    let (header, row) = table.split_once('\n').expect("two lines");
    let expires = row.get(header.find("EXPIRES").expect("a column")..).expect("a cell");
    assert!(expires.split_whitespace().next().is_some_and(|left| left.ends_with('d')), "{table}");
    let described = scene.run(&["describe", "web"]).await.out;
    assert!(described.contains("certificate tls/site expires in "), "{described}");
    assert!(described.contains(&end[..10]), "{described}");
});

stack_test!(a_watch_shows_what_changes_and_a_refresh_changes_it, async |_| {
    let scene = Scene::start().await;
    scene.put_class(|_| {});
    let web = scene.pod("web").await;
    assert!(scene.mount(&web).await);
    scene.condition("web", "Mounted", "True").await;
    let mut command = scene.command(&["status", "--watch", "-o", "json"]);
    let mut watch = command.stdout(std::process::Stdio::piped()).spawn().expect("a program");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let mut next = async || json(&lines.next_line().await.expect("a line").expect("a line"));
    let before = next().await;
    let version = scene.azure.vault("kv1").set_secret("password", "n3xt-c4n4ry").expect("a version");
    let said = scene.run(&["refresh", "web"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("default/web: 1 pod has it fetched again"), "{}", said.out);
    let after = next().await;
    assert_ne!(before["objects"], after["objects"]);
    assert_eq!(after["objects"][0]["version"], version.as_str());
    // The other two ways to say which classes.
    for arguments in [&["refresh", "--pod", "web"][..], &["refresh", "--all"]] {
        assert_eq!(scene.run(arguments).await.code, Some(0), "{arguments:?}");
    }
    watch.kill().await.expect("an end");
});

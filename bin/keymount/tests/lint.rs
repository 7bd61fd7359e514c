//! `keymount lint` as people and pipelines run it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const CLASS: &str = r#"apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: web
spec:
  provider: azure
  parameters:
    keyVaultName: kv-of-web
    tenantID: 5c791829-6568-4cc6-9b44-d9bbd7393dce
    useVMManagedIdentity: true
    objects: |
      array:
        - |
          objectName: password
          objectType: Secret
"#;

fn lint(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keymount"))
        .arg("lint")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("an end")
}

/// The linter and the provider's client have a list each, as neither knows the other.
#[test]
fn the_linter_knows_the_clouds_that_the_provider_knows() {
    let mut clouds = keymount_lint::CLOUDS.map(str::to_uppercase);
    let mut known: Vec<_> = keymount_identity::Cloud::names().collect();
    clouds.sort();
    known.sort_unstable();
    assert_eq!(clouds.to_vec(), known);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn people_see_the_place_and_what_to_do() {
    let output = lint(&["-"], CLASS);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn exit_codes_tell_pipelines() {
    let good = CLASS
        .replace("keyVaultName", "keyvaultName")
        .replace(": true", ": \"true\"")
        .replace("Secret\n", "secret\n");
    let good = good.replace("kind: secret", "kind: Secret");
    assert_eq!(lint(&["-"], &good).status.code(), Some(0), "{}", text(&lint(&["-"], &good).stdout));
    let doubtful = good.replace("x-k8s.io/v1", "x-k8s.io/v1alpha1");
    assert_eq!(lint(&["-"], &doubtful).status.code(), Some(0));
    assert_eq!(lint(&["-", "--deny-warnings"], &doubtful).status.code(), Some(1));
    assert_eq!(
        lint(&["-", "--deny-warnings", "--allow", "DeprecatedVersion"], &doubtful).status.code(),
        Some(0)
    );
    for wrong in [&["no-such-file.yaml"][..], &["-", "--allow", "NoSuchCode"], &[], &["-", "--format", "xml"]]
    {
        let output = lint(wrong, &good);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn programs_get_json_sarif_and_annotations() {
    let json: serde_json::Value =
        serde_json::from_slice(&lint(&["-", "--format", "json"], CLASS).stdout).expect("JSON");
    let codes: Vec<_> =
        json["diagnostics"].as_array().expect("a list").iter().map(|found| found["code"].as_str()).collect();
    assert_eq!(
        codes,
        [
            Some("UnknownParameter"),
            Some("VaultNameMissing"),
            Some("ParameterNotString"),
            Some("InvalidObjectType")
        ]
    );
    assert_eq!(json["diagnostics"][3]["start"], serde_json::json!({"line": 15, "column": 23}));
    let sarif: serde_json::Value =
        serde_json::from_slice(&lint(&["-", "--format", "sarif"], CLASS).stdout).expect("JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let region = &sarif["runs"][0]["results"][3]["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["endColumn"]), (&15.into(), &29.into()));
    let github = text(&lint(&["-", "--format", "github"], CLASS).stdout);
    assert!(
        github.starts_with("::error file=<stdin>,line=8,col=5,title=UnknownParameter::unknown parameter"),
        "{github}"
    );
    assert_eq!(github.lines().count(), 4);
}

#[test]
fn fixes_go_into_the_files_and_templates_are_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (class, template) = (directory.path().join("class.yaml"), directory.path().join("template.yaml"));
    std::fs::write(&class, CLASS).expect("a file");
    std::fs::write(&template, "kind: {{ .Values.kind }}\n").expect("a file");
    let path = directory.path().to_str().expect("UTF-8");
    let output = lint(&[path, "--fix"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("template.yaml: a template"), "{}", text(&output.stdout));
    let fixed = std::fs::read_to_string(&class).expect("a file");
    assert!(
        fixed.contains("keyvaultName: kv")
            && fixed.contains("\"true\"")
            && fixed.contains("objectType: secret"),
        "{fixed}"
    );
    assert_eq!(lint(&["-", "--fix"], CLASS).status.code(), Some(2), "standard input cannot be changed");
}

use proptest::prelude::*;

use super::*;

fn report(texts: &[&str]) -> Report {
    let source =
        |(index, text): (usize, &&str)| Source { name: format!("{index}.yaml"), text: (*text).to_owned() };
    lint(&texts.iter().enumerate().map(source).collect::<Vec<_>>(), "default")
}

/// `code@line:column` of everything that is found.
fn codes(texts: &[&str]) -> Vec<String> {
    let told = |found: &Diagnostic| format!("{}@{}:{}", found.code, found.start.line, found.start.column);
    report(texts).diagnostics.iter().map(told).collect()
}

const GOOD: &str = r#"apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: web
spec:
  provider: azure
  parameters:
    keyvaultName: kv-of-web
    tenantID: 5c791829-6568-4cc6-9b44-d9bbd7393dce
    clientID: 0ab5a5d0-4f2f-4a5b-9a0f-6a5e0a8a5f11
    objects: |
      array:
        - |
          objectName: db-password
          objectType: secret
        - |
          objectName: site
          objectAlias: tls/site.pem
          objectType: secret
  secretObjects:
    - secretName: site
      type: kubernetes.io/tls
      data:
        - objectName: tls/site.pem
          key: tls.crt
        - objectName: tls/site.pem
          key: tls.key
"#;

const POD: &str = r"apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  serviceAccountName: web
  containers:
    - name: web
      image: web
      env:
        - name: PASSWORD
          valueFrom: {secretKeyRef: {name: site, key: password}}
      volumeMounts:
        - {name: secrets, mountPath: /secrets}
  volumes:
    - name: secrets
      csi:
        driver: secrets-store.csi.k8s.io
        readOnly: true
        volumeAttributes:
          secretProviderClass: web
";

#[test]
fn what_is_right_is_left_alone() {
    let report = report(&[GOOD, POD]);
    assert_eq!(report.diagnostics, []);
    assert_eq!((report.classes, report.pods), (1, 1));
}

/// Each change of the good class or pod, and what is said of it: in the line and column of the mistake.
#[test]
fn each_mistake_is_told_where_it_stands() {
    for (from, to, told) in [
        ("x-k8s.io/v1\n", "x-k8s.io/v1alpha1\n", "DeprecatedVersion@1:13"),
        ("x-k8s.io/v1\n", "x-k8s.io/v2\n", "UnknownVersionOfApi@1:13"),
        ("  name: web\nspec:\n  provider", "  name: Web\nspec:\n  provider", "InvalidName@4:9"),
        ("  provider: azure", "  provider:", "ProviderNotSet@6:11"),
        ("  provider: azure", "  provider: a/b", "ProviderInvalid@6:13"),
        ("  secretObjects:", "  secretObject:", "UnknownField@20:3"),
        ("    keyvaultName: kv-of-web\n", "", "VaultNameMissing@8:5"),
        ("keyvaultName:", "keyVaultName:", "UnknownParameter@8:5"),
        ("kv-of-web", "https://kv.vault.azure.net", "InvalidVaultName@8:19"),
        ("    tenantID: 5c791829-6568-4cc6-9b44-d9bbd7393dce\n", "", "TenantMissing@8:5"),
        ("5c791829-6568-4cc6-9b44-d9bbd7393dce", "contoso", "TenantNotGuid@9:15"),
        ("clientID: 0ab5a5d0-4f2f-4a5b-9a0f-6a5e0a8a5f11", "clientID: my-identity", "ClientIdNotGuid@10:5"),
        (
            "0ab5a5d0-4f2f-4a5b-9a0f-6a5e0a8a5f11",
            "5c791829-6568-4cc6-9b44-d9bbd7393dce",
            "ClientIdIsTenant@10:5",
        ),
        ("    objects: |", "    usePodIdentity: true\n    objects: |", "ParameterNotString@11:21"),
        ("    objects: |", "    usePodIdentity: \"true\"\n    objects: |", "PodIdentityDeprecated@11:5"),
        ("    objects: |", "    usePodIdentity: \"ja\"\n    objects: |", "InvalidFlag@11:21"),
        ("    objects: |", "    useVMManagedIdentity: \"true\"\n    objects: |", "ClientIdUnused@10:5"),
        (
            "    objects: |",
            "    userAssignedIdentityID: 0ab5a5d0-4f2f-4a5b-9a0f-6a5e0a8a5f11\n    objects: |",
            "UserAssignedIdentityUnused@11:5",
        ),
        ("    objects: |", "    cloudName: AzureGovernment\n    objects: |", "CloudUnknown@11:16"),
        (
            "          objectName: db-password",
            "          objectname: db-password",
            "UnknownObjectField@14:11",
        ),
        ("objectType: secret\n        - |", "objectType: Secret\n        - |", "InvalidObjectType@15:23"),
        ("objectAlias: tls/site.pem\n", "objectAlias: ../site.pem\n", "InvalidFileName@18:24"),
        ("objectAlias: tls/site.pem\n", "objectAlias: [\n", "InvalidYaml@18:24"),
        ("      type: kubernetes.io/tls\n", "", "SecretObjectInvalid@21:7"),
        ("secretName: site", "secretName: Site", "SecretObjectInvalid@21:19"),
        (
            "        - objectName: tls/site.pem\n          key: tls.crt",
            "        - objectName: tls/site.pen\n          key: tls.crt",
            "SecretDataMissing@24:23",
        ),
        ("key: tls.crt", "key: tls/crt", "SecretObjectInvalid@25:16"),
        ("type: kubernetes.io/tls", "type: kubernetes.io/dockerconfigjson", "SecretKeysMissing@22:13"),
        ("type: kubernetes.io/tls", "type: kubernetes.io/tsl", "UnusualSecretType@22:13"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = codes(&[&GOOD.replacen(from, to, 1)]);
        assert!(found.contains(&told.to_owned()), "{to:?}: {found:?} has not {told}");
    }
    for (from, to, told) in [
        ("        readOnly: true\n", "", "VolumeNotReadOnly@18:9"),
        ("readOnly: true", "readOnly: false", "VolumeNotReadOnly@19:19"),
        ("secretProviderClass: web", "secretproviderclass: web", "ClassNotSet@21:11"),
        ("secretProviderClass: web", "secretProviderClass: wep", "ClassNotFound@21:32"),
        ("  name: web\nspec", "  name: web\n  namespace: other\nspec", "ClassInOtherNamespace@22:32"),
        ("mountPath: /secrets", "mountPath: /secrets/a, subPath: a", "SubPathNotUpdated@14:59"),
    ] {
        let found = codes(&[&POD.replacen(from, to, 1), GOOD]);
        assert!(found.contains(&told.to_owned()), "{to:?}: {found:?} has not {told}");
    }
}

#[test]
fn a_certificate_without_its_key_is_told_before_the_secret_lacks_it() {
    let text = GOOD
        .replace("tls/site.pem\n          objectType: secret", "tls/site.pem\n          objectType: cert");
    assert_eq!(codes(&[&text]), ["CertificateHasNoKey@26:23"]);
}

#[test]
fn everything_that_is_wrong_in_objects_is_told_at_once() {
    let text = GOOD
        .replace("objectName: db-password", "objectName: db-password\n          filePermission: rw")
        .replace("objectAlias: tls/site.pem\n", "objectAlias: /site.pem\n");
    assert_eq!(codes(&[&text]), ["InvalidFilePermission@15:27", "InvalidFileName@19:24"]);
}

#[test]
fn classes_are_checked_against_each_other() {
    let other = GOOD.replace("  name: web\n", "  name: other\n");
    assert_eq!(codes(&[GOOD, &other]), ["SecretOfAnotherClass@21:19"]);
    assert_eq!(codes(&[GOOD, GOOD]), ["ClassTwice@4:9"]);
    // In one file, in a list, or as JSON.
    assert_eq!(codes(&[&format!("{GOOD}---\n{other}")]), ["SecretOfAnotherClass@49:19"]);
    let json = r#"{"kind": "List", "items": [{"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
        "metadata": {"name": "a"}, "spec": {"provider": "aws", "parameters": {"objects": ""}}}]}"#;
    assert_eq!((codes(&[json]), report(&[json]).classes), (Vec::new(), 1));
}

#[test]
fn the_identity_of_the_service_account_is_compared() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n  annotations:\n    azure.workload.identity/client-id: 11111111-2222-3333-4444-555555555555\n";
    assert_eq!(codes(&[account, GOOD, POD]), ["ClientIdOfAnotherAccount@4:9"]);
}

#[test]
fn a_secret_of_a_class_that_the_pod_does_not_mount() {
    let other = GOOD
        .replace("  name: web\n", "  name: other\n")
        .replace("secretName: site", "secretName: other-site");
    let pod = POD.replace("secretKeyRef: {name: site", "secretKeyRef: {name: other-site");
    assert_eq!(codes(&[GOOD, &other, &pod]), ["SecretOfUnmountedClass@12:44"]);
}

#[test]
fn a_file_that_is_no_yaml_is_told_with_what_came_before_it() {
    let text = format!("{GOOD}---\na: [\n");
    let report = report(&[&text]);
    assert_eq!(report.classes, 1);
    assert_eq!(report.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>(), ["FileInvalidYaml"]);
}

/// What can be put right is right afterwards, and nothing else has changed.
#[test]
fn fixes_put_it_right() {
    for (from, to) in [
        ("x-k8s.io/v1\n", "x-k8s.io/v1alpha1\n"),
        ("keyvaultName:", "keyVaultName:"),
        ("objectName: db-password", "objectname: db-password"),
        ("objectType: secret", "objectType: Secret"),
        ("objects: |", "Objects: |"),
    ] {
        fixed(&GOOD.replacen(from, to, 1), GOOD);
    }
    let flag = "    useVMManagedIdentity: \"false\"\n    objects: |";
    let good = GOOD.replace("    objects: |", flag);
    fixed(&good.replace("\"false\"", "false"), &good);
    fixed(&POD.replace("readOnly: true", "readOnly: false"), POD);
    fixed(&POD.replace("        readOnly: true\n", ""), POD);
}

fn fixed(wrong: &str, right: &str) {
    let found = report(&[wrong]).diagnostics;
    let (text, made) = apply(wrong, found.iter().filter_map(|found| found.fix.as_ref()));
    assert!(made > 0, "{found:#?}");
    assert_eq!(text, right);
}

#[test]
fn codes_are_unique_and_explained() {
    let mut codes: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert!(rule.meaning().len() > 10 && rule.remedy().len() > 10, "{rule:?}");
    }
}

proptest! {
    /// Whatever is in a file: nothing panics, places are in the file, fixes can be made.
    #[test]
    fn any_text_is_taken(cut in 0..GOOD.len(), with in "[\\PC\n\t ]{0,12}", drop in 0..40_usize) {
        let text = format!("{}{with}{}", &GOOD[..cut], GOOD.get(cut + drop..).unwrap_or_default());
        let found = report(&[&text, POD]).diagnostics;
        let lines = text.lines().count() + POD.lines().count() + 2;
        for found in &found {
            prop_assert!(found.start.line >= 1 && found.start.column >= 1 && found.start.line <= lines, "{found:?}");
        }
        let _ = apply(&text, found.iter().filter(|found| found.file == 0).filter_map(|found| found.fix.as_ref()));
    }
}

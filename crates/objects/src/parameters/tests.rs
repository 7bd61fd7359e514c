use super::*;

fn parse(changes: &[(&str, &str)]) -> Result<Parameters, ParametersError> {
    let mut values = serde_json::json!({
        "csi.storage.k8s.io/pod.name": "web-0",
        "csi.storage.k8s.io/pod.namespace": "shop",
        "keyvaultName": "kv1",
        "tenantID": "tenant",
        "objects": "array: []",
    });
    for (key, value) in changes {
        values[*key] = (*value).into();
    }
    let attributes = Attributes::decode(&values.to_string()).expect("an object of strings");
    Parameters::from_attributes(&attributes)
}

#[test]
fn every_value_is_trimmed() {
    let parameters = parse(&[
        ("csi.storage.k8s.io/pod.name", " web-0\n"),
        ("csi.storage.k8s.io/pod.uid", " 1-2 "),
        ("csi.storage.k8s.io/serviceAccount.name", "\tsa"),
        ("csi.storage.k8s.io/serviceAccount.tokens", " {} "),
        ("keyvaultName", " kv1 "),
        ("cloudName", " AzureChinaCloud "),
        ("cloudEnvFileName", " /etc/c.json "),
        ("clientID", " c "),
        ("userAssignedIdentityID", " u "),
        ("useVMManagedIdentity", " true "),
        ("objects", "\n  array: []\n"),
    ]);
    let Ok(parameters) = parameters else { panic!("valid parameters") };
    let pod = Pod {
        name: "web-0".into(),
        namespace: "shop".into(),
        uid: "1-2".into(),
        service_account: "sa".into(),
    };
    assert_eq!(parameters.pod, pod);
    assert_eq!(parameters.identity, IdentityMode::VmManagedIdentity);
    assert_eq!(parameters.service_account_tokens.expose(), "{}");
    assert_eq!(
        [
            parameters.vault_name.as_str(),
            &parameters.cloud_name,
            &parameters.cloud_env_file,
            &parameters.client_id,
            &parameters.user_assigned_identity_id,
            &parameters.objects,
        ],
        ["kv1", "AzureChinaCloud", "/etc/c.json", "c", "u", "array: []"]
    );
}

#[test]
fn tenant_has_two_spellings() {
    for (new, old, tenant) in [("a", "b", "a"), ("", "b", "b"), (" ", " b ", "b"), ("a", "", "a")] {
        let parsed = parse(&[("tenantID", new), ("tenantId", old)]).map(|parameters| parameters.tenant_id);
        assert_eq!(parsed.as_deref(), Ok(tenant));
    }
    let other = parse(&[("tenantID", ""), ("tenantid", "a"), ("TenantID", "b")]);
    assert_eq!(other.err(), Some(ParametersError::Tenant));
}

#[test]
fn flags_are_spelled_as_in_go() {
    for yes in ["1", "t", "T", "true", "TRUE", "True", " true "] {
        assert_eq!(
            parse(&[("usePodIdentity", yes)]).ok().map(|p| p.identity),
            Some(IdentityMode::PodIdentity)
        );
    }
    for no in ["", " ", "0", "f", "F", "false", "FALSE", "False"] {
        assert_eq!(parse(&[("useAzureTokenProxy", no)]).ok().map(|p| p.identity), Some(IdentityMode::None));
    }
    for neither in ["tru", "yes", "tRUE", "on", "2", "invalid"] {
        let error = parse(&[("useAzureTokenProxy", neither)]).err().map(|error| error.text());
        let text = format!(
            "failed to parse useAzureTokenProxy flag, error: strconv.ParseBool: parsing \"{neither}\": invalid syntax"
        );
        assert_eq!(error, Some(text));
    }
}

#[test]
fn identity_modes_exclude_each_other() {
    let [pod, vm, proxy] = ["usePodIdentity", "useVMManagedIdentity", "useAzureTokenProxy"];
    for pair in [[pod, vm], [pod, proxy], [vm, proxy]] {
        let error = parse(&pair.map(|key| (key, "true"))).err();
        assert_eq!(error, Some(ParametersError::IdentityModes));
    }
    let mode = parse(&[(pod, "false"), (proxy, "1")]).ok().map(|p| p.identity);
    assert_eq!(mode, Some(IdentityMode::AzureTokenProxy));
}

#[test]
fn checks_come_in_upstreams_order() {
    let steps = [
        ("csi.storage.k8s.io/pod.name", "", "pod name is not provided"),
        ("csi.storage.k8s.io/pod.namespace", " ", "pod namespace is not provided"),
        (
            "usePodIdentity",
            "tru",
            "failed to parse usePodIdentity flag, error: strconv.ParseBool: parsing \"tru\": invalid syntax",
        ),
        (
            "useVMManagedIdentity",
            "x\"y",
            "failed to parse useVMManagedIdentity flag, error: strconv.ParseBool: parsing \"x\\\"y\": invalid syntax",
        ),
        (
            "useAzureTokenProxy",
            "x",
            "failed to parse useAzureTokenProxy flag, error: strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
        ("keyvaultName", "", "keyvaultName is not provided"),
        ("tenantID", "", "tenantId is not provided"),
    ];
    for (index, (_, _, text)) in steps.iter().enumerate() {
        let broken: Vec<_> = steps[index..].iter().map(|(key, value, _)| (*key, *value)).collect();
        assert_eq!(parse(&broken).err().map(|error| error.text()).as_deref(), Some(*text));
    }
    let both = parse(&[("usePodIdentity", "1"), ("useAzureTokenProxy", "1"), ("keyvaultName", "")]);
    assert_eq!(both.err(), Some(ParametersError::IdentityModes));
}

#[test]
fn every_error_says_what_to_do() {
    let flag = ParametersError::Flag { key: "usePodIdentity", value: "\"x\"".into() };
    for error in [
        ParametersError::PodName,
        ParametersError::PodNamespace,
        flag,
        ParametersError::IdentityModes,
        ParametersError::VaultName,
        ParametersError::Tenant,
    ] {
        assert!(error.hint().len() > 20 && !error.reason().as_str().is_empty());
    }
}

use crate::{JsonFile, Limits, Object, ObjectsError, Parts, Reason, parse_objects};

fn parse(text: &str) -> Result<Vec<Object>, ObjectsError> {
    parse_objects(text, 0o644, Limits::default())
}

fn one(fields: &str) -> Result<Object, ObjectsError> {
    let lines: String = fields.lines().map(|line| format!("    {line}\n")).collect();
    parse(&format!("array:\n  - |\n{lines}")).map(|mut objects| objects.remove(0))
}

#[test]
fn items_are_objects_without_strings_around_them() {
    let objects = parse(
        "array:\n  - |\n    objectName: a\n    objectType: secret\nitems:\n  - objectName: b\n    \
         objectType: key\n  -\n  - {objectName: c, objectType: cert, optional: true}\n",
    )
    .expect("objects");
    let names: Vec<_> = objects.iter().map(|object| (object.index, object.name.as_str())).collect();
    assert_eq!(names, [(0, "a"), (1, "b"), (2, "c")]);
    assert!(objects[2].extensions.optional && !objects[1].extensions.optional);
    assert_eq!((objects[1].at.line, objects[1].at.column), (6, 5));
    // Anchors and merge keys work across items.
    let merged = parse("items:\n  - &a {objectName: a, objectType: secret}\n  - {<<: *a, objectName: b}\n");
    assert_eq!(merged.expect("objects")[1].uid(), "secret/b");
    // The string form stays as strict as it was.
    let text = parse("array:\n  - objectName: a\n").expect_err("an error").to_string();
    assert!(text.starts_with(
        "failed to yaml unmarshal objects, error: yaml: unmarshal errors:\n  line 2: cannot unmarshal !!map into \
         string"
    ));
    assert!(text.contains("call the list `items`"), "{text}");
}

#[test]
fn errors_in_items_name_index_object_and_place() {
    let wrong = parse("items:\n  - objectName: a\n    objectType: secret\n    optional: perhaps\n");
    assert_eq!(
        wrong.expect_err("an error").to_string(),
        "unmarshal failed for keyVaultObjects at index 0, error: yaml: unmarshal errors:\n  line 4: cannot \
         unmarshal !!str `perhaps` into bool\nhint: object \"a\" at index 0 (line 4, column 15) in objects: each \
         item is a mapping such as `objectName: name`, one field per line and each once; objectVersionHistory is a \
         number without quotes"
    );
    let text = parse("items: {objectName: a}\n").expect_err("an error").text();
    assert!(text.ends_with("line 1: cannot unmarshal !!map into []types.KeyVaultObject"), "{text}");
    let text = parse("items:\n  - just text\n").expect_err("an error").text();
    assert!(text.ends_with("cannot unmarshal !!str `just text` into types.KeyVaultObject"), "{text}");
}

#[test]
fn an_object_of_another_vault_has_an_id_of_its_own() {
    let object = one("objectName: a\nobjectType: secret\nkeyvaultName: other-kv\nobjectVersionHistory: 2");
    let object = object.expect("an object");
    assert_eq!(object.uid(), "secret/a@other-kv");
    let listed = crate::ListedVersion { version: "v".into(), attributes: Some(Default::default()) };
    let selected = object.select_versions(vec![listed]).expect("a version");
    assert_eq!((selected[0].uid.as_str(), selected[0].path.as_str()), ("secret/a@other-kv/0", "a/0"));
}

#[test]
fn selectors() {
    let object = one("objectNamePattern: app-*\ntags:\n  env: prod\n  tier: 1\nobjectType: secret\n\
                      objectAlias: app\noptional: true")
    .expect("an object");
    let selector = object.extensions.selector.as_ref().expect("a selector");
    let tags = |name: &str| match name {
        "env" => Some("prod"),
        "tier" => Some("1"),
        _ => None,
    };
    assert!(selector.matches("APP-db", tags) && !selector.matches("db", tags));
    assert!(!selector.matches("app-db", |name| (name == "env").then_some("prod")), "all tags have to match");
    assert!(!selector.matches("app-db", |name| tags(name).map(|_| "Prod")));
    assert_eq!((object.uid().as_str(), object.file_names().len()), ("secret/app-*", 0));
    let chosen = object.chosen("app-db");
    assert_eq!((chosen.file_name(), chosen.uid().as_str()), ("app/app-db", "secret/app-db"));
    assert!(chosen.extensions.selector.is_none() && !chosen.extensions.optional);
    let by_tags = one("tags: {env: prod}\nobjectType: secret").expect("an object");
    assert_eq!(by_tags.chosen("x").file_name(), "x");
    assert!(one("objectType: secret").is_err(), "neither name nor selector");
}

#[test]
fn parts_take_the_place_of_the_objects_own_file() {
    let object = one("objectName: a\nobjectType: secret\nfilePermission: 0600\njsonPath:\n\
                      - path: $.user\n  objectAlias: db/user\n\
                      - {path: \"$['pass word']\", objectAlias: db/password, filePermission: 0400}")
    .expect("an object");
    assert_eq!(object.file_names(), ["db/user", "db/password"]);
    let Parts::Json(files) = &object.extensions.parts else { panic!("JSON files") };
    assert_eq!(files.iter().map(JsonFile::mode).collect::<Vec<_>>(), [0o600, 0o400]);
    let object =
        one("objectName: a\nobjectType: secret\npemFiles:\n  certificates: tls/tls.crt\n  key: tls/tls.key");
    assert_eq!(object.expect("an object").file_names(), ["tls/tls.crt", "tls/tls.key"]);
    let clash = parse(
        "items:\n- {objectName: k, objectType: key}\n- {objectName: a, objectType: secret, \
                       pemFiles: {key: k}}",
    );
    assert!(clash.expect_err("an error").text().contains("file k is also the file of objectType:key"));
}

#[test]
fn what_is_wrong_is_named() {
    let secret = "objectName: n\nobjectType: secret\n";
    let path = |path: &str| format!("{secret}jsonPath: [{{path: \"{path}\", objectAlias: f}}]");
    let s = |fields: &str| format!("{secret}{fields}");
    for (fields, cause, reason) in [
        (
            s("keyvaultName: a_b"),
            "failed to get vault: Invalid vault name: \"a_b\", must match [-a-zA-Z0-9]{3,24}",
            Reason::InvalidVaultName,
        ),
        (
            s("objectNamePattern: a*"),
            "objectName cannot be combined with objectNamePattern or tags",
            Reason::ContradictingFields,
        ),
        (
            "objectType: secret\nobjectNamePattern: a_*".into(),
            "invalid objectNamePattern: a_*, should have letters, digits, hyphens, * and ? only",
            Reason::InvalidSelector,
        ),
        (
            format!("objectType: secret\nobjectNamePattern: {}", "a".repeat(128)),
            "invalid objectNamePattern: it has more than 127 characters",
            Reason::InvalidSelector,
        ),
        (
            "objectType: secret\ntags: {a: b}\nobjectVersionHistory: 2".into(),
            "objectVersionHistory cannot be combined with objectNamePattern or tags",
            Reason::ContradictingFields,
        ),
        (
            "objectType: secret\ntags: {a: b}\nobjectVersion: v".into(),
            "objectVersion cannot be combined with objectNamePattern or tags",
            Reason::ContradictingFields,
        ),
        (
            "objectType: secret\ntags: {a: b}\npfxPasswordObject: p".into(),
            "pfxPasswordObject cannot be combined with objectNamePattern or tags",
            Reason::ContradictingFields,
        ),
        (
            "objectName: n\nobjectType: key\npemFiles: {key: f}".into(),
            "pemFiles only supported for objectType: secret",
            Reason::ContradictingFields,
        ),
        (
            "objectName: n\nobjectType: cert\npfxPasswordObject: p".into(),
            "pfxPasswordObject only supported for objectType: secret",
            Reason::ContradictingFields,
        ),
        (
            s("pemFiles: {key: f}\njsonPath: [{path: $, objectAlias: g}]"),
            "jsonPath cannot be combined with pemFiles",
            Reason::ContradictingFields,
        ),
        (
            s("pemFiles: {key: f}\nobjectAlias: x"),
            "objectAlias cannot be combined with pemFiles",
            Reason::ContradictingFields,
        ),
        (
            s("pfxPasswordObject: p\nobjectFormat: pfx"),
            "objectFormat: pfx cannot be combined with pfxPasswordObject",
            Reason::ContradictingFields,
        ),
        (
            s("pfxPasswordObject: p\nobjectEncoding: base64"),
            "objectEncoding cannot be combined with pfxPasswordObject",
            Reason::ContradictingFields,
        ),
        (
            s("pemFiles: {keys: f}"),
            "pemFiles: unknown part keys, should be bundle, certificates, leaf, ca or key",
            Reason::InvalidPemPart,
        ),
        (
            s("pemFiles: {key: ../f}"),
            "pemFiles.key: file name must not contain '..'",
            Reason::InvalidFileName,
        ),
        (s("jsonPath: [{path: $.a}]"), "jsonPath[0]: objectAlias is missing", Reason::InvalidJsonPath),
        (s("jsonPath: [{objectAlias: f}]"), "jsonPath[0]: path is missing", Reason::InvalidJsonPath),
        (
            s("jsonPath: [{path: $, objectAlias: f, mode: 1}]"),
            "jsonPath[0]: unknown field mode",
            Reason::InvalidJsonPath,
        ),
        (
            s("jsonPath: [{path: $, objectAlias: /f}]"),
            "jsonPath[0]: file name must be a relative path",
            Reason::InvalidFileName,
        ),
        (
            s("jsonPath: [{path: $, objectAlias: f, filePermission: 888}]"),
            "jsonPath[0]: file permission must be a valid octal number: 888 is not one from 0 to 07777",
            Reason::InvalidFilePermission,
        ),
        (path("a.b"), "jsonPath[0]: a.b is not a JSONPath: ", Reason::InvalidJsonPath),
        (path("$..a"), "jsonPath[0]: $..a is not a JSONPath: descendants (..)", Reason::InvalidJsonPath),
        (path("$[0,1]"), "jsonPath[0]: $[0,1] is not a JSONPath: several selectors", Reason::InvalidJsonPath),
        (
            path("$[?length(@)>1]"),
            "jsonPath[0]: $[?length(@)>1] is not a JSONPath: func",
            Reason::InvalidJsonPath,
        ),
        (
            path("$[?@[?@.a]]"),
            "jsonPath[0]: $[?@[?@.a]] is not a JSONPath: more than",
            Reason::InvalidJsonPath,
        ),
        (
            path("$[?@.a==$.b]"),
            "jsonPath[0]: $[?@.a==$.b] is not a JSONPath: $ inside",
            Reason::InvalidJsonPath,
        ),
    ] {
        let error = one(&fields).expect_err(&fields);
        assert!(error.text().contains(&format!(": {cause}")), "{fields}\n{error}");
        assert_eq!(error.reason(), reason, "{fields}");
        assert!(
            error.hint().starts_with("object ") && error.hint().contains("at index 0"),
            "{}",
            error.hint()
        );
    }
    let many: String = (0..101).map(|n| format!("\n- {{path: $, objectAlias: f{n}}}")).collect();
    let error = one(&s(&format!("jsonPath:{many}"))).expect_err("an error");
    assert!(error.text().ends_with("jsonPath has more than 100 entries"));
    assert_eq!(error.reason(), Reason::LimitExceeded);
}

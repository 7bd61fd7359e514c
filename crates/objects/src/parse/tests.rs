use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::reason::Reason;

fn parse(text: &str) -> Result<Vec<Object>, ObjectsError> {
    parse_objects(text, 0o644, Limits::default())
}

/// A class of one object with these fields.
fn one(fields: &str) -> Result<Object, ObjectsError> {
    let lines: Vec<_> = fields.lines().map(|line| format!("    {line}\n")).collect();
    parse(&format!("array:\n  - |\n{}", lines.concat())).map(|mut objects| objects.remove(0))
}

fn text(result: Result<impl Sized, ObjectsError>) -> String {
    result.err().map(|error| error.text()).unwrap_or_default()
}

#[test]
fn fields_and_their_defaults() {
    let object = one("objectName: n\nobjectType: secret").expect("a minimal object");
    let expected = Object {
        index: 0,
        name: "n".into(),
        alias: String::new(),
        version: String::new(),
        version_history: 0,
        object_type: ObjectType::Secret,
        format: ObjectFormat::Pem,
        encoding: ObjectEncoding::Utf8,
        mode: 0o644,
        extensions: Default::default(),
        at: Position { line: 2, column: 3, offset: 9 },
    };
    assert_eq!(object, expected);
    let all = "objectName:  n \nobjectAlias: \" d/a \"\nobjectVersion: 1e3\nobjectVersionHistory: 3\n\
               objectType: \"secret \"\nobjectFormat: pFx\nobjectEncoding: BasE64\nfilePermission: 0755";
    let object = one(all).expect("all fields");
    let expected = Object {
        alias: "d/a".into(),
        version: "1e3".into(),
        version_history: 3,
        format: ObjectFormat::Pfx,
        encoding: ObjectEncoding::Base64,
        mode: 0o755,
        ..expected
    };
    assert_eq!(object, expected);
    assert!(object.has_history());
}

#[test]
fn format_and_encoding_follow_upstreams_rules() {
    let wrapped = |object_type: &str, cause: &str| match cause {
        "" => String::new(),
        _ => format!("failed to get objectType:{object_type}, objectName:n, objectVersion:v: {cause}"),
    };
    for (object_type, field, cause) in [
        ("secret", "objectFormat: pkcs", "invalid objectFormat: pkcs, should be PEM or PFX"),
        ("cert", "objectFormat: Pkcs", "invalid objectFormat: Pkcs, should be PEM or PFX"),
        ("cert", "objectFormat: pfx", "PFX format only supported for objectType: secret"),
        ("key", "objectFormat: pfx", "PFX format only supported for objectType: secret"),
        ("secrets", "objectFormat: pfx", "PFX format only supported for objectType: secret"),
        ("cert", "objectFormat: PFX", ""),
        ("cert", "objectFormat: pem", ""),
        ("key", "objectFormat: \"\"", ""),
        ("secret", "objectFormat: PFX", ""),
        ("cert", "objectEncoding: utf-8", "objectEncoding only supported for objectType: secret"),
        ("key", "objectEncoding: base64", "objectEncoding only supported for objectType: secret"),
        ("Secret", "objectEncoding: hex", "objectEncoding only supported for objectType: secret"),
        (
            "secret",
            "objectEncoding: utf-16",
            "invalid objectEncoding: utf-16, should be hex, base64 or utf-8",
        ),
        ("secret", "objectEncoding: HEX", ""),
        ("secret", "objectEncoding: UTF-8", ""),
        ("cert", "objectEncoding: \"\"", ""),
        (
            "cert",
            "objectEncoding: x\nobjectFormat: y\nobjectAlias: /a",
            "invalid objectFormat: y, should be PEM or PFX",
        ),
        (
            "cert",
            "objectEncoding: x\nobjectAlias: /a",
            "objectEncoding only supported for objectType: secret",
        ),
    ] {
        let fields = format!("objectName: n\nobjectVersion: v\nobjectType: {object_type}\n{field}");
        assert_eq!(text(one(&fields)), wrapped(object_type, cause), "{object_type} {field}");
    }
}

#[test]
fn file_names_stay_below_the_volume() {
    for (name, cause) in [
        ("", "file name must not be empty"),
        ("/secret1", "file name must be a relative path"),
        ("/../secret1", "file name must be a relative path"),
        ("secret1/..", "file name must not contain '..'"),
        ("../secret1", "file name must not contain '..'"),
        ("a..b", "file name must not contain '..'"),
        ("..", "file name must not contain '..'"),
    ] {
        let expected = format!("failed to get objectType:secret, objectName:{name}, objectVersion:: {cause}");
        assert_eq!(text(one(&format!("objectType: secret\nobjectName: \"{name}\""))), expected);
        if !name.is_empty() {
            let aliased = format!("objectType: secret\nobjectName: ok\nobjectAlias: {name}");
            assert!(text(one(&aliased)).ends_with(cause), "{name}");
        }
    }
    for name in ["secret1", "a/b/c", "a.b", ".", "./a", "a\\..", "C:\\x"] {
        let fields = format!("objectType: secret\nobjectName: '{name}'");
        let refused = name.contains("..");
        assert_eq!(one(&fields).is_err(), refused, "{name}");
    }
    let bad_name_good_alias = one("objectType: key\nobjectName: ../x\nobjectAlias: x");
    assert_eq!(bad_name_good_alias.map(|object| object.file_name().to_owned()), Ok("x".into()));
    let no_name = one("objectType: key\nobjectAlias: x").expect("a name is not needed here");
    assert_eq!(no_name.name, "");
}

#[test]
fn permissions_are_octal() {
    for (permission, mode) in [
        ("0600", 0o600),
        ("\"0644\"", 0o644),
        ("755", 0o755),
        ("0", 0),
        ("\" 0777 \"", 0o777),
        ("07777", 0o7777),
        ("\"+644\"", 0o644),
        ("+0400", 0o400),
        ("\"\"", 0o644),
    ] {
        let object = one(&format!("objectName: n\nobjectType: secret\nfilePermission: {permission}"));
        assert_eq!(object.map(|object| object.mode), Ok(mode), "{permission}");
    }
    for permission in
        ["0900", "900", "abc", "0o755", "493", "010000", "100644", "-1", "0x1FF", "6 4 4", "99999999999"]
    {
        let error = one(&format!("objectName: n\nobjectType: secret\nfilePermission: {permission}"));
        let error = error.expect_err("no octal number up to 07777");
        assert_eq!(error.reason(), Reason::InvalidFilePermission);
        assert!(error.text().starts_with(
            "failed to get objectType:secret, objectName:n, objectVersion:: file permission must be a \
             valid octal number: "
        ));
    }
    let inherited = parse_objects("array: ['objectName: n']", 0o2640, Limits::default());
    assert_eq!(inherited.map(|objects| objects[0].mode), Ok(0o2640));
}

#[test]
fn unknown_types_pass_and_say_later_what_is_wrong() {
    let object = one("objectName: n\nobjectType: Secret\nobjectVersion: 7").expect("types are not checked");
    assert_eq!(object.object_type, ObjectType::Unknown("Secret".into()));
    assert_eq!(
        format!("{}: {}", object.describe(&object.version), ObjectType::UNSUPPORTED),
        "failed to get objectType:Secret, objectName:n, objectVersion:7: Invalid vaultObjectTypes. Should be \
         secret, key, or cert"
    );
}

#[test]
fn single_versions_have_their_file_and_id() {
    let object =
        one("objectName: single-version\nobjectAlias: f/x\nobjectType: secret\nobjectVersion: latest");
    let expected = crate::SelectedVersion {
        version: "latest".into(),
        path: "f/x".into(),
        uid: "secret/single-version".into(),
        index: None,
    };
    assert_eq!(object.map(|object| object.single()), Ok(expected));
    for history in ["1", "0", "-5"] {
        let fields = format!("objectName: n\nobjectType: key\nobjectVersionHistory: {history}");
        assert_eq!(one(&fields).map(|object| object.has_history()), Ok(false));
    }
}

#[test]
fn conflicts_name_both_objects() {
    let class = |items: &[&str]| {
        items.iter().fold(String::from("array:\n"), |mut class, item| {
            let _ = writeln!(class, "  - |\n    {}", item.replace('\n', "\n    "));
            class
        })
    };
    let secret = "objectName: a\nobjectType: secret";
    for (items, cause) in [
        (&[secret, "objectName: b\nobjectType: cert\nobjectAlias: a"][..], "file a is also the file of"),
        (&[secret, "objectName: b\nobjectType: cert\nobjectAlias: ./a"], "file a is also the file of"),
        (
            &[secret, "objectName: b\nobjectType: cert\nobjectAlias: a/b"],
            "file a is a file as well as a directory, because of",
        ),
        (
            &[secret, "objectName: b\nobjectType: cert\nobjectAlias: a\nobjectVersionHistory: 3"],
            "file a is a file as well as a directory, because of",
        ),
    ] {
        assert_eq!(
            text(parse(&class(items))),
            format!(
                "failed to get objectType:cert, objectName:b, objectVersion:: {cause} objectType:secret, \
                 objectName:a at index 0"
            )
        );
    }
    let history = "objectName: a\nobjectType: secret\nobjectVersionHistory: 2";
    let error =
        parse(&class(&[history, "objectName: c\nobjectType: key", history])).expect_err("one file twice");
    assert_eq!((error.reason(), error.object().map(|object| object.index)), (Reason::FileConflict, Some(2)));
    let apart = class(&[
        secret,
        "objectName: a\nobjectType: cert\nobjectAlias: a.crt",
        "objectName: A\nobjectType: key",
    ]);
    assert_eq!(parse(&apart).map(|objects| objects.len()), Ok(3));
}

#[test]
fn nothing_to_do_is_no_error_but_nothing_set_is() {
    for text in ["array: []", "array:", "array: ~", "other: 1", "# comment", "~", "array: [~, null]"] {
        assert_eq!(parse(text), Ok(Vec::new()), "{text}");
    }
    assert_eq!(parse(""), Err(ObjectsError::NotSet));
}

#[test]
fn places_are_those_of_the_outer_text() {
    let class = "array:\n  - |\n    objectName: ok\n    objectType: secret\n  - |\n\n    objectName: n\n    \
                 objectTyp é e: x: y\n";
    let error = parse(class).expect_err("two colons");
    assert_eq!(error.position().map(|at| (at.line, at.column)), Some((8, 21)));
    let at = error.position().expect("a place");
    assert!(class[at.offset..].starts_with(": y"));
    assert_eq!(error.object().map(|object| object.index), Some(1));
    for (class, place) in [
        ("array:\n  - objectName: x\n", (2, 5)),
        ("array:\n  - |\n    objectName: [a]\n", (3, 17)),
        ("array:\n  - |2\n        objectName: [a]\n", (3, 21)),
        ("array:\n  - |\n\n\n      objectType: x\n      objectName: [a]\n", (6, 19)),
        ("array:\n  - \"a: b\\nobjectName: [a]\"\n", (2, 5)),
        ("array:\n  - >\n    objectName: [a]\n", (2, 3)),
        ("array: ['objectName: a', 'objectFormat: x']", (1, 26)),
        ("array:\n  - &x objectName\n  - !!str objectName: x: y", (3, 24)),
    ] {
        let at = parse(class).expect_err("a mistake").position();
        assert_eq!(at.map(|at| (at.line, at.column)), Some(place), "{class}");
    }
}

#[test]
fn errors_show_text_place_and_fix() {
    let mut shown = String::new();
    for class in [
        "",
        "array:\n  - objectName: a\n    objectType: secret\n",
        "- a",
        "array:\n  - |\n    objectName: a\n\t objectType: secret\n",
        "array:\n  - |\n    objectName: db\n    objectName: db2\n",
        "array:\n  - |\n    objectName: db\n    objectVersionHistory: \"2\"\n",
        "array:\n  - |\n    objectName:db\n    objectType: secret\n",
        "array:\n  - |\n    objectName: db\n     objectType: secret\n",
        "array:\n  - |\n    objectName: \"db\n    objectType: secret\n",
        "array:\n  - |\n    objectName: {{ .Values.name }}\n",
        "array:\n  - |\n    objectName: @db\n",
        "array:\n  - |\n    objectName: db\n    objectType: cert\n    objectFormat: pfx\n",
        "array:\n  - |\n    objectType: secret\n",
        "array:\n  - |\n    objectName: db\n    filePermission: 0999\n",
        "array: ['{objectName: a, objectType: key}', '{objectName: b, objectType: cert, objectAlias: a}']",
    ] {
        let error = parse(class).expect_err("a mistake");
        let _ = writeln!(shown, "{}: {error}\n", error.reason());
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn every_bound_is_named() {
    let limits = Limits { text_bytes: 400, expanded_bytes: 1000, nodes: 60, depth: 5, objects: 10 };
    let bomb = "a: &a {objectName: x}\nb: &b {<<: [*a, *a, *a, *a]}\nc: &c {<<: [*b, *b, *b, *b]}\n\
                <<: [*c, *c, *c, *c]\n";
    let long = format!("a: &a {}\narray: [*a, *a, *a, *a, *a, *a]", "x".repeat(300));
    for (text, bound) in [
        (format!("# {}", "x".repeat(400)), Limit::TextBytes(400)),
        (long, Limit::ExpandedBytes(1000)),
        (format!("array: [{}]", "a,".repeat(60)), Limit::Nodes(60)),
        (bomb.to_owned(), Limit::Nodes(60)),
        (format!("array: {}{}", "[".repeat(9), "]".repeat(9)), Limit::Depth(5)),
        (format!("array: [{}]", "a,".repeat(11)), Limit::Objects(10)),
    ] {
        let error = parse_objects(&text, 0, limits).expect_err("too much");
        assert_eq!(error.reason(), Reason::LimitExceeded, "{text}");
        assert!(error.text().ends_with(&bound.to_string()), "{error}");
    }
}

#[test]
fn alias_bombs_end_quickly() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..30 {
        let _ = writeln!(text, "a{level}: &a{level} [{}]", vec![format!("*a{}", level - 1); 9].join(","));
    }
    text.push_str("array: *a29\n");
    assert!(parse(&text).is_err());
    let merges = text.replace('[', "{<<: [").replace(']', "]}").replace("{<<: [x]}", "{array: [x]}");
    let merged = merges.replace("array: *a29", "<<: *a29");
    assert_eq!(parse(&merged).err().map(|error| error.reason()), Some(Reason::LimitExceeded));
}

/// Inputs near the size limit that would take hours if anything looked at them again and again.
#[test]
fn large_inputs_take_time_in_proportion() {
    let times = |text: &str, count| text.repeat(count);
    let numbered = |count: usize| (0..count).fold(String::new(), |keys, n| format!("{keys}k{n}: 1, "));
    for text in [
        format!("array: [{}]", times("a, ", 90_000)),
        format!("array: [{}]", times("[],", 90_000)),
        format!("{{{}}}", times("a: b, ", 40_000)),
        format!("m: &m {{{}}}\narray: [{}]", numbered(3000), times("*m, ", 50_000)),
        format!("m: &m {}\narray: [{}]", times("x", 100_000), times("*m, ", 50_000)),
        format!("m: &m {}\nx: {{{}}}", times("x", 100_000), times("*m : 1, ", 50_000)),
        format!("array:\n{}", times("  - |\n    a\n", 60_000)),
        format!("array: |\n{}", times("\n", 1_000_000)),
        format!("array: \"{}", times("\\n", 500_000)),
        times("- ", 500_000),
        times("? ", 500_000),
        times("&a ", 300_000),
        times("!!str ", 150_000),
        times("#\n", 500_000),
    ] {
        let _ = parse(&text);
    }
}

proptest! {
    #[test]
    fn never_panics_and_keeps_its_bounds(text in "[ \\n\\t:\\-\\[\\]{},\"'#|>&*!?%@\\\\a-c0-9~é<]{0,80}") {
        let limits = Limits { nodes: 50, objects: 5, ..Limits::default() };
        for text in [text.clone(), format!("array:\n  - |\n    {text}"), format!("array: [{text}]")] {
            if let Ok(objects) = parse_objects(&text, 0, limits) {
                prop_assert!(objects.len() <= 5);
            }
        }
    }

    #[test]
    fn reads_what_people_mean(name in "[A-Za-z0-9-]{1,30}", alias in "[A-Za-z0-9_-]{1,9}(/[a-z.]?[a-z]{1,9})?") {
        let fields = format!("objectName: \"{name}\"\nobjectAlias: \"{alias}\"\nobjectType: secret");
        let object = one(&fields).expect("a plain object");
        prop_assert_eq!((object.name.as_str(), object.file_name()), (name.as_str(), alias.as_str()));
    }
}

#[test]
fn a_check_tells_everything_that_is_wrong() {
    let text = "array:\n- |\n  objectName: a\n  objectType: secret\n- |\n  objectName: b\n  objectFormat: jks\n\
                - |\n  objectName: [\n- |\n  objectName: c\n  objectAlias: a/d\n  objectType: secret\n";
    let (objects, errors) = check_objects(text, 0o644, Limits::default());
    assert_eq!(objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    let reasons: Vec<_> = errors.iter().map(ObjectsError::reason).collect();
    assert_eq!(reasons, [Reason::InvalidObjectFormat, Reason::InvalidYaml, Reason::FileConflict]);
    // The first is what a mount would say.
    assert_eq!(parse_objects(text, 0o644, Limits::default()), Err(errors[0].clone()));
    assert_eq!(check_objects("", 0o644, Limits::default()), (Vec::new(), vec![ObjectsError::NotSet]));
}

#[test]
fn the_fields_that_are_named_are_those_that_are_read() {
    for name in OBJECT_FIELDS {
        assert!(Fields::default().field(name).is_some(), "{name}");
        assert!(Fields::default().field(&name.to_uppercase()).is_none(), "{name}");
    }
}

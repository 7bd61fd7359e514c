use proptest::prelude::*;

use super::*;
use crate::yaml::Text;

fn file(path: &str) -> JsonFile {
    let text = |value: &str| Text { value: value.to_owned(), ..Text::default() };
    let fields = vec![("path".to_owned(), text(path)), ("objectAlias".to_owned(), text("f"))];
    check(&[fields], 0o644).unwrap_or_else(|problem| panic!("{path}: {problem}")).remove(0)
}

fn extract(path: &str, content: &str) -> Result<String, String> {
    let found = JsonFile::extract(&[file(path)], content.as_bytes());
    let text = |mut all: Vec<SecretBytes>| String::from_utf8(all.remove(0).into_inner()).expect("text");
    found.map(text).map_err(|error| error.to_string())
}

const JSON: &str = r#"{"user":"ap\u00fc","pin":1.10,"big":123456789012345678901234567890, "on":true,
    "none":null,"nested":{"a":[1, 2,{"b":"x"}]},"pass word":"a\nb","users":[{"name":"a","key":"1"},
    {"name":"b","key":"2"}],"":"empty"}"#;

#[test]
fn values_of_json() {
    for (path, value) in [
        ("$.user", "apü"),
        ("$.pin", "1.10"),
        ("$.big", "123456789012345678901234567890"),
        ("$.on", "true"),
        ("$.nested", r#"{"a":[1, 2,{"b":"x"}]}"#),
        ("$.nested.a[-1].b", "x"),
        ("$.nested.a[2]['b']", "x"),
        ("$['pass word']", "a\nb"),
        ("$.users[?@.name=='b'].key", "2"),
        ("$['']", "empty"),
        ("$.users[0:1].key", "1"),
    ] {
        assert_eq!(extract(path, JSON), Ok(value.to_owned()), "{path}");
    }
    assert_eq!(extract("$", "\u{feff}[ 1 ]"), Ok("[ 1 ]".to_owned()));
}

#[test]
fn values_of_yaml() {
    let yaml = "# a comment\ndatabase: &db\n  user: app\n  password: 0123\n  port: 5432\n  version: 1.10\n\
                replica: *db\nkey: |\n  -----BEGIN\n  END\nlist: [a, {b: ~}]\n";
    for (path, value) in [
        ("$.database.password", "0123"),
        ("$.database.version", "1.10"),
        ("$.replica.port", "5432"),
        ("$.key", "-----BEGIN\nEND\n"),
        ("$.list[0]", "a"),
        ("$.list", r#"["a",{"b":null}]"#),
        ("$.database", r#"{"password":"0123","port":5432,"user":"app","version":"1.10"}"#),
        ("$[?@.port==5432].user", "selects 2 values"),
    ] {
        let found = extract(path, yaml);
        assert!(found == Ok(value.to_owned()) || found.is_err_and(|error| error.ends_with(value)), "{path}");
    }
}

#[test]
fn i5_values_that_cannot_be_had_and_no_word_of_the_content() {
    for (path, content, text) in [
        ("$.a", "{\"c4n4ry\":1", "jsonPath: the value is neither JSON nor YAML"),
        ("$.a", "a: *c4n4ry", "jsonPath: the value is neither JSON nor YAML"),
        ("$.a", "a: 1\na: c4n4ry", "jsonPath: the value is neither JSON nor YAML"),
        ("$.a", "", "jsonPath: the value is neither JSON nor YAML"),
        ("$.a", "c4n4ry", "jsonPath: $.a selects nothing"),
        ("$.b", JSON, "jsonPath: $.b selects nothing"),
        ("$.none", JSON, "jsonPath: $.none selects null"),
        ("$.users[*].key", JSON, "jsonPath: $.users[*].key selects 2 values"),
    ] {
        assert_eq!(extract(path, content), Err(text.to_owned()), "{path} {content}");
    }
    assert_eq!(JsonFile::extract(&[], &[0xff]).err(), Some(JsonFileError::Unreadable));
    assert_eq!(JsonFile::extract(&[], &vec![b' '; MAX_VALUE + 1]).err(), Some(JsonFileError::TooLarge));
}

#[test]
fn hostile_yaml_is_refused() {
    let bomb = (0..40).fold("a0: &a0 [x,x]\n".to_owned(), |text, n| {
        format!("{text}a{}: &a{} [*a{n},*a{n},*a{n}]\n", n + 1, n + 1)
    });
    assert!(extract("$.a0", &bomb).is_err());
    assert!(extract("$.a", "a: &a [*a]").is_err());
}

#[test]
fn quotes_hide_what_would_be_refused_outside() {
    assert_eq!(extract("$['a..b,(?$']", r#"{"a..b,(?$":"x"}"#), Ok("x".to_owned()));
    assert_eq!(extract(r"$['it\'s (']", r#"{"it's (":"x"}"#), Ok("x".to_owned()));
}

proptest! {
    #[test]
    fn no_path_and_no_value_panics(path in "[$.a0*?@'\\[\\]=<&|:-]{0,60}", content in "[ -~\n]{0,200}") {
        let path = format!("${path}");
        if bounded(&path).is_ok()
            && let Ok(parsed) = JsonPath::parse(&path)
        {
            let file = JsonFile { written: path, path: parsed, alias: String::new(), mode: 0 };
            let _ = JsonFile::extract(&[file], content.as_bytes());
        }
    }
}

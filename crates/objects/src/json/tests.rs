use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::golden;

#[test]
fn reads_json_as_go_does() {
    golden::compare("json.jsonl", |case| match case.op.as_str() {
        "json-mode" => file_mode(&case.text).map(Value::from).map_err(|error| error.to_string()),
        _ => string_map(&case.text).map(to_value).map_err(|error| error.to_string()),
    });
}

fn to_value(map: Option<HashMap<String, SecretString>>) -> Value {
    let Some(map) = map else { return Value::Null };
    Value::Object(
        map.into_iter().map(|(key, value)| (key, Value::String(value.into_inner()))).collect::<Map<_, _>>(),
    )
}

#[test]
fn nesting_is_bounded_where_go_bounds_it() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(syntax::validate(&nested(10_000)), Ok(()));
    let text = syntax::validate(&nested(10_001)).map_err(|error| error.to_string());
    assert_eq!(text, Err("invalid character '[' exceeded max depth".into()));
}

proptest! {
    #[test]
    fn never_panics(text in r#"[{}\[\]",:\\u0-9a-fn truelsx\t\n.+\-é]{0,40}"#) {
        let _ = string_map(&text);
        let _ = file_mode(&text);
    }

    #[test]
    fn reads_what_another_library_writes(map in proptest::collection::hash_map(any::<String>(), any::<String>(), 0..5)) {
        let json = serde_json::to_string(&map).expect("strings");
        let read = string_map(&json).expect("valid JSON").expect("an object");
        let read: HashMap<_, _> = read.into_iter().map(|(key, value)| (key, value.into_inner())).collect();
        prop_assert_eq!(read, map);
    }

    #[test]
    fn accepts_what_another_library_accepts(text in r#"[{}\[\]",:01n]{0,12}"#) {
        let other = serde_json::from_str::<Value>(&text);
        prop_assert_eq!(syntax::validate(&text).is_ok(), other.is_ok());
    }
}

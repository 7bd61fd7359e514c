use serde_json::{Value, json};

use crate::fuzzing::{yaml_array, yaml_object};
use crate::golden;

#[test]
fn reads_yaml_as_go_does() {
    golden::compare("yaml.jsonl", |case| match case.op.as_str() {
        "yaml-array" => yaml_array(&case.text).map(Value::from),
        _ => yaml_object(&case.text)
            .map(|(texts, history)| texts.into_iter().map(Value::from).chain([json!(history)]).collect()),
    });
}

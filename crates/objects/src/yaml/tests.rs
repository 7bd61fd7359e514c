use serde_json::{Value, json};

use super::*;
use crate::golden;
use crate::limits::{Budget, Limits};

#[derive(Default)]
struct Array(Vec<Text>);

impl Record for Array {
    const TYPE: &'static str = "types.StringArray";

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        (key == "array").then_some(Field::List(&mut self.0))
    }
}

#[derive(Default)]
struct Object {
    texts: [Text; 7],
    history: i32,
}

const TEXTS: [&str; 7] = [
    "objectName",
    "objectAlias",
    "objectVersion",
    "objectType",
    "objectFormat",
    "objectEncoding",
    "filePermission",
];

impl Record for Object {
    const TYPE: &'static str = "types.KeyVaultObject";

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        match TEXTS.iter().position(|name| *name == key) {
            Some(index) => Some(Field::Text(&mut self.texts[index])),
            None => (key == "objectVersionHistory").then_some(Field::Number(&mut self.history)),
        }
    }
}

fn array(text: &str) -> Result<Vec<Text>, Failure> {
    let mut array = Array::default();
    decode(text, &mut array, &mut Budget::new(Limits::default())).map(|()| array.0)
}

fn object(text: &str) -> Result<Object, Failure> {
    let mut object = Object::default();
    decode(text, &mut object, &mut Budget::new(Limits::default())).map(|()| object)
}

#[test]
fn reads_yaml_as_go_does() {
    golden::compare("yaml.jsonl", |case| {
        let answer = match case.op.as_str() {
            "yaml-array" => array(&case.text).map(|items| items.into_iter().map(|text| text.value).collect()),
            _ => object(&case.text).map(|object| {
                let texts = object.texts.map(|text| Value::String(text.value));
                texts.into_iter().chain([json!(object.history)]).collect()
            }),
        };
        answer.map_err(|failure| failure.to_string())
    });
}

//! The two YAML shapes of `objects`, for comparison with Go's yaml.v3.

use crate::limits::{Budget, Limits};
use crate::yaml::{Failure, Field, Record, Text, decode};

/// Fields of an object in the order in which the oracle answers them; the last one is a number.
const TEXTS: [&str; 7] = [
    "objectName",
    "objectAlias",
    "objectVersion",
    "objectType",
    "objectFormat",
    "objectEncoding",
    "filePermission",
];

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

impl Record for Object {
    const TYPE: &'static str = "types.KeyVaultObject";

    fn field(&mut self, key: &str) -> Option<Field<'_>> {
        match TEXTS.iter().position(|name| *name == key) {
            Some(index) => Some(Field::Text(&mut self.texts[index])),
            None => (key == "objectVersionHistory").then_some(Field::Number(&mut self.history)),
        }
    }
}

fn decoded<T: Record + Default>(text: &str) -> Result<T, String> {
    let mut value = T::default();
    let failure = |failure: Failure| failure.to_string();
    decode(text, &mut value, &mut Budget::new(Limits::default())).map(|()| value).map_err(failure)
}

/// The strings of `array`, or why there are none.
///
/// # Errors
/// The text of the failure.
pub fn yaml_array(text: &str) -> Result<Vec<String>, String> {
    decoded::<Array>(text).map(|array| array.0.into_iter().map(|text| text.value).collect())
}

/// The fields of one object, or why there are none.
///
/// # Errors
/// The text of the failure.
pub fn yaml_object(text: &str) -> Result<(Vec<String>, i32), String> {
    decoded::<Object>(text)
        .map(|object| (object.texts.into_iter().map(|text| text.value).collect(), object.history))
}

//! The JSON schema of a chart's values: it refuses what is misspelled or of the wrong type.

use anyhow::bail;
use serde_json::{Map, Value, json};

use super::values::Values;

pub(super) fn text(values: &Values) -> anyhow::Result<String> {
    let mut schema = object(values, &values.defaults, &mut Vec::new(), false)?;
    schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
    Ok(format!("{}\n", serde_json::to_string_pretty(&schema)?))
}

/// The schema of the value at `path`. Below an `open` one, names that are not known here are for another chart.
fn object(
    values: &Values,
    value: &Value,
    path: &mut Vec<String>,
    open: bool,
) -> anyhow::Result<Map<String, Value>> {
    let entry = values.entries.iter().find(|entry| entry.path == *path);
    let mut schema = Map::new();
    if let Some(entry) = entry {
        schema.insert("description".to_owned(), entry.description.clone().into());
        schema.extend(entry.schema.clone());
    }
    if !schema.contains_key("type") && !schema.contains_key("enum") {
        schema.insert("type".to_owned(), type_of(value, path)?.into());
    }
    if let Value::Object(map) = value
        && values.has_described_children(path)
    {
        let open = schema.entry("additionalProperties").or_insert(json!(open)) == &json!(true);
        let mut properties = Map::new();
        for (key, value) in map {
            path.push(key.clone());
            properties.insert(key.clone(), Value::Object(object(values, value, path, open)?));
            path.pop();
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
    }
    Ok(schema)
}

fn type_of(value: &Value, path: &[String]) -> anyhow::Result<&'static str> {
    Ok(match value {
        Value::Null => bail!("{}: without a default it needs a type (@schema)", path.join(".")),
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_from_the_defaults_and_names_are_fixed_where_they_are_described() {
        let values = Values::parse(
            "a:\n  # -- One.\n  b: 1\n# -- Free.\nc: {}\n# -- Either.\n# @schema {\"type\": [\"string\", \"null\"]}\nd:\n",
        )
        .unwrap();
        let schema: Value = serde_json::from_str(&text(&values).unwrap()).unwrap();
        assert_eq!(schema["properties"]["a"]["properties"]["b"]["type"], "integer");
        assert_eq!(schema["properties"]["a"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["c"], json!({"description": "Free.", "type": "object"}));
        assert_eq!(schema["properties"]["d"]["type"], json!(["string", "null"]));
    }

    #[test]
    fn a_value_without_default_and_type_is_a_mistake() {
        assert!(text(&Values::parse("# -- What?\na:\n").unwrap()).is_err());
    }
}

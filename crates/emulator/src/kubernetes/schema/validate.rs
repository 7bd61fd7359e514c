//! What a schema demands of values. Left out: `pattern`, `format`, CEL rules and the logical
//! combinations (`oneOf` and the like); an object that breaks only those is accepted here.

use serde_json::Value;

use super::{Node, join};
use crate::kubernetes::status::Cause;

/// Collects what `node` has against `value`.
pub(super) fn validate(node: Node<'_>, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let int_or_string = node.flag("x-kubernetes-int-or-string") && (value.is_i64() || value.is_string());
    let expected = node.text("type");
    if !expected.is_empty() && !int_or_string && !is_a(expected, value) {
        if value.is_null() && node.flag("nullable") {
            return;
        }
        let actual = type_name(value);
        let detail = format!("{path} in body must be of type {expected}: \"{actual}\"");
        causes.push(Cause::wrong_type(path, actual, &detail));
        return;
    }
    if let Some(allowed) = node.field("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        causes.push(Cause::unsupported(path, &value.to_string(), &allowed.join(", ")));
    }
    match value {
        Value::String(text) => length(node, text, value, path, causes),
        Value::Number(number) => range(node, number.as_f64().unwrap_or_default(), value, path, causes),
        Value::Array(items) => {
            if let Some(most) = node.field("maxItems").and_then(Value::as_u64)
                && items.len() as u64 > most
            {
                causes.push(Cause::too_long(path, &format!("must have at most {most} items")));
            }
            if let Some(child) = node.items() {
                for (index, item) in items.iter().enumerate() {
                    validate(child, item, &format!("{path}[{index}]"), causes);
                }
            }
        }
        Value::Object(map) => {
            for field in node.texts("required") {
                if !map.contains_key(field) {
                    causes.push(Cause::required(join(path, field), ""));
                }
            }
            for (name, member) in map {
                if let Some(child) = node.property(name) {
                    validate(child, member, &join(path, name), causes);
                }
            }
        }
        _ => {}
    }
}

fn length(node: Node<'_>, text: &str, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let characters = text.chars().count() as u64;
    if let Some(least) = node.field("minLength").and_then(Value::as_u64)
        && characters < least
    {
        let detail = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, value, &detail));
    }
    if let Some(most) = node.field("maxLength").and_then(Value::as_u64)
        && characters > most
    {
        causes.push(Cause::too_long(path, &format!("may not be more than {most} bytes")));
    }
}

fn range(node: Node<'_>, number: f64, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(least) = node.field("minimum").and_then(Value::as_f64)
        && number < least
    {
        let detail = format!("{path} in body should be greater than or equal to {least}");
        causes.push(Cause::invalid(path, value, &detail));
    }
    if let Some(most) = node.field("maximum").and_then(Value::as_f64)
        && number > most
    {
        let detail = format!("{path} in body should be less than or equal to {most}");
        causes.push(Cause::invalid(path, value, &detail));
    }
}

fn is_a(expected: &str, value: &Value) -> bool {
    match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

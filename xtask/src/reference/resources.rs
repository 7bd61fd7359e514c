//! The fields of the custom resources, from their schemas.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::Value;

/// A table for each resource.
pub(super) fn tables() -> anyhow::Result<String> {
    let mut page = String::new();
    for definition in keymount_api::custom_resource_definitions() {
        let definition = serde_json::to_value(definition)?;
        let kind = definition["spec"]["names"]["kind"].as_str().context("a kind")?;
        let versions = definition["spec"]["versions"].as_array().context("versions")?;
        let stored =
            versions.iter().find(|version| version["storage"] == true).context("a stored version")?;
        let schema = &stored["schema"]["openAPIV3Schema"];
        let _ = write!(page, "## {kind}\n\n{}\n\n| field | type | meaning |\n|---|---|---|\n", text(schema));
        for top in ["spec", "status"] {
            rows(top, &schema["properties"][top], &mut page);
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    Ok(page)
}

fn rows(path: &str, schema: &Value, page: &mut String) {
    let Some(kind) = schema["type"].as_str() else { return };
    let kind = match kind {
        "object" if schema["additionalProperties"].is_object() => "text to text",
        "array" => "list",
        "string" if schema["format"] == "date-time" => "time",
        kind => kind,
    };
    let _ = writeln!(page, "| `{path}` | {kind} | {} |", text(schema));
    for (path, schema) in [(path.to_owned(), schema), (format!("{path}[]"), &schema["items"])] {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            rows(&format!("{path}.{name}"), field, page);
        }
    }
}

fn text(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

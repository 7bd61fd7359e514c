//! A `values.yaml` with what its comments say.
//!
//! A comment that begins with `# --` describes the key below it; a line `# @schema {…}` adds to the key's JSON
//! schema. What lies below a described key and has no description of its own is described with it.

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

/// All values of a chart.
pub(super) struct Values {
    /// Described keys, in the order of the file.
    pub(super) entries: Vec<Entry>,
    /// Everything, with its defaults.
    pub(super) defaults: Value,
}

/// A described key.
pub(super) struct Entry {
    /// The keys that lead to it.
    pub(super) path: Vec<String>,
    pub(super) description: String,
    /// What `@schema` says.
    pub(super) schema: Map<String, Value>,
}

impl Entry {
    /// The path as `--set` has it.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }
}

/// What stands above a key.
#[derive(Default)]
struct Comment {
    description: Option<String>,
    schema: Map<String, Value>,
}

impl Values {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let defaults = serde_saphyr::from_str(text)?;
        let mut entries = Vec::new();
        let mut stack: Vec<(usize, String)> = Vec::new();
        let mut comment = Comment::default();
        for (number, line) in text.lines().enumerate() {
            let content = line.trim_start();
            let indent = line.len() - content.len();
            if let Some(words) = content.strip_prefix('#') {
                comment.read(words.trim()).with_context(|| format!("line {}", number + 1))?;
            } else if content.is_empty() {
                comment = Comment::default();
            } else if let Some(key) = key(content) {
                stack.retain(|(of, _)| *of < indent);
                stack.push((indent, key.to_owned()));
                let Comment { description, schema } = std::mem::take(&mut comment);
                if let Some(description) = description {
                    let path = stack.iter().map(|(_, key)| key.clone()).collect();
                    entries.push(Entry { path, description, schema });
                }
            }
        }
        let values = Self { entries, defaults };
        values.all_are_described(&values.defaults, &mut Vec::new())?;
        Ok(values)
    }

    /// The default at a path.
    pub(super) fn default(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(&self.defaults, |value, key| value.get(key))
    }

    /// Whether something below this path is described by itself.
    pub(super) fn has_described_children(&self, path: &[String]) -> bool {
        self.entries.iter().any(|entry| entry.path.len() > path.len() && entry.path.starts_with(path))
    }

    fn all_are_described(&self, value: &Value, path: &mut Vec<String>) -> anyhow::Result<()> {
        let is_described = self.entries.iter().any(|entry| entry.path == *path);
        match value {
            Value::Object(map) if self.has_described_children(path) => {
                for (key, value) in map {
                    path.push(key.clone());
                    self.all_are_described(value, path)?;
                    path.pop();
                }
            }
            _ => ensure!(is_described, "{} has no description", path.join(".")),
        }
        Ok(())
    }
}

impl Comment {
    fn read(&mut self, words: &str) -> anyhow::Result<()> {
        if let Some(json) = words.strip_prefix("@schema ") {
            self.schema = serde_json::from_str(json).context("@schema is no JSON object")?;
        } else if let Some(first) = words.strip_prefix("-- ") {
            self.description = Some(first.to_owned());
        } else if let Some(description) = &mut self.description {
            if words.starts_with('@') {
                bail!("unknown annotation {words}");
            }
            description.push(' ');
            description.push_str(words);
        }
        Ok(())
    }
}

/// The key of a line `key: …`; none for items of lists.
fn key(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let is_name = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    (is_name && !key.starts_with('-') && (rest.is_empty() || rest.starts_with(' '))).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_belong_to_the_key_below_them() {
        let text = "# of the file\n\nimage:\n  # -- Where it\n  # comes from.\n  # @schema {\"minLength\": 1}\n  name: a\n# -- Free.\nnodes:\n  - key: b\n";
        let values = Values::parse(text).unwrap();
        let told: Vec<_> = values.entries.iter().map(|e| (e.name(), e.description.as_str())).collect();
        assert_eq!(told, [("image.name".to_owned(), "Where it comes from."), ("nodes".to_owned(), "Free.")]);
        assert_eq!(values.entries[0].schema["minLength"], 1);
        assert_eq!(values.default(&["image".to_owned(), "name".to_owned()]), Some(&Value::from("a")));
    }

    #[test]
    fn a_value_without_a_description_is_a_mistake() {
        let error = Values::parse("# -- One.\na: 1\nb:\n  # -- Two.\n  c: 2\n  d: 3\n").err().unwrap();
        assert_eq!(error.to_string(), "b.d has no description");
    }
}

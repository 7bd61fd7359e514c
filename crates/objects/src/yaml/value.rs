//! A document as JSON, for queries into it.

use serde_json::{Map, Number, Value};

use super::Failure;
use super::node::{Document, Kind, NodeId};
use super::scalar::{Resolved, resolve};
use crate::limits::{Budget, Limit};

/// The document's content as a JSON value; none for an empty document.
///
/// Scalars keep their text: a number becomes a JSON number only where it would be written just so, and a
/// string otherwise (`1.10`, `0x10`). Keys are strings; merge keys (`<<`) are keys like any other.
pub(crate) fn to_value(document: &Document, budget: &mut Budget) -> Result<Option<Value>, Failure> {
    document.root.map(|root| Converter { document, budget, depth: 0 }.value(root)).transpose()
}

struct Converter<'a> {
    document: &'a Document,
    budget: &'a mut Budget,
    depth: usize,
}

impl Converter<'_> {
    fn value(&mut self, id: NodeId) -> Result<Value, Failure> {
        let document = self.document;
        let node = document.node(id);
        self.budget.step().map_err(|limit| Failure::limit(limit, node.at))?;
        // Aliases nest further than the text does, up to endlessly.
        if self.depth == self.budget.depth() {
            return Err(Failure::limit(Limit::Depth(self.depth), node.at));
        }
        self.depth += 1;
        let value = match &node.kind {
            Kind::Scalar { text, .. } => {
                self.budget.bytes(text.len()).map_err(|limit| Failure::limit(limit, node.at))?;
                let resolved = resolve(&node.tag, text)
                    .map_err(|_| Failure::fatal("a value does not fit its tag", node.at))?;
                scalar(text, resolved)
            }
            Kind::Sequence(items) => {
                Value::Array(items.iter().map(|item| self.value(*item)).collect::<Result<_, _>>()?)
            }
            Kind::Mapping(pairs) => {
                let mut map = Map::new();
                for (key, value) in pairs {
                    let at = document.node(*key).at;
                    let Kind::Scalar { text, .. } = &document.node(*key).kind else {
                        return Err(Failure::fatal("a key is not a string", at));
                    };
                    if map.insert(text.clone(), self.value(*value)?).is_some() {
                        return Err(Failure::fatal("a key stands twice", at));
                    }
                }
                Value::Object(map)
            }
            Kind::Alias { target, .. } => self.value(*target)?,
        };
        self.depth -= 1;
        Ok(value)
    }
}

fn scalar(text: &str, resolved: Resolved) -> Value {
    let number = match resolved {
        Resolved::Null => return Value::Null,
        Resolved::Bool => return Value::Bool(text.eq_ignore_ascii_case("true")),
        Resolved::Int(value) => i64::try_from(value).ok().map(Number::from),
        Resolved::Float(value) => Number::from_f64(value),
        Resolved::Timestamp | Resolved::Text => None,
    };
    match number.filter(|number| number.to_string() == text) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

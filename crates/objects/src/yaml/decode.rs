//! Decoding of a document into named fields, with yaml.v3's rules and error texts.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::node::{Document, Kind, Node, NodeId};
use super::scalar::{Resolved, resolve};
use super::{Failure, Literal, Text};
use crate::go_text::quote;
use crate::limits::Budget;
use crate::position::Position;

/// Errors that one answer names at most: it has to fit into a gRPC status.
const MAX_ERRORS: usize = 20;

/// Something with named fields that a mapping fills.
pub(crate) trait Record {
    /// Its name in error texts.
    const TYPE: &'static str;

    /// The field of a key; none for a key that is ignored.
    fn field(&mut self, key: &str) -> Option<Field<'_>>;
}

/// A field to fill.
pub(crate) enum Field<'a> {
    /// A string.
    Text(&'a mut Text),
    /// A 32-bit number.
    Number(&'a mut i32),
    /// A list of strings.
    List(&'a mut Vec<Text>),
    /// A switch.
    Bool(&'a mut bool),
    /// A mapping of strings to strings, in its order.
    Pairs(&'a mut Pairs),
    /// A list of such mappings.
    PairsList(&'a mut Vec<Pairs>),
    /// A list of anything, to be decoded item by item; what is null in it is left out.
    Nodes(&'a mut Vec<NodeId>),
}

/// A mapping of strings to strings.
pub(crate) type Pairs = Vec<(String, Text)>;

impl Field<'_> {
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Number(_) => "int32",
            Self::List(_) => "[]string",
            Self::Bool(_) => "bool",
            Self::Pairs(_) => "map[string]string",
            Self::PairsList(_) => "[]map[string]string",
            Self::Nodes(_) => "[]types.KeyVaultObject",
        }
    }
}

/// Fills a record from the first document of a text.
pub(crate) fn decode<R: Record>(text: &str, record: &mut R, budget: &mut Budget) -> Result<(), Failure> {
    let document = Document::parse(text, budget)?;
    document.root.map_or(Ok(()), |root| decode_node(&document, root, record, budget))
}

/// Fills a record from one node of a document.
pub(crate) fn decode_node<R: Record>(
    document: &Document,
    node: NodeId,
    record: &mut R,
    budget: &mut Budget,
) -> Result<(), Failure> {
    let mut decoder =
        Decoder { document, budget, errors: Vec::new(), expanding: HashSet::new(), merged: None };
    decoder.record(node, record)?;
    decoder.finish()
}

struct Decoder<'a> {
    document: &'a Document,
    budget: &'a mut Budget,
    /// Type errors do not stop the decoding, so that one answer names them all.
    errors: Vec<(Position, String)>,
    /// Aliases that are being followed.
    expanding: HashSet<NodeId>,
    /// Keys that a mapping has set, while mappings are merged into it.
    merged: Option<HashSet<String>>,
}

impl<'a> Decoder<'a> {
    fn finish(self) -> Result<(), Failure> {
        let Some((at, _)) = self.errors.first() else { return Ok(()) };
        let at = *at;
        let texts: Vec<_> = self.errors.into_iter().map(|(_, text)| text).collect();
        Err(Failure::fatal(format!("unmarshal errors:\n  {}", texts.join("\n  ")), at))
    }

    /// The node itself, or what an alias stands for. The count bounds what aliases can multiply.
    fn follow<T>(
        &mut self,
        id: NodeId,
        then: impl FnOnce(&mut Self, &'a Node) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let document = self.document;
        let node = document.node(id);
        self.budget.step().map_err(|limit| Failure::limit(limit, node.at))?;
        let Kind::Alias { name, target } = &node.kind else { return then(self, node) };
        if !self.expanding.insert(id) {
            return Err(Failure::fatal(format!("anchor '{name}' value contains itself"), node.at));
        }
        let result = self.follow(*target, then);
        self.expanding.remove(&id);
        result
    }

    fn record<R: Record>(&mut self, id: NodeId, record: &mut R) -> Result<(), Failure> {
        self.follow(id, |this, node| match &node.kind {
            Kind::Mapping(pairs) => this.mapping(pairs, record),
            Kind::Scalar { text, .. } => {
                if this.resolve(node, text)? != Resolved::Null {
                    this.mismatch(node, R::TYPE);
                }
                Ok(())
            }
            _ => {
                this.mismatch(node, R::TYPE);
                Ok(())
            }
        })
    }

    fn mapping<R: Record>(&mut self, pairs: &[(NodeId, NodeId)], record: &mut R) -> Result<(), Failure> {
        if self.has_duplicates(pairs)? {
            return Ok(());
        }
        let mut merged = self.merged.take();
        let mut merge = None;
        let mut filled = HashSet::new();
        for &(key, value) in pairs {
            let node = self.document.node(key);
            if is_merge(node) {
                merge = Some(value);
                continue;
            }
            let mut name = Text::default();
            if !self.value(key, Field::Text(&mut name))? {
                continue;
            }
            let name = name.value;
            if merged.as_mut().is_some_and(|merged| !merged.insert(name.clone())) {
                continue;
            }
            let Some(field) = record.field(&name) else { continue };
            if filled.insert(name.clone()) {
                self.value(value, field)?;
            } else {
                self.error(node.at, format!("field {name} already set in type {}", R::TYPE));
            }
        }
        self.merged = merged;
        match merge {
            Some(merge) => self.merge(pairs, merge, record),
            None => Ok(()),
        }
    }

    /// Yaml.v3 compares keys as written: the kind of node and its text.
    fn has_duplicates(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<bool, Failure> {
        let document = self.document;
        let mut places: HashMap<_, Vec<Position>> = HashMap::new();
        for &(key, _) in pairs {
            let node = document.node(key);
            self.budget.step().map_err(|limit| Failure::limit(limit, node.at))?;
            places.entry(identity(node)).or_default().push(node.at);
        }
        if places.len() == pairs.len() {
            return Ok(false);
        }
        // Go reports by the first of two equal keys, then by the second.
        for &(key, _) in pairs {
            let node = document.node(key);
            let (_, text) = identity(node);
            let later = places.get(&identity(node)).map_or(&[][..], Vec::as_slice).iter();
            for at in later.filter(|at| at.offset > node.at.offset).take(MAX_ERRORS) {
                let (key, line) = (quote(text), node.at.line);
                self.error(*at, format!("mapping key {key} already defined at line {line}"));
            }
            if self.errors.len() == MAX_ERRORS {
                break;
            }
        }
        Ok(true)
    }

    fn merge<R: Record>(
        &mut self,
        pairs: &[(NodeId, NodeId)],
        merge: NodeId,
        record: &mut R,
    ) -> Result<(), Failure> {
        let outer = self.merged.is_some();
        if !outer {
            let mut set = HashSet::new();
            for &(key, _) in pairs {
                let mut name = Text::default();
                let errors = self.errors.len();
                if self.value(key, Field::Text(&mut name))? {
                    set.insert(name.value);
                }
                self.errors.truncate(errors);
            }
            self.merged = Some(set);
        }
        let document = self.document;
        let node = document.node(merge);
        let sources = match &node.kind {
            Kind::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(&merge),
        };
        for &source in sources {
            let node = document.node(source);
            let is_mapping = match &node.kind {
                Kind::Alias { target, .. } => matches!(document.node(*target).kind, Kind::Mapping(_)),
                kind => matches!(kind, Kind::Mapping(_)),
            };
            if !is_mapping {
                return Err(Failure::fatal(
                    "map merge requires map or sequence of maps as the value",
                    node.at,
                ));
            }
            self.record(source, record)?;
        }
        if !outer {
            self.merged = None;
        }
        Ok(())
    }

    /// Fills one field; false when the node holds no value for it.
    fn value(&mut self, id: NodeId, field: Field<'_>) -> Result<bool, Failure> {
        self.follow(id, |this, node| match &node.kind {
            Kind::Scalar { text, literal } => this.scalar(node, text, *literal, field),
            Kind::Sequence(items) => this.sequence(node, items, field),
            Kind::Mapping(pairs) => {
                if this.has_duplicates(pairs)? {
                    return Ok(false);
                }
                let Field::Pairs(out) = field else { return Ok(this.mismatch(node, field.type_name())) };
                out.clear();
                for &(key, value) in pairs {
                    let (mut name, mut text) = (Text::default(), Text::default());
                    if this.value(key, Field::Text(&mut name))?
                        && this.value(value, Field::Text(&mut text))?
                    {
                        out.push((name.value, text));
                    }
                }
                Ok(true)
            }
            Kind::Alias { .. } => Ok(false),
        })
    }

    fn sequence(&mut self, node: &Node, items: &[NodeId], field: Field<'_>) -> Result<bool, Failure> {
        match field {
            Field::List(list) => {
                list.clear();
                for &item in items {
                    let mut text = Text::default();
                    if self.value(item, Field::Text(&mut text))? {
                        list.push(text);
                    }
                }
            }
            Field::PairsList(list) => {
                list.clear();
                for &item in items {
                    let mut pairs = Pairs::default();
                    if self.value(item, Field::Pairs(&mut pairs))? {
                        list.push(pairs);
                    }
                }
            }
            Field::Nodes(list) => {
                list.clear();
                for &item in items {
                    if !self.follow(item, |this, node| this.is_null(node))? {
                        list.push(item);
                    }
                }
            }
            field => return Ok(self.mismatch(node, field.type_name())),
        }
        Ok(true)
    }

    fn is_null(&self, node: &Node) -> Result<bool, Failure> {
        match &node.kind {
            Kind::Scalar { text, .. } => Ok(self.resolve(node, text)? == Resolved::Null),
            _ => Ok(false),
        }
    }

    fn scalar(
        &mut self,
        node: &Node,
        text: &str,
        literal: Option<Literal>,
        field: Field<'_>,
    ) -> Result<bool, Failure> {
        let resolved = self.resolve(node, text)?;
        self.budget.bytes(text.len()).map_err(|limit| Failure::limit(limit, node.at))?;
        if resolved == Resolved::Null {
            return Ok(match field {
                Field::List(list) => {
                    list.clear();
                    true
                }
                // A field without a value is a field that is not there.
                _ => false,
            });
        }
        let type_name = field.type_name();
        match (field, resolved) {
            (Field::Text(out), _) if node.tag == "!!binary" => {
                *out = Text { value: binary(node, text)?, at: node.at, literal: None };
            }
            (Field::Text(out), _) => *out = Text { value: text.to_owned(), at: node.at, literal },
            (Field::Number(out), Resolved::Int(number)) if i32::try_from(number).is_ok() => {
                *out = i32::try_from(number).unwrap_or_default();
            }
            (Field::Bool(out), Resolved::Bool) => *out = text.eq_ignore_ascii_case("true"),
            // Go truncates.
            (Field::Number(out), Resolved::Float(number))
                if number.trunc() >= f64::from(i32::MIN) && number.trunc() <= f64::from(i32::MAX) =>
            {
                *out = number as i32;
            }
            _ => return Ok(self.mismatch(node, type_name)),
        }
        Ok(true)
    }

    fn resolve(&self, node: &Node, text: &str) -> Result<Resolved, Failure> {
        resolve(&node.tag, text).map_err(|looks| {
            Failure::fatal(format!("cannot decode {looks} `{text}` as a {}", node.tag), node.at)
        })
    }

    fn mismatch(&mut self, node: &Node, wanted: &str) -> bool {
        let value = match &node.kind {
            _ if node.tag == "!!seq" || node.tag == "!!map" => String::new(),
            Kind::Scalar { text, .. } => format!(" `{}`", shorten(text)),
            _ => " ``".into(),
        };
        self.error(node.at, format!("cannot unmarshal {}{value} into {wanted}", node.tag));
        false
    }

    fn error(&mut self, at: Position, text: String) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push((at, format!("line {}: {text}", at.line)));
        }
    }
}

fn identity(node: &Node) -> (u8, &str) {
    match &node.kind {
        Kind::Scalar { text, .. } => (0, text),
        Kind::Sequence(_) => (1, ""),
        Kind::Mapping(_) => (2, ""),
        Kind::Alias { name, .. } => (3, name),
    }
}

fn is_merge(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar { text, .. } if text == "<<") && node.tag == "!!merge"
}

fn binary(node: &Node, text: &str) -> Result<String, Failure> {
    let lines: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    STANDARD
        .decode(lines)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Failure::fatal("!!binary value contains invalid base64 data", node.at))
}

/// Go's error texts show the first ten bytes of a value at most.
fn shorten(text: &str) -> String {
    if text.len() <= 10 {
        return text.to_owned();
    }
    format!("{}...", String::from_utf8_lossy(&text.as_bytes()[..7]))
}

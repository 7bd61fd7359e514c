//! YAML documents as trees whose nodes know their places.

use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StructureStyle};

use crate::diagnostic::{Diagnostic, Severity};
use crate::place::{Origin, Place};
use crate::rule::Rule;

/// Most nodes of one text; aliases count as what they stand for.
const MOST_NODES: usize = 200_000;

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) start: Place,
    pub(crate) end: Place,
    pub(crate) kind: Kind,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar {
        text: String,
        /// Neither quoted nor a block, so that it may be something else than a string.
        plain: bool,
        origin: Origin,
    },
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Node, Node)>,
        /// Written with indentation, not with braces.
        block: bool,
    },
}

impl Node {
    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The node of a key of a mapping.
    pub(crate) fn key(&self, key: &str) -> Option<&Self> {
        self.entries().iter().map(|(name, _)| name).find(|name| name.text() == Some(key))
    }

    /// The value at a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text at a path of keys; empty if there is none, or a null.
    pub(crate) fn text_at(&self, path: &[&str]) -> &str {
        match self.at(path) {
            Some(node) if !node.is_null() => node.text().unwrap_or_default(),
            _ => "",
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true, .. } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items of a sequence; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[(Self, Self)] {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The items of a sequence at a path.
    pub(crate) fn items_at(&self, path: &[&str]) -> &[Self] {
        self.at(path).map_or(&[], Self::items)
    }
}

/// A text that is not YAML.
#[derive(Clone, Debug)]
pub(crate) struct SyntaxError {
    at: Place,
    text: String,
    /// The documents before the one that could not be read.
    pub(crate) read: Vec<Node>,
}

impl SyntaxError {
    pub(crate) fn diagnostic(&self, file: usize) -> Diagnostic {
        Diagnostic::new(Severity::Error, Rule::FileInvalidYaml, file, self.at, self.at)
            .saying(format!("not YAML: {}", self.text))
    }
}

/// All documents of a text.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let options = granit_parser::options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: 100,
        block_nesting_limit: 100,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err((place(error.marker()), error.info().to_owned())),
        };
        if let Err((at, text)) = taken {
            return Err(SyntaxError { at, text, read: builder.documents });
        }
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

struct Open {
    node: Node,
    anchor: usize,
    key: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), (Place, String)> {
        let (start, end) = (place(&span.start), place(&span.end));
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let origin = match style {
                    // Its span begins with the first line that is not empty.
                    ScalarStyle::Literal => {
                        let blank = text.len() - text.trim_start_matches('\n').len();
                        Origin::Block {
                            line: start.line.saturating_sub(blank).max(1),
                            indent: span.start.col(),
                        }
                    }
                    _ => Origin::Whole(start),
                };
                let plain = style == ScalarStyle::Plain;
                let kind = Kind::Scalar { text: text.into_owned(), plain, origin };
                self.add(Node { start, end, kind }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Node { start, end, kind: Kind::Sequence(Vec::new()) }, anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                let block = style != StructureStyle::Flow;
                self.begin(Node { start, end, kind: Kind::Mapping { entries: Vec::new(), block } }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(mut open) = self.open.pop() else { return Ok(()) };
                open.node.end = end;
                self.close(open.node, open.anchor);
                Ok(())
            }
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned().ok_or((start, "unknown alias".to_owned()))?;
                self.count(size(&node), start)?;
                self.close(node, 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, at: Place) -> Result<(), (Place, String)> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES { Err((at, format!("more than {MOST_NODES} nodes"))) } else { Ok(()) }
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), (Place, String)> {
        self.count(1, node.start)?;
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), (Place, String)> {
        self.count(1, node.start)?;
        self.close(node, anchor);
        Ok(())
    }

    /// A node is complete: into its parent with it.
    fn close(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        match &mut parent.node.kind {
            Kind::Sequence(items) => items.push(node),
            Kind::Mapping { entries, .. } => match parent.key.take() {
                Some(key) => entries.push((key, node)),
                None => parent.key = Some(node),
            },
            Kind::Scalar { .. } => {}
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::Sequence(items) => items.iter().map(size).sum(),
        Kind::Mapping { entries, .. } => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}

fn place(mark: &Marker) -> Place {
    Place::new(mark.line().max(1), mark.col() + 1)
}

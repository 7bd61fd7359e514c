//! The first document of a YAML text as a tree, with what Go's yaml.v3 knows of each node: its tag,
//! its literal text, its line. Bounded, because the text is a tenant's.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::{Failure, Literal, scalar, syntax};
use crate::limits::Budget;
use crate::position::Position;

/// Index of a node in its document.
pub(crate) type NodeId = usize;

/// A parsed document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    /// The root; a text without content has none.
    pub(crate) root: Option<NodeId>,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    /// Tag in Go's short form: `!!str`, `!!int`, `!local`.
    pub(crate) tag: Cow<'static, str>,
    /// Where the node starts, its anchor and tag included.
    pub(crate) at: Position,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A scalar: its text after folding and escapes, and where its lines stand when it is a literal
    /// block.
    Scalar { text: String, literal: Option<Literal> },
    /// A sequence.
    Sequence(Vec<NodeId>),
    /// A mapping: keys and values in turn.
    Mapping(Vec<(NodeId, NodeId)>),
    /// A reference to an anchored node.
    Alias { name: String, target: NodeId },
}

impl Document {
    /// Reads the first document of `text`; what follows it is never looked at, as in Go.
    pub(crate) fn parse(text: &str, budget: &mut Budget) -> Result<Self, Failure> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            block_scalar_eof_without_line_feed: true,
            bom_inside_document_as_content: true,
            flow_nesting_limit: budget.depth(),
            block_nesting_limit: budget.depth(),
        };
        let mut builder = Builder::new(text, budget);
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    // Go reads no further than the collection.
                    if let Some(collection) = syntax::before_spare_brackets(text) {
                        return Self::parse(collection, budget);
                    }
                    let depth = builder.budget.depth();
                    return Err(syntax::explain(text, &error, builder.innermost(), depth));
                }
            };
            if builder.accept(event, span)? {
                break;
            }
        }
        Ok(builder.document)
    }

    /// The node of an index this document gave out.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }
}

struct Builder<'a> {
    text: &'a str,
    budget: &'a mut Budget,
    document: Document,
    /// Open collections, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, (NodeId, String)>,
}

struct Open {
    id: NodeId,
    flow: bool,
    /// A mapping's key that waits for its value.
    key: Option<NodeId>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, budget: &'a mut Budget) -> Self {
        Self { text, budget, document: Document::default(), open: Vec::new(), anchors: HashMap::new() }
    }

    fn innermost(&self) -> Option<syntax::OpenCollection> {
        let open = self.open.last()?;
        let node = &self.document.nodes[open.id];
        Some(syntax::OpenCollection {
            start: node.at,
            flow: open.flow,
            mapping: matches!(node.kind, Kind::Mapping(_)),
            awaits_value: open.key.is_some(),
        })
    }

    /// Takes one event; true when the document is complete.
    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<bool, Failure> {
        match event {
            Event::DocumentEnd | Event::StreamEnd => return Ok(true),
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                return Err(Failure::fatal("found incompatible YAML document", self.start(&span)));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let header = if block { block_header(self.text, &span, &text) } else { None };
                let at = header.unwrap_or_else(|| self.start(&span));
                if header.is_some() {
                    self.refuse_tab_behind_block(&span, at)?;
                }
                let literal = (style == ScalarStyle::Literal && header.is_some())
                    .then(|| Literal { line: at.line + 1, indent: span.start.col() });
                let node = scalar_node(text.into_owned(), style, tag.as_deref(), at, literal);
                self.add(node, anchor)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                let tag = collection_tag(tag.as_deref(), "!!seq");
                let node = Node { tag, at: self.start(&span), kind: Kind::Sequence(Vec::new()) };
                self.begin(node, anchor, style)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                let tag = collection_tag(tag.as_deref(), "!!map");
                let node = Node { tag, at: self.start(&span), kind: Kind::Mapping(Vec::new()) };
                self.begin(node, anchor, style)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Anchor(id, name) => self.name_anchor(id, &name, &span)?,
            Event::Alias(id) => {
                let (target, name) = self
                    .anchors
                    .get(&id)
                    .cloned()
                    .ok_or_else(|| Failure::fatal("unknown anchor referenced", self.start(&span)))?;
                let node = Node { tag: "".into(), at: self.start(&span), kind: Kind::Alias { name, target } };
                self.add(node, 0)?;
            }
            Event::UnresolvedAlias(name) if !is_anchor_name(&name) => {
                return Err(syntax::anchor_name(self.start(&span)));
            }
            Event::UnresolvedAlias(name) => {
                return Err(Failure::fatal(format!("unknown anchor '{name}' referenced"), self.start(&span)));
            }
            _ => {}
        }
        Ok(false)
    }

    fn start(&self, span: &Span) -> Position {
        let first = match span.tag_start() {
            Some(tag) if tag.index() < span.start.index() => tag,
            _ => span.start,
        };
        position(self.text, &first)
    }

    fn name_anchor(&mut self, id: usize, name: &str, span: &Span) -> Result<(), Failure> {
        let at = position(self.text, &span.start);
        if !is_anchor_name(name) {
            return Err(syntax::anchor_name(at));
        }
        if let Some((node, text)) = self.anchors.get_mut(&id) {
            name.clone_into(text);
            let node = &mut self.document.nodes[*node];
            if at.offset < node.at.offset {
                node.at = at;
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        node: Node,
        anchor: usize,
        style: granit_parser::StructureStyle,
    ) -> Result<(), Failure> {
        let id = self.add(node, anchor)?;
        let flow = style == granit_parser::StructureStyle::Flow;
        self.open.push(Open { id, flow, key: None });
        Ok(())
    }

    /// Go takes no tab before the first node of a line, nor at the start of a block scalar.
    fn refuse_tab(&self, node: &Node) -> Result<(), Failure> {
        if self.open.last().is_some_and(|open| open.flow) {
            return Ok(());
        }
        let (before, after) = self.text.split_at_checked(node.at.offset).unwrap_or_default();
        let indentation = before.bytes().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'-' | b'?'));
        let (mut tab, mut length) = (false, 0);
        for byte in indentation {
            tab |= byte == b'\t';
            length += 1;
        }
        if tab && matches!(before.as_bytes().iter().rev().nth(length), None | Some(b'\n' | b'\r')) {
            return Err(syntax::tab(node.at));
        }
        match &node.kind {
            Kind::Scalar { text, literal: Some(_) }
                if text.trim_start_matches('\n').starts_with('\t') && !has_explicit_indent(after) =>
            {
                let blank_lines = text.len() - text.trim_start_matches('\n').len();
                Err(syntax::tab_in_block(
                    node.at,
                    Position { line: node.at.line + 1 + blank_lines, ..node.at },
                ))
            }
            _ => Ok(()),
        }
    }

    /// Go looks for the next line of a block scalar, and takes no tab before it has found its indentation.
    fn refuse_tab_behind_block(&self, first_line: &Span, at: Position) -> Result<(), Failure> {
        let rest =
            first_line.start.byte_offset().and_then(|offset| self.text.get(offset..)).unwrap_or_default();
        for (index, line) in rest.lines().enumerate().skip(1) {
            let content = line.trim_start_matches(' ');
            let column = line.len() - content.len();
            if column >= first_line.start.col() {
                continue;
            }
            match content.as_bytes().first() {
                None => {}
                Some(b'\t') => {
                    let offset = content.as_ptr().addr() - self.text.as_ptr().addr();
                    let tab = Position { line: first_line.start.line() + index, column: column + 1, offset };
                    return Err(syntax::tab_in_block(at, tab));
                }
                Some(_) => break,
            }
        }
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<NodeId, Failure> {
        self.budget.node().map_err(|limit| Failure::limit(limit, node.at))?;
        self.refuse_tab(&node)?;
        let id = self.document.nodes.len();
        self.document.nodes.push(node);
        if anchor != 0 {
            self.anchors.insert(anchor, (id, String::new()));
        }
        let Some(parent) = self.open.last_mut() else {
            self.document.root.get_or_insert(id);
            return Ok(id);
        };
        match &mut self.document.nodes[parent.id].kind {
            Kind::Sequence(items) => items.push(id),
            Kind::Mapping(pairs) => match parent.key.take() {
                Some(key) => pairs.push((key, id)),
                None => parent.key = Some(id),
            },
            Kind::Scalar { .. } | Kind::Alias { .. } => {}
        }
        Ok(id)
    }
}

/// Go takes fewer characters for the name of an anchor.
fn is_anchor_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The tag Go's parser gives a scalar.
fn scalar_node(
    text: String,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Position,
    literal: Option<Literal>,
) -> Node {
    let plain = style == ScalarStyle::Plain;
    let tag = match tag.map(short_tag).filter(|tag| tag != "!") {
        Some(tag) => tag,
        None if plain => scalar::implicit_tag(&text).into(),
        None => "!!str".into(),
    };
    Node { tag, at, kind: Kind::Scalar { text, literal } }
}

fn collection_tag(tag: Option<&Tag>, default: &'static str) -> Cow<'static, str> {
    tag.map(short_tag).filter(|tag| tag != "!").unwrap_or(Cow::Borrowed(default))
}

fn short_tag(tag: &Tag) -> Cow<'static, str> {
    match tag.suffix_in_namespace("tag:yaml.org,2002:") {
        Some(name) => format!("!!{name}").into(),
        None => format!("{}{}", tag.handle(), tag.suffix()).into(),
    }
}

pub(super) fn position(text: &str, mark: &Marker) -> Position {
    let offset = mark.byte_offset().unwrap_or(0).min(text.len());
    Position { line: mark.line(), column: mark.col() + 1, offset }
}

/// The line with the `|` or `>` of a block scalar; its span starts at the first line with content.
fn block_header(text: &str, span: &Span, value: &str) -> Option<Position> {
    let blank_lines = value.len() - value.trim_start_matches('\n').len();
    let line = span.start.line().checked_sub(blank_lines + 1).filter(|_| blank_lines < value.len())?;
    let before = text.get(..span.start.byte_offset()?)?;
    let start = before.rmatch_indices('\n').nth(blank_lines + 1).map_or(0, |(offset, _)| offset + 1);
    let indent = before.get(start..)?.bytes().take_while(|byte| *byte == b' ').count();
    Some(Position { line, column: indent + 1, offset: start + indent })
}

/// Whether a block scalar's header line gives its indentation, as in `|2`.
fn has_explicit_indent(header: &str) -> bool {
    let line = header.lines().next().unwrap_or_default();
    let indicators = line.rsplit(['|', '>']).next().unwrap_or_default();
    indicators.trim_start_matches(['+', '-']).starts_with(|digit: char| digit.is_ascii_digit())
}

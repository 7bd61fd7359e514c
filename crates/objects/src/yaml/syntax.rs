//! Go's words and line for the mistakes the YAML parser finds.
//!
//! People search for yaml.v3's texts, so the frequent mistakes get exactly those. Go names the line
//! where the broken construct *starts* when that is not the first line, else the line of the problem;
//! for mistakes of structure it counts from zero. [`Blame`] holds that arithmetic.

use granit_parser::{ErrorKind, ScanError};

use super::{Cause, Failure};
use crate::limits::Limit;
use crate::position::Position;

/// What people get wrong, for the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A tab where only spaces may stand.
    Tab,
    /// A line that fits no open list or mapping.
    Indentation,
    /// A second `: ` on a line, or a line without one.
    Colon,
    /// A quote that is not closed, or text behind a closing one.
    Quote,
    /// Brackets or braces that do not match.
    Bracket,
    /// A character with a meaning of its own at the start of a value.
    Indicator,
    /// A control character.
    Control,
    /// Anything else.
    Other,
}

impl Mistake {
    /// What to do about it.
    pub(crate) const fn fix(self) -> &'static str {
        match self {
            Self::Tab => "indent with spaces; YAML takes no tabs there",
            Self::Indentation => "align the line with the others of its list or mapping",
            Self::Colon => {
                "each line is one `key: value` with a space behind the colon; put a value that holds `: ` \
                 into quotes, and align the keys"
            }
            Self::Quote => "close the quote, and put nothing behind the closing one",
            Self::Bracket => "each [ and { needs its ] or }, with commas in between",
            Self::Indicator => "put a value that starts with a special character into quotes",
            Self::Control => "remove the control character",
            Self::Other => {
                "check the YAML of objects, for instance that no template expression is left in it"
            }
        }
    }
}

/// A collection that was open when the parser stopped.
#[derive(Clone, Copy)]
pub(super) struct OpenCollection {
    pub(super) start: Position,
    pub(super) flow: bool,
    pub(super) mapping: bool,
    /// A mapping whose last key has no value yet.
    pub(super) awaits_value: bool,
}

/// The failure for a parser error in `text`, with the innermost collection that was open.
pub(super) fn explain(text: &str, error: &ScanError, open: Option<OpenCollection>, depth: usize) -> Failure {
    use ErrorKind as K;
    let at = super::node::position(text, error.marker());
    let expected = |open: Option<OpenCollection>| expected(text, open.or_else(|| open_bracket(text, at)), at);
    let last_line = 1 + text.matches('\n').count();
    let here = Blame::Token(at.line);
    let (mistake, blame, words) = match error.kind() {
        K::RecursionLimitExceeded => return Failure::limit(Limit::Depth(depth), at),
        K::TabInBlockIndentation | K::TabNotAllowed | K::TabInIndentation => {
            (Mistake::Tab, here, "found character that cannot start any token")
        }
        K::TabAtBlockScalarStart => {
            let blame = Blame::Span(at.line, line_of_leading_tab(text, at));
            (Mistake::Tab, blame, "found a tab character where an indentation space is expected")
        }
        K::TabInPlainScalar => {
            let tab = line_of_leading_tab(text, at);
            (Mistake::Tab, Blame::Span(at.line, tab), "found a tab character that violates indentation")
        }
        K::UnclosedQuotedScalar => {
            (Mistake::Quote, Blame::Span(at.line, last_line), "found unexpected end of stream")
        }
        K::DocumentIndicatorInQuotedScalar => (Mistake::Quote, here, "found unexpected document indicator"),
        K::UnknownQuotedScalarEscape => (Mistake::Quote, here, "found unknown escape character"),
        K::InvalidQuotedScalarHexEscape => (Mistake::Quote, here, "did not find expected hexdecimal number"),
        K::InvalidUnicodeEscape
        | K::InvalidLowSurrogateHexEscape
        | K::InvalidLowSurrogate
        | K::MissingLowSurrogate
        | K::UnpairedLowSurrogate => (Mistake::Quote, here, "found invalid Unicode character escape code"),
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            // The quoted text was the value.
            let (blame, words) = expected(open.map(|open| OpenCollection { awaits_value: false, ..open }));
            (Mistake::Quote, blame, words)
        }
        K::UnexpectedCharacter { character } if is_control(*character) => {
            (Mistake::Control, Blame::Nowhere, "control characters are not allowed")
        }
        K::UnexpectedCharacter { .. } => {
            (Mistake::Indicator, here, "found character that cannot start any token")
        }
        K::MissingAnchorOrAliasName => {
            (Mistake::Indicator, here, "did not find expected alphabetic or numeric character")
        }
        K::InvalidBlockScalarHeader => {
            (Mistake::Indicator, here, "did not find expected comment or line break")
        }
        K::ZeroBlockScalarIndent => (Mistake::Other, here, "found an indentation indicator equal to 0"),
        K::MappingValueNotAllowed => (Mistake::Colon, here, "mapping values are not allowed in this context"),
        K::MappingKeyNotAllowed => (Mistake::Colon, here, "mapping keys are not allowed in this context"),
        K::BlockSequenceEntryNotAllowed => {
            (Mistake::Indentation, here, "block sequence entries are not allowed in this context")
        }
        K::SimpleKeyExpected => (Mistake::Colon, here, "could not find expected ':'"),
        K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry if starts_with_tab(text, at) => {
            return tab(at);
        }
        K::InvalidBlockScalarIndent | K::ExpectedBlockMappingKey | K::ExpectedBlockSequenceEntry => {
            let (blame, words) = expected(open);
            (Mistake::Indentation, blame, words)
        }
        K::UnclosedFlowCollection { open } => {
            let end = last_line + usize::from(!text.ends_with('\n'));
            if awaits_node(text) {
                (Mistake::Bracket, Blame::Structure(end, end), "did not find expected node content")
            } else {
                (Mistake::Bracket, Blame::Structure(at.line, end), separator(*open == '{'))
            }
        }
        K::MismatchedFlowCollectionEnd { open: bracket, .. } => {
            let start = open.map_or(at.line, |open| open.start.line);
            (Mistake::Bracket, Blame::Structure(start, at.line), separator(*bracket == '{'))
        }
        K::ExpectedFlowSequenceSeparator
        | K::ExpectedFlowMappingSeparator
        | K::InvalidColonPlacement
        | K::MisplacedFlowCollectionEnd => {
            let (blame, words) = expected(open);
            (Mistake::Bracket, blame, words)
        }
        K::UnexpectedEofImplicitFlowMapping
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofBlockSequence
        | K::UnexpectedEofBlockMapping
        | K::BlockEntryInFlowCollection
        | K::ExpectedNodeContent => {
            (Mistake::Other, Blame::Structure(at.line, at.line), "did not find expected node content")
        }
        K::UndeclaredTagHandle => {
            (Mistake::Indicator, Blame::Structure(at.line, at.line), "found undefined tag handle")
        }
        K::UnclosedVerbatimTag => (Mistake::Indicator, here, "did not find the expected '>'"),
        K::InvalidTagTerminator => {
            (Mistake::Indicator, here, "did not find expected whitespace or line break")
        }
        K::UnsupportedYamlMajorVersion => {
            (Mistake::Other, Blame::Nowhere, "found incompatible YAML document")
        }
        K::ExpectedDocumentStart | K::InvalidDocumentEnd | K::MissingDocumentEndBeforeDirective => {
            let blame = Blame::Structure(at.line, at.line);
            (Mistake::Indentation, blame, "did not find expected <document start>")
        }
        other => {
            let text = format!("{}{other}", here.prefix());
            return Failure { cause: Cause::Syntax(Mistake::Other), text, at };
        }
    };
    Failure { cause: Cause::Syntax(mistake), text: format!("{}{words}", blame.prefix()), at }
}

/// Which line Go names.
#[derive(Clone, Copy)]
enum Blame {
    /// None.
    Nowhere,
    /// The line of a token.
    Token(usize),
    /// A token's first line, unless that is the document's first: then the line of the problem.
    Span(usize, usize),
    /// The same for a collection, counted from zero.
    Structure(usize, usize),
}

impl Blame {
    fn prefix(self) -> String {
        let line = match self {
            Self::Nowhere | Self::Token(1) | Self::Span(1, 1) | Self::Structure(1, 1) => {
                return String::new();
            }
            Self::Token(line) | Self::Span(1, line) | Self::Span(line, _) => line,
            Self::Structure(1, line) | Self::Structure(line, _) => line - 1,
        };
        format!("line {line}: ")
    }
}

/// What the innermost open collection could have continued with.
fn expected(text: &str, open: Option<OpenCollection>, at: Position) -> (Blame, &'static str) {
    let Some(open) = open else {
        return (Blame::Structure(at.line, at.line), "did not find expected <document start>");
    };
    let blame = Blame::Structure(open.start.line, at.line);
    match open {
        OpenCollection { flow: true, mapping, .. } => (blame, separator(mapping)),
        OpenCollection { mapping: false, .. } => (blame, "did not find expected '-' indicator"),
        OpenCollection { awaits_value: true, .. } => {
            (Blame::Structure(at.line, at.line), "did not find expected node content")
        }
        // Go has read on by then, and met the second colon of the line.
        OpenCollection { .. } if is_second_pair(text, at) => {
            (Blame::Token(at.line), "mapping values are not allowed in this context")
        }
        OpenCollection { .. } => (blame, "did not find expected key"),
    }
}

/// Whether another `key: value` starts at `at`, behind something on the same line.
fn is_second_pair(text: &str, at: Position) -> bool {
    let (before, after) = text.split_at_checked(at.offset).unwrap_or((text, ""));
    let line = after.lines().next().unwrap_or_default();
    // A list's dash is nothing, and a flow collection would be a key itself.
    let before = before.rsplit('\n').next().unwrap_or_default().trim_matches([' ', '-']);
    let is_second = !before.is_empty() && !before.starts_with(['{', '[']);
    (line.contains(": ") || line.ends_with(':')) && is_second
}

/// Whether a tab is in the indentation before `at`.
fn starts_with_tab(text: &str, at: Position) -> bool {
    let before = text.get(..at.offset).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    before.contains('\t') && before.trim().is_empty()
}

/// The flow collection that is open at `at`; for a text that is one, because the parser reports
/// nothing of it before it is closed.
fn open_bracket(text: &str, at: Position) -> Option<OpenCollection> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut start = Position { line: 1, column: 1, offset: 0 };
    for (offset, character) in text.char_indices().take_while(|&(offset, _)| offset < at.offset) {
        start.offset = offset;
        match (quote, character) {
            (Some(quoted), _) if quoted == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => open.push(OpenCollection {
                start,
                flow: true,
                mapping: character == '{',
                awaits_value: false,
            }),
            (None, ']' | '}') => drop(open.pop()),
            _ => {}
        }
        start = if character == '\n' {
            Position { line: start.line + 1, column: 1, ..start }
        } else {
            Position { column: start.column + 1, ..start }
        };
    }
    open.pop().filter(|_| text.trim_start().starts_with(['[', '{']))
}

/// Whether a text whose last flow collection is not closed ends where Go wants a value rather than a separator.
fn awaits_node(text: &str) -> bool {
    let content = text.lines().rev().map(|line| match line.find(" #") {
        Some(comment) => line[..comment].trim(),
        None if line.trim_start().starts_with('#') => "",
        None => line.trim(),
    });
    content.into_iter().find(|line| !line.is_empty()).is_some_and(|line| line.ends_with(['[', '{', ',', ':']))
}

/// The flow collection that a text consists of but for brackets too many behind it; none if it is another text.
pub(super) fn before_spare_brackets(text: &str) -> Option<&str> {
    let (mut depth, mut quote) = (0_usize, None);
    for (offset, character) in text.char_indices() {
        match (quote, character) {
            (Some(quoted), _) if quoted == character => quote = None,
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.checked_sub(1)?,
            (None, _) if depth == 0 && !character.is_whitespace() => return None,
            _ => continue,
        }
        if depth == 0 && matches!(character, ']' | '}') {
            let (collection, rest) = text.split_at_checked(offset + 1)?;
            return rest.trim_start().starts_with([']', '}']).then_some(collection);
        }
    }
    None
}

const fn separator(mapping: bool) -> &'static str {
    if mapping { "did not find expected ',' or '}'" } else { "did not find expected ',' or ']'" }
}

fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// A failure for a tab that the parser lets pass and Go does not.
pub(super) fn tab(at: Position) -> Failure {
    let words = "found character that cannot start any token";
    let text = format!("{}{words}", Blame::Token(at.line).prefix());
    Failure { cause: Cause::Syntax(Mistake::Tab), text, at }
}

/// The same for a tab in the indentation of a block scalar whose header stands at `header`.
pub(super) fn tab_in_block(header: Position, at: Position) -> Failure {
    let words = "found a tab character where an indentation space is expected";
    let text = format!("{}{words}", Blame::Span(header.line, at.line).prefix());
    Failure { cause: Cause::Syntax(Mistake::Tab), text, at }
}

/// A failure for the name of an anchor or alias.
pub(super) fn anchor_name(at: Position) -> Failure {
    let words = "did not find expected alphabetic or numeric character";
    let text = format!("{}{words}", Blame::Token(at.line).prefix());
    Failure { cause: Cause::Syntax(Mistake::Indicator), text, at }
}

/// The first line after `at` that starts with a tab.
fn line_of_leading_tab(text: &str, at: Position) -> usize {
    let rest = text.get(at.offset..).unwrap_or_default();
    let found = rest.lines().skip(1).position(|line| line.trim_start_matches(' ').starts_with('\t'));
    at.line + found.map_or(0, |index| index + 1)
}

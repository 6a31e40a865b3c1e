//! YAML text to trees, one a document, within bounds, whatever the text.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::scalar;
use super::tree::{Node, Value};

/// Documents in one file, at most.
pub const MAX_DOCUMENTS: usize = 100_000;
/// Nesting, at most.
pub const MAX_DEPTH: usize = 64;
/// Nodes that anchors (`&name`) may hold and aliases (`*name`) repeat in one document, together at
/// most: what keeps a small file from becoming a large tree.
pub const MAX_ALIASED_NODES: usize = 10_000;
/// Syntax errors told of one file, at most; the rest of the file is then not read.
const MAX_SYNTAX_ERRORS: usize = 100;

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

/// Calls `each` with every document of `text` in turn, from 1, empty ones left out. A document
/// with an error does not keep the ones after it from being read.
pub fn for_each_document(text: &str, mut each: impl FnMut(u32, Result<Node, SyntaxError>)) {
    let mut options = granit_parser::Options::default();
    options.emit_comments = false;
    options.block_nesting_limit = MAX_DEPTH + 1;
    options.flow_nesting_limit = MAX_DEPTH + 1;
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: BTreeMap::new(),
        aliased: 0,
    };
    let mut errors = 0;
    for document in 1..=MAX_DOCUMENTS as u32 {
        match reader.document() {
            Ok(Some(Node {
                value: Value::Null, ..
            })) => {}
            Ok(Some(node)) => each(document, Ok(node)),
            Ok(None) => return,
            Err(error) => {
                errors += 1;
                each(document, Err(error));
                // Whatever the parser says here, the file's rest is read only if it is sure of it.
                let more = reader.parser.proceed_next_document().unwrap_or(false);
                if !more || errors == MAX_SYNTAX_ERRORS {
                    return;
                }
            }
        }
    }
    each(
        MAX_DOCUMENTS as u32,
        Err(SyntaxError {
            line: 1,
            message: format!("the file has more than {MAX_DOCUMENTS} documents"),
            hint: "split it into several files".into(),
        }),
    );
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Anchored nodes of this document by the parser's number for them.
    anchors: BTreeMap<usize, Node>,
    /// Nodes anchored, and repeated by aliases, in this document.
    aliased: usize,
}

type Tagged<'a> = Option<std::borrow::Cow<'a, Tag>>;

impl<'a> Reader<'a> {
    /// The next document; `None` at the end of the text.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum is open-ended"
    )]
    fn document(&mut self) -> Result<Option<Node>, SyntaxError> {
        self.anchors.clear();
        self.aliased = 0;
        let mut root = None;
        // Each turn takes an event; the text's length bounds them.
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentEnd => {
                    let line = line_of(&span);
                    return Ok(Some(root.unwrap_or(Node {
                        line,
                        value: Value::Null,
                    })));
                }
                Event::StreamStart | Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), SyntaxError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(SyntaxError {
                line: line(error.marker().line()),
                message: format!("not YAML: {}", error.kind()),
                hint: "correct the syntax at or just above this line".into(),
            }),
            None => Ok((
                Event::StreamEnd,
                Span::empty(granit_parser::Marker::new(0, 1, 0)),
            )),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum is open-ended"
    )]
    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, SyntaxError> {
        let line = line_of(span);
        if depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, scalar_value(&text, style, &tag, line)?)
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(depth)?),
            Event::Alias(target) => return self.alias(target, line, depth),
            other => return Err(unexpected(&other, line)),
        };
        let node = Node { line, value };
        if anchor != 0 {
            self.budget(&node, 0, line)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                merge(&mut entries, &mut seen, merged);
                return Ok(Value::Map(entries));
            }
            let line = line_of(&span);
            let Event::Scalar(key, style, _, _) = event else {
                return Err(SyntaxError {
                    line,
                    message: "a mapping's key is not text".into(),
                    hint: "write it as `key: value`".into(),
                });
            };
            let (event, span) = self.next()?;
            // A value is where its key is, for a reader who looks for it.
            let node = Node {
                line,
                ..self.node(event, &span, depth + 1)?
            };
            if key == "<<" && style == ScalarStyle::Plain {
                merged.push(node);
            } else if seen.insert(key.to_string()) {
                entries.push((key.into_owned(), node));
            } else {
                return Err(SyntaxError {
                    line,
                    message: format!("the key `{key}` is there twice in one mapping"),
                    hint: "keep one of them".into(),
                });
            }
        }
    }

    fn alias(&mut self, target: usize, line: u32, depth: usize) -> Result<Node, SyntaxError> {
        let Some(node) = self.anchors.get(&target).cloned() else {
            return Err(SyntaxError {
                line,
                message: "an alias names an anchor that is not complete".into(),
                hint: "write the value out instead of the `*alias`".into(),
            });
        };
        self.budget(&node, depth, line)?;
        Ok(Node { line, ..node })
    }

    /// Counts `node` as anchored or repeated by an alias, at `depth`.
    fn budget(&mut self, node: &Node, depth: usize, line: u32) -> Result<(), SyntaxError> {
        let (nodes, levels) = (node.size(), node.levels());
        self.aliased = self.aliased.saturating_add(nodes);
        if depth + levels > MAX_DEPTH {
            return Err(too_deep(line));
        }
        if self.aliased > MAX_ALIASED_NODES {
            return Err(SyntaxError {
                line,
                message: format!(
                    "anchors and aliases stand for more than {MAX_ALIASED_NODES} values"
                ),
                hint: "write the values out instead of using `&anchors` and `*aliases`".into(),
            });
        }
        Ok(())
    }
}

/// `<<: *defaults`: entries of the merged mappings whose keys are not there already.
fn merge(
    entries: &mut Vec<(String, Node)>,
    seen: &mut std::collections::BTreeSet<String>,
    merged: Vec<Node>,
) {
    let mut pending = merged;
    while let Some(node) = pending.pop() {
        match node.value {
            Value::Map(more) => {
                for (key, value) in more {
                    if seen.insert(key.clone()) {
                        entries.push((key, value));
                    }
                }
            }
            Value::List(items) => pending.extend(items),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {}
        }
    }
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: &Tagged<'_>,
    line: u32,
) -> Result<Value, SyntaxError> {
    let tag = tag.as_ref().and_then(|tag| tag.core_suffix());
    if tag == Some("str") {
        return Ok(Value::String(text.to_owned()));
    }
    if tag == Some("binary") {
        return Err(SyntaxError {
            line,
            message: "`!!binary` values are not read".into(),
            hint: "write the text itself".into(),
        });
    }
    Ok(match style {
        ScalarStyle::Plain => scalar::plain(text),
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Value::String(text.to_owned()),
    })
}

fn unexpected(event: &Event<'_>, line: u32) -> SyntaxError {
    SyntaxError {
        line,
        message: format!("not YAML: {event:?} where a value should be"),
        hint: "correct the syntax at or just above this line".into(),
    }
}

fn too_deep(line: u32) -> SyntaxError {
    SyntaxError {
        line,
        message: format!("nested more than {MAX_DEPTH} levels deep"),
        hint: "no manifest needs that many; see whether brackets are missing".into(),
    }
}

fn line_of(span: &Span) -> u32 {
    line(span.start.line())
}

fn line(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

//! Manifests as text to typed objects: YAML or JSON, several documents a file, `kind: List`.
//!
//! The text is untrusted: whatever it is, reading it ends, within bounds, without a panic.

pub mod kind;
pub mod scalar;
pub mod schema;
pub mod suggest;
pub mod tree;
pub mod yaml;

use std::sync::Arc;

use crate::object::{Kind, Object, ObjectKey, Origin};
use crate::problem::{Problem, Severity, object_title};
use crate::translate::{self, Findings, Options};
use schema::Schemas;
use tree::{Node, Value};

/// Objects in one file, at most.
pub const MAX_OBJECTS: usize = 200_000;
/// Values (keys apart) in one object, at most.
pub const MAX_VALUES: usize = 50_000;
/// Problems kept of one file, at most.
pub const MAX_PROBLEMS: usize = 1_000;
/// The namespace of objects that name none, as with `kubectl apply`.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Its objects, in written order, invalid ones too. An object may be there twice.
    pub objects: Vec<Object>,
    /// What is wrong apart from those.
    pub problems: Vec<Problem>,
    /// Some document could not be told to be any object: what it held before is then unknown,
    /// rather than gone.
    pub has_unreadable: bool,
}

/// Reads manifests.
pub struct Reader<'a> {
    schemas: &'a Schemas,
    options: &'a Options,
}

impl<'a> Reader<'a> {
    /// A reader.
    pub fn new(schemas: &'a Schemas, options: &'a Options) -> Reader<'a> {
        Reader { schemas, options }
    }

    /// The objects of `text`, which came from `file`.
    pub fn read(&self, file: &Arc<str>, text: &str) -> Content {
        let mut content = Content::default();
        yaml::for_each_document(text, |document, result| {
            let origin = |line| Origin {
                file: Some(Arc::clone(file)),
                document: Some(document),
                line: Some(line),
                uid: None,
            };
            match result {
                Ok(node) => self.document(node, origin, &mut content),
                Err(error) => content.unreadable(&origin(error.line), &error.message, &error.hint),
            }
        });
        content
    }

    fn document(&self, node: Node, origin: impl Fn(u32) -> Origin, content: &mut Content) {
        let is_list = node
            .get("kind")
            .and_then(Node::as_str)
            .is_some_and(kind::is_list);
        if !is_list {
            self.object(node, &origin, content);
            return;
        }
        let Value::Map(entries) = node.value else {
            return;
        };
        for (key, node) in entries {
            match (key.as_str(), node.value) {
                ("items", Value::List(items)) => {
                    for item in items {
                        self.object(item, &origin, content);
                    }
                }
                ("items", _) => content.unreadable(
                    &origin(node.line),
                    "`items` of a List is not a list",
                    "write one manifest after each `- `",
                ),
                _ => {}
            }
        }
    }

    fn object(&self, node: Node, origin: &impl Fn(u32) -> Origin, content: &mut Content) {
        let origin = origin(node.line);
        if content.objects.len() >= MAX_OBJECTS {
            let message = format!("the file has more than {MAX_OBJECTS} objects");
            content.unreadable(&origin, &message, "split it into several files");
            return;
        }
        if node.size() > MAX_VALUES {
            let message = format!("the object has more than {MAX_VALUES} values");
            content.unreadable(
                &origin,
                &message,
                "no API server takes one that large; split it",
            );
            return;
        }
        let kind = match kind::identify(&node) {
            kind::Identity::Known(kind) => kind,
            kind::Identity::Ignored(message) => {
                content.problem(&origin, Severity::Note, None, &message, "");
                return;
            }
            kind::Identity::Wrong {
                object,
                message,
                hint,
            } => {
                content.has_unreadable = true;
                content.problem(&origin, Severity::Error, object, &message, &hint);
                return;
            }
        };
        let name = node
            .get("metadata")
            .and_then(|metadata| metadata.get("name"));
        let Some(name) = name
            .and_then(Node::as_str)
            .filter(|name| is_object_name(name))
        else {
            let object = Some(kind.name().to_owned());
            let (message, hint) = name_problem(name);
            content.has_unreadable = true;
            content.problem(&origin, Severity::Error, object, &message, hint);
            return;
        };
        let name: Arc<str> = Arc::from(name);
        content.objects.push(self.typed(kind, name, &node, origin));
    }

    /// The object, checked against its schema, deserialized and translated.
    fn typed(&self, kind: Kind, name: Arc<str>, node: &Node, origin: Origin) -> Object {
        let namespace = node
            .get("metadata")
            .and_then(|metadata| metadata.get("namespace"))
            .and_then(Node::as_str)
            .filter(|namespace| !namespace.is_empty());
        let namespace: Arc<str> = match (kind.is_cluster_scoped(), namespace) {
            (true, _) => Arc::from(""),
            (false, Some(namespace)) => Arc::from(namespace),
            (false, None) => Arc::from(DEFAULT_NAMESPACE),
        };
        let key_namespace = if kind.is_configuration() {
            Arc::from("")
        } else {
            Arc::clone(&namespace)
        };
        let key = ObjectKey {
            kind,
            namespace: key_namespace,
            name,
        };
        let mut findings = self.schemas.check(kind, node);
        findings.extend(kind::version_finding(kind, node));
        let mut object = Object {
            key,
            namespace,
            origin,
            draft: None,
            findings,
        };
        if object.is_invalid() {
            return object;
        }
        let mut found = Findings::new();
        object.draft = translate::json(&object, node.to_json(), self.options, &mut found);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found.truncate(schema::MAX_FINDINGS);
        for finding in &mut found {
            finding.line = Some(node.line_of(&finding.field));
        }
        object.findings.append(&mut found);
        object
    }
}

impl Content {
    fn unreadable(&mut self, origin: &Origin, message: &str, hint: &str) {
        self.has_unreadable = true;
        self.problem(origin, Severity::Error, None, message, hint);
    }

    fn problem(
        &mut self,
        origin: &Origin,
        severity: Severity,
        object: Option<String>,
        message: &str,
        hint: &str,
    ) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        self.problems.push(Problem {
            file: origin.file.clone(),
            line: origin.line,
            document: origin.document,
            object,
            ..Problem::of_directory(severity, message, hint).shortened()
        });
    }
}

/// RFC 1123 subdomain, as Kubernetes wants it of names.
fn is_object_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 253
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
}

fn name_problem(name: Option<&Node>) -> (String, &'static str) {
    match name.and_then(Node::as_str) {
        None => ("metadata.name is missing".into(), "add metadata.name"),
        Some(name) => (
            format!("metadata.name `{}` is not a name", name.escape_debug()),
            "use lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
        ),
    }
}

/// As much of an object's title as can be read off a tree.
fn title(kind: &str, node: &Node) -> String {
    let metadata = node.get("metadata");
    let text = |key| {
        metadata
            .and_then(|metadata| metadata.get(key))
            .and_then(Node::as_str)
    };
    let name = text("name").unwrap_or("?");
    match Kind::ALL.into_iter().find(|known| known.name() == kind) {
        Some(kind) => object_title(kind, text("namespace").unwrap_or(""), name),
        None => format!("{kind} {name}"),
    }
}

//! A YAML document as a tree in which every node knows its line.

/// A node: its line, from 1, and what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line of its first character, from 1.
    pub line: u32,
    /// What is there.
    pub value: Value,
}

/// What a node holds: the JSON types, integers and floats apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A finite number with a fraction or an exponent.
    Float(f64),
    /// Text.
    String(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in written order, no key twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of `key`, if this is a mapping that has it with a value other than null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries
            .iter()
            .find(|(name, node)| name == key && node.value != Value::Null)
            .map(|(_, node)| node)
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// The line of the node at `path` (`spec.addresses[1]`), or of the nearest one on the way.
    pub fn line_of(&self, path: &str) -> u32 {
        let mut node = self;
        for step in steps(path) {
            let next = match (&node.value, step) {
                (Value::Map(_), Step::Key(key)) => node.get(key),
                (Value::List(items), Step::Index(index)) => items.get(index),
                (
                    Value::Null
                    | Value::Bool(_)
                    | Value::Int(_)
                    | Value::Float(_)
                    | Value::String(_)
                    | Value::List(_)
                    | Value::Map(_),
                    _,
                ) => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.line
    }

    /// As JSON. Entries of a mapping that are null are left out, as the API server does with
    /// fields that cannot be null.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => i64::try_from(*value)
                .map(serde_json::Value::from)
                .or_else(|_| u64::try_from(*value).map(serde_json::Value::from))
                .unwrap_or_else(|_| value.to_string().into()),
            Value::Float(value) => (*value).into(),
            Value::String(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .filter(|(_, node)| node.value != Value::Null)
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// How many nodes there are here, this one among them.
    pub fn size(&self) -> usize {
        1 + self.children().map(Node::size).sum::<usize>()
    }

    /// How many levels there are below.
    pub fn levels(&self) -> usize {
        self.children()
            .map(|child| child.levels() + 1)
            .max()
            .unwrap_or(0)
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        let (items, entries): (&[Node], &[(String, Node)]) = match &self.value {
            Value::List(items) => (items, &[]),
            Value::Map(entries) => (&[], entries),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
                (&[], &[])
            }
        };
        items.iter().chain(entries.iter().map(|(_, node)| node))
    }

    /// The type's name, for messages.
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a number",
            Value::Float(_) => "a number with a fraction",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// One step of a field path.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The steps of `spec.addresses[1]` or of `metadata.annotations["metallb.io/address-pool"]`.
fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, tail) = quoted.split_once("\"]")?;
            rest = tail;
            return Some(Step::Key(key));
        }
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (index, tail) = bracketed.split_once(']')?;
            rest = tail;
            return index.parse().ok().map(Step::Index);
        }
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (key, tail) = rest.split_at(end);
        rest = tail;
        Some(Step::Key(key))
    })
}

/// `key` as a step after `path`: `.key`, or `["key"]` where it is no plain name.
pub fn child_path(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[\"{key}\"]"),
    }
}

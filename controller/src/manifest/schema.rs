//! A tree against the schema of its kind: unknown fields, wrong types, missing fields, values out
//! of bounds; all of them at once, each with its path and its line.
//!
//! The schemas are those of the Rust types themselves (`schemars`), so a field is known here
//! exactly if it is read.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value as Json};

use super::suggest;
use super::tree::{Node, Value, child_path};
use crate::crd;
use crate::object::Kind;
use crate::problem::Finding;

/// Findings about one object, at most; the rest is left unsaid until these are repaired.
pub const MAX_FINDINGS: usize = 50;
/// Known fields listed in a hint, at most.
const MAX_LISTED: usize = 20;

/// The schemas of all kinds. Some hundred kilobytes: made when files are to be read, and dropped
/// after.
pub struct Schemas {
    definitions: Map<String, Json>,
    metadata: Json,
    roots: Vec<(Kind, Json)>,
}

impl Default for Schemas {
    fn default() -> Schemas {
        Schemas::new()
    }
}

impl Schemas {
    /// All of them.
    pub fn new() -> Schemas {
        let mut generator = SchemaGenerator::default();
        let metadata = schema_of::<ObjectMeta>(&mut generator);
        let roots = Kind::ALL
            .map(|kind| (kind, root(kind, &mut generator)))
            .to_vec();
        Schemas {
            definitions: generator.take_definitions(true),
            metadata,
            roots,
        }
    }

    /// What is wrong with `tree` as an object of that kind, beyond `apiVersion` and `kind`.
    pub fn check(&self, kind: Kind, tree: &Node) -> Vec<Finding> {
        let mut check = Check {
            schemas: self,
            findings: Vec::new(),
        };
        let Some((_, root)) = self.roots.iter().find(|(known, _)| *known == kind) else {
            return Vec::new();
        };
        if let Value::Map(entries) = &tree.value {
            check.root(kind, root, entries, tree);
        }
        check.findings
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Json {
    generator.subschema_for::<T>().to_value()
}

/// The schema of a kind's top level. That of a `metallb.io` kind is put together from its spec's.
fn root(kind: Kind, generator: &mut SchemaGenerator) -> Json {
    let spec = match kind {
        Kind::Service => return schema_of::<core::Service>(generator),
        Kind::EndpointSlice => return schema_of::<discovery::EndpointSlice>(generator),
        Kind::Node => return schema_of::<core::Node>(generator),
        Kind::Namespace => return schema_of::<core::Namespace>(generator),
        Kind::Secret => return schema_of::<core::Secret>(generator),
        Kind::IpAddressPool => schema_of::<crd::IPAddressPoolSpec>(generator),
        Kind::BgpPeer => schema_of::<crd::BGPPeerSpec>(generator),
        Kind::BgpAdvertisement => schema_of::<crd::BGPAdvertisementSpec>(generator),
        Kind::L2Advertisement => schema_of::<crd::L2AdvertisementSpec>(generator),
        Kind::Community => schema_of::<crd::CommunitySpec>(generator),
        Kind::BfdProfile => schema_of::<crd::BFDProfileSpec>(generator),
    };
    // An advertisement without a spec is MetalLB's "all pools, all nodes, all peers".
    let optional = matches!(
        kind,
        Kind::BgpAdvertisement | Kind::L2Advertisement | Kind::BfdProfile | Kind::Community
    );
    let required: &[&str] = if optional { &[] } else { &["spec"] };
    serde_json::json!({
        "type": "object",
        "properties": { "spec": spec, "status": { "type": "object", "additionalProperties": true } },
        "required": required,
    })
}

struct Check<'a> {
    schemas: &'a Schemas,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn add(&mut self, path: &str, node: &Node, message: String, hint: String) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        // What others than the object's author write may be newer than this build.
        let others = path.starts_with("status") || path.starts_with("metadata");
        if others {
            self.warn(path, node, message, hint);
            return;
        }
        let line = Some(node.line);
        self.findings.push(Finding {
            line,
            ..Finding::error(path, message, hint)
        });
    }

    fn warn(&mut self, path: &str, node: &Node, message: String, hint: String) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        self.findings.push(Finding {
            line: Some(node.line),
            ..Finding::warning(path, message, hint)
        });
    }

    fn root(&mut self, kind: Kind, schema: &Json, entries: &[(String, Node)], tree: &Node) {
        let schema = self.resolve(schema);
        let properties = schema.get("properties").and_then(Json::as_object);
        for (key, node) in entries {
            match key.as_str() {
                "apiVersion" | "kind" => {}
                "metadata" => self.node("metadata", &self.schemas.metadata, node),
                _ => match properties.and_then(|properties| properties.get(key)) {
                    Some(schema) => self.node(key, schema, node),
                    None => {
                        let known = properties
                            .into_iter()
                            .flat_map(Map::keys)
                            .map(String::as_str);
                        self.unknown("", key, node, known);
                    }
                },
            }
        }
        let required = schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten();
        for name in required.filter_map(Json::as_str) {
            if name != "metadata" && tree.get(name).is_none() {
                self.add(
                    name,
                    tree,
                    format!("{kind} needs `{name}`"),
                    format!("add {name}"),
                );
            }
        }
    }

    /// Follows references, and takes the one alternative that is not null.
    fn resolve<'s>(&self, schema: &'s Json) -> &'s Json
    where
        Self: 's,
    {
        let mut schema = schema;
        // References do not nest deeper than a few; the bound guards against a cycle of them.
        for _ in 0..8 {
            let target = schema.get("$ref").and_then(Json::as_str);
            let alternatives = schema.get("anyOf").and_then(Json::as_array);
            schema = match (target, alternatives) {
                (Some(target), _) => {
                    let name = target.rsplit('/').next().unwrap_or(target);
                    match self.definition(name) {
                        Some(definition) => definition,
                        None => return schema,
                    }
                }
                (None, Some(alternatives)) => {
                    let null = |one: &&Json| one.get("type").and_then(Json::as_str) == Some("null");
                    match alternatives.iter().find(|one| !null(one)) {
                        Some(one) => one,
                        None => return schema,
                    }
                }
                (None, None) => return schema,
            };
        }
        schema
    }

    fn node(&mut self, path: &str, schema: &Json, node: &Node) {
        let schema = self.resolve(schema);
        if node.value == Value::Null {
            return;
        }
        if schema.get("x-kubernetes-int-or-string").is_some() {
            if !matches!(node.value, Value::Int(_) | Value::String(_)) {
                self.wrong_type(path, node, "a number or a string");
            }
            return;
        }
        if let Some(allowed) = allowed_values(schema) {
            self.one_of(path, node, &allowed);
            return;
        }
        match type_of(schema) {
            Some("object") => self.object(path, schema, node),
            Some("array") => self.array(path, schema, node),
            Some("string") => self.string(path, schema, node),
            Some("integer") => self.integer(path, schema, node),
            Some("number") if !matches!(node.value, Value::Int(_) | Value::Float(_)) => {
                self.wrong_type(path, node, "a number");
            }
            Some("boolean") if !matches!(node.value, Value::Bool(_)) => {
                self.wrong_type(path, node, "a boolean");
            }
            Some(_) | None => {}
        }
    }

    fn object(&mut self, path: &str, schema: &Json, node: &Node) {
        let Value::Map(entries) = &node.value else {
            self.wrong_type(path, node, "a mapping");
            return;
        };
        let properties = schema.get("properties").and_then(Json::as_object);
        let additional = schema.get("additionalProperties");
        for (key, child) in entries {
            let at = child_path(path, key);
            let known = properties.and_then(|properties| properties.get(key));
            match (known, additional) {
                (Some(schema), _) => self.node(&at, schema, child),
                (None, Some(Json::Bool(true))) => {}
                // A value of null is an entry like any other where the keys are free.
                (None, Some(schema)) if schema.is_object() => {
                    if child.value == Value::Null {
                        self.wrong_type(&at, child, type_name(type_of(self.resolve(schema))));
                    }
                    self.node(&at, schema, child);
                }
                (None, _) => {
                    let Some(properties) = properties else {
                        continue;
                    };
                    self.unknown(path, key, child, properties.keys().map(String::as_str));
                }
            }
        }
        let required = schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten();
        for name in required.filter_map(Json::as_str) {
            if node.get(name).is_none() {
                let at = child_path(path, name);
                self.add(
                    &at,
                    node,
                    format!("`{name}` is missing"),
                    format!("add {name}"),
                );
            }
        }
    }

    fn array(&mut self, path: &str, schema: &Json, node: &Node) {
        let Value::List(items) = &node.value else {
            self.wrong_type(path, node, "a list");
            return;
        };
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let hint = format!("give at least {least}");
            self.add(path, node, "the list is too short".into(), hint);
        }
        if let Some(most) = schema.get("maxItems").and_then(Json::as_u64)
            && items.len() as u64 > most
        {
            // Only rules of the API server need the bound.
            let message = format!("a cluster takes no more than {most} items");
            self.warn(path, node, message, "split the object".into());
        }
        let Some(schema) = schema.get("items") else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let at = format!("{path}[{index}]");
            if item.value == Value::Null {
                self.wrong_type(&at, item, type_name(type_of(self.resolve(schema))));
            }
            self.node(&at, schema, item);
        }
    }

    fn string(&mut self, path: &str, schema: &Json, node: &Node) {
        let Some(text) = node.as_str() else {
            self.wrong_type(path, node, "a string");
            return;
        };
        let least = schema.get("minLength").and_then(Json::as_u64).unwrap_or(0);
        if (text.chars().count() as u64) < least {
            self.add(
                path,
                node,
                "the text is empty".into(),
                "write a value".into(),
            );
        }
        let length = text.chars().count() as u64;
        if let Some(most) = schema.get("maxLength").and_then(Json::as_u64)
            && length > most
        {
            let message = format!("the text has {length} characters");
            self.add(path, node, message, format!("write at most {most}"));
        }
    }

    fn integer(&mut self, path: &str, schema: &Json, node: &Node) {
        let Value::Int(value) = node.value else {
            self.wrong_type(path, node, "a number");
            return;
        };
        let (mut least, mut most) = bounds_of_format(schema.get("format").and_then(Json::as_str));
        let bound = |name| schema.get(name).and_then(integral);
        least = bound("minimum").map_or(least, |bound| bound.max(least));
        most = bound("maximum").map_or(most, |bound| bound.min(most));
        if !(least..=most).contains(&value) {
            let hint = format!("write {least} to {most}");
            self.add(path, node, format!("{value} is out of range"), hint);
        }
    }

    fn one_of(&mut self, path: &str, node: &Node, allowed: &[&str]) {
        let Some(text) = node.as_str() else {
            self.wrong_type(path, node, "a string");
            return;
        };
        if !allowed.contains(&text) {
            let hint = format!("write {}", allowed.join(" or "));
            self.add(
                path,
                node,
                format!("`{text}` is not a value of this field"),
                hint,
            );
        }
    }

    fn unknown<'k>(
        &mut self,
        path: &str,
        key: &str,
        node: &Node,
        known: impl Iterator<Item = &'k str>,
    ) {
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let known: Vec<&str> = known.collect();
        let hint = match suggest::nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.len() <= MAX_LISTED => format!("known here: {}", known.join(", ")),
            None => "remove it".into(),
        };
        self.add(
            &child_path(path, key),
            node,
            format!("unknown field `{key}`"),
            hint,
        );
    }

    fn wrong_type(&mut self, path: &str, node: &Node, needed: &str) {
        let hint = match (&node.value, needed) {
            (Value::Bool(_) | Value::Int(_) | Value::Float(_), "a string") => {
                "put it in quotes".to_owned()
            }
            (Value::String(_), "a boolean") => "write true or false, without quotes".to_owned(),
            (Value::String(text), "a number") if text.trim().parse::<i128>().is_ok() => {
                format!("write {}, without quotes", text.trim())
            }
            (_, "a list") => "write it as a list: each item on its own line after `- `".to_owned(),
            (_, "a mapping") => "write it as `key: value` lines".to_owned(),
            _ => format!("write {needed}"),
        };
        let message = format!("{} is there where {needed} must be", node.type_name());
        self.add(path, node, message, hint);
    }
}

impl<'a> Check<'a> {
    /// The definition of that name. It lives as long as the schemas, not only this borrow.
    fn definition<'s>(&self, name: &str) -> Option<&'s Json>
    where
        'a: 's,
    {
        self.schemas.definitions.get(name)
    }
}

/// The texts that a field may have, where they are listed: `enum`, or `oneOf` constants.
fn allowed_values(schema: &Json) -> Option<Vec<&str>> {
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        return Some(values.iter().filter_map(Json::as_str).collect());
    }
    let alternatives = schema.get("oneOf").and_then(Json::as_array)?;
    alternatives
        .iter()
        .map(|one| one.get("const").and_then(Json::as_str))
        .collect()
}

/// The JSON type, null aside.
fn type_of(schema: &Json) -> Option<&str> {
    match schema.get("type")? {
        Json::String(name) => Some(name),
        Json::Array(names) => names
            .iter()
            .filter_map(Json::as_str)
            .find(|name| *name != "null"),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => None,
    }
}

fn type_name(json_type: Option<&str>) -> &'static str {
    match json_type {
        Some("object") => "a mapping",
        Some("array") => "a list",
        Some("integer" | "number") => "a number",
        Some("boolean") => "a boolean",
        Some(_) | None => "a string",
    }
}

fn bounds_of_format(format: Option<&str>) -> (i128, i128) {
    match format {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some(_) | None => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// A bound as a whole number; `schemars` may write it as a float.
fn integral(bound: &Json) -> Option<i128> {
    bound
        .as_i64()
        .map(i128::from)
        .or_else(|| bound.as_u64().map(i128::from))
        .or_else(|| bound.as_f64().map(|float| float as i128))
}

//! Label selectors in the definitions: MetalLB refuses what no selector can be when it reads it,
//! the API server refuses it here.

use serde_json::{Map, Value, json};

/// Labels and expressions in one selector, at most, and values in one expression.
const MAX_LABELS: u32 = 32;
const MAX_EXPRESSIONS: u32 = 32;
const MAX_VALUES: u32 = 1_000;

/// A label's key: a name, with a DNS name and a slash before it or without.
const KEY: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// A label's value.
const VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// Whether the schema is that of `metav1.LabelSelector`.
pub fn is_label_selector(schema: &Map<String, Value>) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| {
        ["matchExpressions", "matchLabels"]
            .iter()
            .all(|name| properties.contains_key(*name))
    })
}

/// Bounds and rules of a label selector.
pub fn bound(schema: &mut Map<String, Value>) {
    schema.insert("x-kubernetes-map-type".to_owned(), json!("atomic"));
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    if let Some(labels) = properties.get_mut("matchLabels") {
        labels["maxProperties"] = json!(MAX_LABELS);
        labels["additionalProperties"] = value();
        labels["x-kubernetes-validations"] = json!([rule(
            &format!("self.all(key, size(key) <= 317 && key.matches('{KEY}'))"),
            "a label's key is wrong; write NAME or PREFIX/NAME, such as app or example.com/app",
        )]);
    }
    if let Some(expressions) = properties.get_mut("matchExpressions") {
        expressions["maxItems"] = json!(MAX_EXPRESSIONS);
        let requirement = &mut expressions["items"];
        requirement["x-kubernetes-validations"] = json!([
            rule(
                "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
                "operators In and NotIn need values; give at least one, or use Exists or DoesNotExist",
            ),
            rule(
                "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
                "operators Exists and DoesNotExist take no values; remove them, or use In or NotIn",
            ),
        ]);
        let fields = &mut requirement["properties"];
        fields["operator"]["enum"] = json!(["In", "NotIn", "Exists", "DoesNotExist"]);
        fields["key"]["minLength"] = json!(1);
        fields["key"]["maxLength"] = json!(317);
        fields["key"]["pattern"] = json!(KEY);
        fields["values"]["maxItems"] = json!(MAX_VALUES);
        fields["values"]["items"] = value();
    }
}

fn value() -> Value {
    json!({"type": "string", "maxLength": 63, "pattern": VALUE})
}

fn rule(expression: &str, message: &str) -> Value {
    json!({"rule": expression, "message": message})
}

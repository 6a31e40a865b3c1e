//! JSON as YAML: block style, texts quoted as in JSON wherever YAML could read them otherwise.

use serde_json::Value;

/// The value as one YAML document.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

/// Writes the value, its first line at the current position.
fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (position, (name, value)) in fields.iter().enumerate() {
                if position > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str(&scalar(name));
                out.push(':');
                nested(value, indent, out);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (position, value) in values.iter().enumerate() {
                if position > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                write(value, indent + 2, out);
            }
        }
        Value::String(text) => out.push_str(&format!("{}\n", scalar(text))),
        // `null`, `true`, `1`, `{}` and `[]` are the same in both.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            out.push_str(&format!("{value}\n"));
        }
    }
}

/// A field's value: on the same line, or indented below it.
fn nested(value: &Value, indent: usize, out: &mut String) {
    let below = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if below {
        out.push('\n');
        out.push_str(&" ".repeat(indent + 2));
        write(value, indent + 2, out);
    } else {
        out.push(' ');
        write(value, indent, out);
    }
}

/// Plain where that is certainly a text, else quoted: a JSON string is a YAML one.
fn scalar(text: &str) -> String {
    let starts = text.chars().next().is_some_and(char::is_alphabetic);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let reserved = words.contains(&text.to_ascii_lowercase().as_str());
    match starts && text.chars().all(plain) && !reserved {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_lists_and_texts_are_block_style() {
        let value = json!({
            "peers": [{"name": "tor", "state": "Idle", "notes": ["no", "a: b"]}, {"name": "x"}],
            "empty": [],
            "none": null,
        });
        let expected = "empty: []\nnone: null\npeers:\n  - name: tor\n    notes:\n      - \"no\"\n      \
                        - \"a: b\"\n    state: Idle\n  - name: x\n";
        assert_eq!(text(&value), expected);
    }
}

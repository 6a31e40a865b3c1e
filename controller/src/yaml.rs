//! JSON as YAML for people: block style, long texts as they are, all else quoted where YAML could
//! read it otherwise.

use serde_json::Value;

/// An object as one document.
pub fn document(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

/// Writes the value, its first line at the current position.
fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (position, (name, value)) in fields.iter().enumerate() {
                start_line(position, indent, out);
                out.push_str(&scalar(name));
                out.push(':');
                nested(value, indent, out);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (position, value) in values.iter().enumerate() {
                start_line(position, indent, out);
                out.push_str("- ");
                write(value, indent + 2, out);
            }
        }
        Value::String(text) if is_block(text) => {
            out.push_str("|-\n");
            for line in text.lines() {
                out.push_str(&format!("{}{line}\n", " ".repeat(indent + 2)));
            }
        }
        Value::String(text) => out.push_str(&format!("{}\n", scalar(text))),
        // `null`, `true`, `1`, `{}` and `[]` are the same in both.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            out.push_str(&format!("{value}\n"));
        }
    }
}

/// A field's value: on the same line, or below it. Lists are as deep as the field that they are in,
/// as kubectl writes them.
fn nested(value: &Value, indent: usize, out: &mut String) {
    let depth = match value {
        Value::Object(fields) if !fields.is_empty() => Some(indent + 2),
        Value::Array(values) if !values.is_empty() => Some(indent),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        Value::Array(_) | Value::Object(_) => None,
    };
    match depth {
        Some(depth) => {
            out.push('\n');
            out.push_str(&" ".repeat(depth));
            write(value, depth, out);
        }
        None => {
            out.push(' ');
            write(value, indent, out);
        }
    }
}

fn start_line(position: usize, indent: usize, out: &mut String) {
    if position > 0 {
        out.push_str(&" ".repeat(indent));
    }
}

/// Whether a text has several lines, and reads the same when they are written as they are.
fn is_block(text: &str) -> bool {
    let plain = |c: char| c == '\n' || !c.is_control();
    text.contains('\n')
        && text.chars().all(plain)
        && !text.starts_with([' ', '\n'])
        && !text.ends_with('\n')
}

/// Plain where that is certainly a text, else quoted: a JSON string is a YAML one.
fn scalar(text: &str) -> String {
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_/.,;()' ".contains(c);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let reserved = words.contains(&text.to_ascii_lowercase().as_str());
    match starts && !text.ends_with(' ') && text.chars().all(plain) && !reserved {
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
            "empty": {},
            "names": ["no", "a: b", "plain text, of words"],
            "rules": [{"apiGroups": [""], "verbs": ["get"]}],
            "text": "first\n  second",
        });
        let expected = "empty: {}\nnames:\n- \"no\"\n- \"a: b\"\n- plain text, of words\nrules:\n\
                        - apiGroups:\n  - \"\"\n  verbs:\n  - get\ntext: |-\n  first\n    second\n";
        assert_eq!(document(&value), expected);
    }
}

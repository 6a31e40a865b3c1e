//! What a plain YAML scalar means.
//!
//! YAML 1.2's core schema (§10.3), plus what `kubectl` reads besides: `yes`, `no`, `on` and `off`
//! as booleans and a leading zero as octal, so that a file means the same to both.

use super::tree::Value;

/// The value of a plain (unquoted, untagged) scalar.
pub fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Value::String(text.to_owned());
    }
    integer(text)
        .map(Value::Int)
        .or_else(|| float(text).map(Value::Float))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Decimal, `0x` hexadecimal, `0o` or leading-zero octal; signs allowed. Larger than 128 bits is
/// no integer.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        (8, octal)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    };
    // `from_str_radix` takes a sign of its own; there must be none here.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative {
        value.checked_neg()?
    } else {
        value
    })
}

/// A finite decimal number. Text with any other letter than an exponent's is none, so that `1.2.3`,
/// `inf` and `nan` stay text.
fn float(text: &str) -> Option<f64> {
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    if !text.chars().all(numeric) || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubectl_reads() {
        let rows = [
            ("", Value::Null),
            ("~", Value::Null),
            ("true", Value::Bool(true)),
            ("off", Value::Bool(false)),
            ("64512", Value::Int(64512)),
            ("-1", Value::Int(-1)),
            ("0x10", Value::Int(16)),
            ("010", Value::Int(8)),
            ("0o17", Value::Int(15)),
            ("0", Value::Int(0)),
            ("1.5", Value::Float(1.5)),
            ("1e3", Value::Float(1000.0)),
            ("089", Value::Float(89.0)),
        ];
        for (text, expected) in rows {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn text_that_only_begins_like_a_number_stays_text() {
        let rows = [
            "203.0.113.1",
            "65000:100",
            "90s",
            "1.2.3",
            ".inf",
            "-",
            "0x",
            "0x-1",
            "+-1",
            ".",
            "--1",
            "2001:db8::1",
            "inf",
            "1_000",
        ];
        for text in rows {
            assert_eq!(plain(text), Value::String(text.to_owned()), "{text}");
        }
    }
}

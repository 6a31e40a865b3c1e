//! Rules in CEL, the Common Expression Language of Kubernetes: what the API server refuses beyond
//! types and bounds.
//!
//! A rule stands with its kind, beside the field that it is about. It says there what is wrong and
//! what would be right, in the words of `herald check` wherever both can judge. The API server
//! estimates the cost of each from the bounds of the fields that it reads, and refuses the whole
//! definition over its budget: so every list and text that a rule reads has a bound.
//!
//! The functions `ip()` and `cidr()` are there since Kubernetes 1.31.

use kube::core::{Message, Reason, Rule};

/// A rule and where it stands: a path below the object's root, such as `spec.addresses[]`, where
/// `[]` is each item of a list.
pub type Placed = (&'static str, Rule);

/// A value that is wrong.
pub fn invalid(
    at: &'static str,
    expression: impl Into<String>,
    message: impl Into<String>,
) -> Placed {
    with_reason(at, expression, message, Reason::FieldValueInvalid)
}

/// A value that is right, yet not here.
pub fn forbidden(
    at: &'static str,
    expression: impl Into<String>,
    message: impl Into<String>,
) -> Placed {
    with_reason(at, expression, message, Reason::FieldValueForbidden)
}

/// A value that is missing.
pub fn required(
    at: &'static str,
    expression: impl Into<String>,
    message: impl Into<String>,
) -> Placed {
    with_reason(at, expression, message, Reason::FieldValueRequired)
}

/// A rule whose message is an expression, too.
pub fn invalid_as(at: &'static str, expression: impl Into<String>, message: String) -> Placed {
    let rule = Rule {
        message: Some(Message::Expression(message)),
        ..Rule::new(expression)
    };
    (at, rule)
}

fn with_reason(
    at: &'static str,
    expression: impl Into<String>,
    message: impl Into<String>,
    reason: Reason,
) -> Placed {
    let message = Message::Message(message.into());
    let rule = Rule {
        message: Some(message),
        reason: Some(reason),
        ..Rule::new(expression)
    };
    (at, rule)
}

/// The same rule of a struct, whose refusal names one of its fields.
pub fn about(field: &str, (at, rule): Placed) -> Placed {
    (at, rule.field_path(format!(".{field}")))
}

/// A rule that an optional text of a struct must follow where it is there and not empty: `field`
/// is its name, and `rule` an expression in which `TEXT` is the text.
pub fn if_given(field: &str, rule: &str) -> String {
    let text = format!("self.{field}");
    format!(
        "!has({text}) || {text} == '' || {}",
        rule.replace("TEXT", &text)
    )
}

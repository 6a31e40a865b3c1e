//! Label selectors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use plan::labels::{LabelSelector, Operator, Requirement};

use super::Findings;
use crate::problem::Finding;

/// Characters of a label's name and of its value, and of the prefix of a key, at most.
const MAX_NAME: usize = 63;
const MAX_PREFIX: usize = 253;

/// Selectors of the list at `field`; none may be there twice.
pub fn label_selectors(
    selectors: &[meta::LabelSelector],
    field: &str,
    findings: &mut Findings,
) -> Vec<LabelSelector> {
    let mut out: Vec<LabelSelector> = Vec::with_capacity(selectors.len());
    for (index, selector) in selectors.iter().enumerate() {
        let at = format!("{field}[{index}]");
        let selector = label_selector(selector, &at, findings);
        if out.contains(&selector) {
            findings.push(Finding::error(
                at,
                "the selector is there twice",
                "remove one of them",
            ));
        } else {
            out.push(selector);
        }
    }
    out
}

/// One selector.
pub fn label_selector(
    selector: &meta::LabelSelector,
    field: &str,
    findings: &mut Findings,
) -> LabelSelector {
    let match_labels = selector.match_labels.clone().unwrap_or_default();
    for (key, value) in &match_labels {
        let at = format!("{field}.matchLabels[\"{key}\"]");
        let wrong = [wrong_key(key, &at), wrong_value(value, &at)];
        findings.extend(wrong.into_iter().flatten());
    }
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    let match_expressions = expressions
        .iter()
        .enumerate()
        .filter_map(|(index, expression)| {
            requirement(expression, &format!("{field}.matchExpressions[{index}]"))
                .map_err(|finding| findings.push(finding))
                .ok()
        })
        .collect();
    LabelSelector {
        match_labels,
        match_expressions,
    }
}

fn requirement(
    expression: &meta::LabelSelectorRequirement,
    field: &str,
) -> Result<Requirement, Finding> {
    let values = expression.values.clone().unwrap_or_default();
    let operator = match expression.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            return Err(Finding::error(
                format!("{field}.operator"),
                format!("`{other}` is not an operator"),
                "write In, NotIn, Exists or DoesNotExist",
            ));
        }
    };
    let wrong = values
        .iter()
        .find_map(|value| wrong_value(value, &format!("{field}.values")));
    if let Some(finding) = wrong_key(&expression.key, &format!("{field}.key")).or(wrong) {
        return Err(finding);
    }
    match (operator, values.is_empty()) {
        (Operator::In | Operator::NotIn, true) => Err(Finding::error(
            format!("{field}.values"),
            format!("operator {} has no values", expression.operator),
            "give at least one, or use Exists or DoesNotExist",
        )),
        (Operator::Exists | Operator::DoesNotExist, false) => Err(Finding::error(
            format!("{field}.values"),
            format!("operator {} takes no values", expression.operator),
            "remove them, or use In or NotIn",
        )),
        (Operator::In | Operator::NotIn, false)
        | (Operator::Exists | Operator::DoesNotExist, true) => Ok(Requirement {
            key: expression.key.clone(),
            operator,
            values,
        }),
    }
}

/// What is wrong with a label's key, if anything is: `NAME` or `PREFIX/NAME`.
fn wrong_key(key: &str, field: &str) -> Option<Finding> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let right = prefix.is_none_or(|prefix| {
        let mut words = prefix.split('.');
        prefix.len() <= MAX_PREFIX && words.all(|word| is_word(word, dns, |c| dns(c) || c == '-'))
    }) && is_label_name(name);
    (!right).then(|| {
        Finding::error(
            field,
            format!("`{key}` is not a label's key"),
            "write NAME or PREFIX/NAME, such as app or example.com/app",
        )
    })
}

fn wrong_value(value: &str, field: &str) -> Option<Finding> {
    let right = value.is_empty() || is_label_name(value);
    (!right).then(|| {
        Finding::error(
            field,
            format!("`{value}` is not a label's value"),
            "write up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends",
        )
    })
}

fn is_label_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= MAX_NAME && is_word(name, |c| c.is_ascii_alphanumeric(), inside)
}

/// Whether a text begins and ends with some characters, and has some others between.
fn is_word(text: &str, edge: impl Fn(char) -> bool, inside: impl Fn(char) -> bool) -> bool {
    text.starts_with(&edge) && text.ends_with(&edge) && text.chars().all(inside)
}

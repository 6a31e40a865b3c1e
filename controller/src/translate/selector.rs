//! Label selectors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use plan::labels::{LabelSelector, Operator, Requirement};

use super::Findings;
use crate::problem::Finding;

/// Selectors of the list at `field`; a repeated one is warned of.
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
            findings.push(Finding::warning(
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
    if expression.key.is_empty() {
        let field = format!("{field}.key");
        return Err(Finding::error(
            field,
            "the label's key is empty",
            "name a label",
        ));
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

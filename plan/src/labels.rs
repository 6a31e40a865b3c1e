//! Labels and label selectors (Kubernetes API reference: LabelSelector).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An object's labels.
pub type Labels = BTreeMap<String, String>;

/// A label selector: every requirement must hold. An empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LabelSelector {
    /// Keys and the value each must have.
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    pub match_expressions: Vec<Requirement>,
}

/// One of a selector's `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What must hold of its value.
    pub operator: Operator,
    /// The set for `In` and `NotIn`.
    pub values: Vec<String>,
}

/// A requirement's operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// The value is in the set.
    In,
    /// The label is absent, or its value is not in the set.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.match_labels.iter().all(equal)
            && self.match_expressions.iter().all(|r| r.matches(labels))
    }
}

impl Requirement {
    /// Whether the requirement holds. `NotIn` holds of a label that is absent.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Whether any selector matches, where no selector at all means everything.
pub fn any_or_all(selectors: &[LabelSelector], labels: &Labels) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_hold_as_in_kubernetes() {
        use Operator::{DoesNotExist, Exists, In, NotIn};
        let labels = Labels::from([("rack".into(), "a".into())]);
        let table = [
            ("rack", In, vec!["a", "b"], true),
            ("rack", In, vec!["b"], false),
            ("zone", In, vec!["a"], false),
            ("rack", NotIn, vec!["a"], false),
            ("rack", NotIn, vec!["b"], true),
            ("zone", NotIn, vec!["a"], true),
            ("rack", Exists, vec![], true),
            ("zone", Exists, vec![], false),
            ("rack", DoesNotExist, vec![], false),
            ("zone", DoesNotExist, vec![], true),
        ];
        for (key, operator, values, expected) in table {
            let values = values.into_iter().map(String::from).collect();
            let requirement = Requirement {
                key: key.into(),
                operator,
                values,
            };
            assert_eq!(requirement.matches(&labels), expected, "{requirement:?}");
        }
    }

    #[test]
    fn every_part_of_a_selector_must_hold_and_an_empty_one_matches_everything() {
        let labels = Labels::from([("rack".into(), "a".into())]);
        let mut selector = LabelSelector::default();
        assert!(selector.matches(&labels) && selector.matches(&Labels::new()));
        selector.match_labels = labels.clone();
        assert!(selector.matches(&labels) && !selector.matches(&Labels::new()));
        let absent = Requirement {
            key: "rack".into(),
            operator: Operator::DoesNotExist,
            values: vec![],
        };
        selector.match_expressions.push(absent);
        assert!(!selector.matches(&labels));
        assert!(any_or_all(&[], &labels) && !any_or_all(&[selector], &labels));
    }
}

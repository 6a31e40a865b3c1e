//! Labels and label selectors (Kubernetes API reference: LabelSelector).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An object's labels, each key once. Serialized as a map.
///
/// Objects are many and their labels few, short and never edited, so they are kept in one text: by
/// key, each key and each value with [`END`] behind it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Option<Box<str>>);

/// Neither a key nor a value may have it (Kubernetes API concepts, "Labels and Selectors": letters,
/// digits, and `-`, `_`, `.`).
const END: char = '\0';

impl Labels {
    /// No labels at all.
    pub const NONE: Labels = Labels(None);

    /// The value of the label of this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.iter().find(|(other, _)| *other == key)?;
        Some(value)
    }

    /// Whether there is a label of this key, whatever its value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = self.0.as_deref().unwrap_or_default();
        let mut texts = text.split_terminator(END);
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Of a key that is there twice the later value counts. What cannot be a label is left out.
impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(labels: I) -> Labels {
        let pairs = labels.into_iter();
        let pairs = pairs.map(|(key, value)| (key.into(), value.into()));
        BTreeMap::from_iter(pairs).into()
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Labels {
        let can_be = |(key, value): &(&String, &String)| !key.contains(END) && !value.contains(END);
        let mut text = String::new();
        for (key, value) in labels.iter().filter(can_be) {
            for part in [key, value] {
                text.push_str(part);
                text.push(END);
            }
        }
        Labels((!text.is_empty()).then(|| text.into()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(labels: [(&str, &str); N]) -> Labels {
        labels.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        let labels = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(labels.into())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

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
        let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value.as_str());
        self.match_labels.iter().all(equal)
            && self.match_expressions.iter().all(|r| r.matches(labels))
    }
}

impl Requirement {
    /// Whether the requirement holds. `NotIn` holds of a label that is absent.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let in_values = |value: &str| self.values.iter().any(|other| other == value);
        match self.operator {
            Operator::In => value.is_some_and(in_values),
            Operator::NotIn => !value.is_some_and(in_values),
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
        let labels = Labels::from([("rack", "a")]);
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
        let labels = Labels::from([("rack", "a")]);
        let mut selector = LabelSelector::default();
        assert!(selector.matches(&labels) && selector.matches(&Labels::NONE));
        selector.match_labels = [("rack".to_owned(), "a".to_owned())].into();
        assert!(selector.matches(&labels) && !selector.matches(&Labels::NONE));
        let absent = Requirement {
            key: "rack".into(),
            operator: Operator::DoesNotExist,
            values: vec![],
        };
        selector.match_expressions.push(absent);
        assert!(!selector.matches(&labels));
        assert!(any_or_all(&[], &labels) && !any_or_all(&[selector], &labels));
    }

    #[test]
    fn labels_are_found_by_key_whatever_order_they_came_in() {
        let labels: Labels = [("z", "1"), ("a", "2"), ("m", "3"), ("a", "4")].into();
        let all: Vec<_> = labels.iter().collect();
        assert_eq!(all, [("a", "4"), ("m", "3"), ("z", "1")]);
        assert_eq!((labels.get("m"), labels.get("b")), (Some("3"), None));
        assert!(labels.contains_key("z") && !labels.contains_key(""));
        assert_eq!(Labels::from([]), Labels::NONE);
    }

    #[test]
    fn labels_without_a_value_are_labels_and_what_cannot_be_one_is_left_out() {
        let labels = Labels::from([("a", ""), ("b", "x\0c"), ("c\0", ""), ("d", "1")]);
        let all: Vec<_> = labels.iter().collect();
        assert_eq!(all, [("a", ""), ("d", "1")]);
    }
}

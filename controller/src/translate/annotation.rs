//! Annotations on Services, under either prefix.

use std::collections::BTreeMap;

use super::Findings;
use crate::problem::Finding;

/// The prefix.
pub const PREFIX: &str = "metallb.io/";
/// MetalLB's former prefix: still read, and warned of.
pub const DEPRECATED_PREFIX: &str = "metallb.universe.tf/";

/// The pool to allocate from.
pub const ADDRESS_POOL: &str = "address-pool";
/// The addresses asked for, comma-separated.
pub const LOAD_BALANCER_IPS: &str = "loadBalancerIPs";
/// The sharing key.
pub const ALLOW_SHARED_IP: &str = "allow-shared-ip";
/// The pool that the assigned addresses are from. Written by the controller.
pub const ALLOCATED_FROM_POOL: &str = "ip-allocated-from-pool";

const KNOWN: [&str; 4] = [
    ADDRESS_POOL,
    LOAD_BALANCER_IPS,
    ALLOW_SHARED_IP,
    ALLOCATED_FROM_POOL,
];

/// The annotations of an object.
pub struct Annotations<'a>(&'a BTreeMap<String, String>);

impl<'a> Annotations<'a> {
    /// Those of `map`. Old prefixes, and names under a prefix that nobody reads, are added to
    /// `findings`.
    pub fn new(map: &'a BTreeMap<String, String>, findings: &mut Findings) -> Annotations<'a> {
        for key in map.keys() {
            let (name, old) = match (
                key.strip_prefix(PREFIX),
                key.strip_prefix(DEPRECATED_PREFIX),
            ) {
                (Some(name), _) => (name, false),
                (None, Some(name)) => (name, true),
                (None, None) => continue,
            };
            findings.extend(finding(key, name, old));
        }
        Annotations(map)
    }

    /// The value of one, if it is there; the current prefix wins.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The field path of one, as it is written.
    pub fn field(&self, name: &str) -> String {
        let key = self
            .entry(name)
            .map_or_else(|| format!("{PREFIX}{name}"), |(key, _)| key);
        format!("metadata.annotations[\"{key}\"]")
    }

    fn entry(&self, name: &str) -> Option<(String, &'a str)> {
        [PREFIX, DEPRECATED_PREFIX].iter().find_map(|prefix| {
            let key = format!("{prefix}{name}");
            self.0.get(&key).map(|value| (key, value.as_str()))
        })
    }
}

fn finding(key: &str, name: &str, old_prefix: bool) -> Option<Finding> {
    let field = format!("metadata.annotations[\"{key}\"]");
    if !KNOWN.contains(&name) {
        let hint = match crate::manifest::suggest::nearest(name, KNOWN) {
            Some(known) => format!("did you mean {PREFIX}{known}?"),
            None => format!(
                "those that are: {PREFIX}{}",
                KNOWN.join(&format!(", {PREFIX}"))
            ),
        };
        return Some(Finding::warning(
            field,
            format!("`{key}` is not read"),
            hint,
        ));
    }
    old_prefix.then(|| {
        let message = format!("the prefix {DEPRECATED_PREFIX} is deprecated");
        Finding::warning(field, message, format!("write {PREFIX}{name}"))
    })
}

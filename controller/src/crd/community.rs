//! Community: names for BGP communities.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Placed, invalid};
use crate::translate::community::WELL_KNOWN;

/// Names for BGP communities, to be used in BGPAdvertisements.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "Community",
    namespaced,
    doc = "Names for BGP communities, to be used in BGPAdvertisements."
)]
pub struct CommunitySpec {
    /// Aliases. A name may be defined once among all Community objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 1_000),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub communities: Vec<CommunityAlias>,
}

/// A name for a community.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommunityAlias {
    /// The name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// `A:B` (RFC 1997), `large:A:B:C` (RFC 8092) or a well-known name.
    #[schemars(length(min = 1, max = 63))]
    pub value: String,
}

/// A name: no colon, and nothing that Unicode calls a space. As an expression writes it.
const NAME: &str = r"^[^:\\s\\v\\x{85}\\pZ]+$";

/// Rules for a text at `at` that is `A:B`, `large:A:B:C` or a name.
pub fn entry(at: &'static str) -> Vec<Placed> {
    vec![
        invalid(
            at,
            format!(
                "self.startsWith('large:') || self.matches('^[0-9]+:[0-9]+$') \
                 || (self.matches('{NAME}') && !self.matches('^[+]?[0-9]+$'))"
            ),
            "not a community; write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias",
        ),
        invalid(
            at,
            "!self.matches('^[0-9]+:[0-9]+$') \
             || self.split(':').all(part, size(part) <= 18 && int(part) <= 65535)",
            "not a community: both numbers are 0 to 65535; for larger ones write large:A:B:C",
        ),
        invalid(
            at,
            "!self.startsWith('large:') || (self.matches('^large:[0-9]+:[0-9]+:[0-9]+$') \
             && self.substring(6).split(':').all(part, size(part) <= 18 && int(part) <= 4294967295))",
            "not a large community; write large:A:B:C, each 0 to 4294967295, such as \
             large:64512:1:100",
        ),
    ]
}

/// What the API server refuses.
pub fn rules() -> Vec<Placed> {
    let mut rules = entry("spec.communities[].value");
    rules.push(invalid(
        "spec.communities[].name",
        format!("self.matches('{NAME}')"),
        "cannot be told from a community; write a name without colons and spaces",
    ));
    let names = WELL_KNOWN.map(|(name, _)| format!("'{name}'")).join(", ");
    rules.push(invalid(
        "spec.communities[].value",
        format!("self.contains(':') || self in [{names}]"),
        "not a community; write A:B (0 to 65535 each), large:A:B:C or a well-known name",
    ));
    rules
}

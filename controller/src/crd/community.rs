//! Community: names for BGP communities.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names for BGP communities, to be used in BGPAdvertisements.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "Community",
    namespaced
)]
pub struct CommunitySpec {
    /// Aliases. A name may be defined once among all Community objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<CommunityAlias>,
}

/// A name for a community.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommunityAlias {
    /// The name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// `A:B` (RFC 1997), `large:A:B:C` (RFC 8092) or a well-known name.
    pub value: String,
}

//! The `metallb.io` kinds as Rust types: one file a kind, named after it.
//!
//! Fields are MetalLB's, with its names and meaning. Those that are Herald's own say so in their
//! text; all of those are optional, so that a manifest written for MetalLB means the same here.
//! Bounds that a schema can say are in the schema; `translate` checks the rest.

pub mod bfd_profile;
pub mod bgp_advertisement;
pub mod bgp_peer;
pub mod community;
pub mod ip_address_pool;
pub mod l2_advertisement;

pub use bfd_profile::{BFDProfile, BFDProfileSpec};
pub use bgp_advertisement::{BGPAdvertisement, BGPAdvertisementSpec};
pub use bgp_peer::{BGPPeer, BGPPeerSpec, DynamicAsn, SecretReference};
pub use community::{Community, CommunityAlias, CommunitySpec};
pub use ip_address_pool::{IPAddressPool, IPAddressPoolSpec, ServiceAllocation};
pub use l2_advertisement::{L2Advertisement, L2AdvertisementSpec, PreferredNodeSelector};

//! The `metallb.io` kinds as Rust types: one file a kind, named after it.
//!
//! Fields are MetalLB's, with its names and meaning. Those that are Herald's own say so in their
//! text; all of those are optional, so that a manifest written for MetalLB means the same here.
//! Bounds that a schema can say are in the schema; what rules in CEL can say the API server checks
//! too ([`definitions`]); `translate` checks all of it, for files and for clusters.

pub mod bfd_profile;
pub mod bgp_advertisement;
pub mod bgp_peer;
pub mod community;
pub mod configuration_state;
pub mod ip_address_pool;
pub mod l2_advertisement;
pub mod service_bgp_status;
pub mod service_l2_status;

/// The API group of all kinds here.
pub const GROUP: &str = "metallb.io";

mod address;
mod definition;
mod duration;
mod peer_rules;
mod rule;
mod selector;

pub use bfd_profile::{BFDProfile, BFDProfileSpec};
pub use bgp_advertisement::{BGPAdvertisement, BGPAdvertisementSpec};
pub use bgp_peer::{BGPPeer, BGPPeerSpec, DynamicAsn, SecretReference};
pub use community::{Community, CommunityAlias, CommunitySpec};
pub use configuration_state::{ConfigurationState, ConfigurationStateStatus};
pub use definition::definitions;
pub use ip_address_pool::{IPAddressPool, IPAddressPoolSpec, ServiceAllocation};
pub use l2_advertisement::{Failback, L2Advertisement, L2AdvertisementSpec, PreferredNodeSelector};
pub use service_bgp_status::{ServiceBGPStatus, ServiceBGPStatusStatus};
pub use service_l2_status::{ServiceL2Status, ServiceL2StatusStatus};

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use kube::CustomResourceExt;

    use super::*;

    #[test]
    fn the_kinds_have_the_names_under_which_clusters_know_them() {
        let rows = [
            (IPAddressPool::crd(), "ipaddresspools.metallb.io", "v1beta1"),
            (BGPPeer::crd(), "bgppeers.metallb.io", "v1beta2"),
            (
                BGPAdvertisement::crd(),
                "bgpadvertisements.metallb.io",
                "v1beta1",
            ),
            (
                L2Advertisement::crd(),
                "l2advertisements.metallb.io",
                "v1beta1",
            ),
            (Community::crd(), "communities.metallb.io", "v1beta1"),
            (BFDProfile::crd(), "bfdprofiles.metallb.io", "v1beta1"),
        ];
        for (crd, name, version) in rows {
            assert_eq!(crd.metadata.name.as_deref(), Some(name));
            assert_eq!(crd.spec.versions[0].name, version, "{name}");
            assert_eq!(crd.spec.scope, "Namespaced", "{name}");
        }
    }

    #[test]
    fn the_fields_have_the_names_under_which_manifests_have_them() {
        let fields = |crd: CustomResourceDefinition| {
            let schema = crd.spec.versions[0]
                .schema
                .clone()
                .and_then(|schema| schema.open_api_v3_schema);
            let properties = schema
                .and_then(|schema| schema.properties)
                .expect("properties");
            let spec = properties["spec"].properties.clone().expect("fields");
            spec.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(
            fields(IPAddressPool::crd()),
            [
                "addresses",
                "allowSharingAcrossNamespaces",
                "autoAssign",
                "avoidBuggyIPs",
                "serviceAllocation"
            ]
        );
        assert_eq!(
            fields(BGPPeer::crd()),
            [
                "bfdProfile",
                "connectTime",
                "disableMP",
                "dualStackAddressFamily",
                "dynamicASN",
                "ebgpMultiHop",
                "enableGracefulRestart",
                "gracefulRestartTime",
                "holdTime",
                "interface",
                "keepaliveTime",
                "localASN",
                "longLivedStaleTime",
                "myASN",
                "nodeSelectors",
                "passive",
                "password",
                "passwordSecret",
                "peerASN",
                "peerAddress",
                "peerPort",
                "routerID",
                "sourceAddress",
                "ttlSecurity",
                "vrf",
            ]
        );
        assert_eq!(
            fields(BGPAdvertisement::crd()),
            [
                "aggregationLength",
                "aggregationLengthV6",
                "asPathPrepend",
                "communities",
                "ipAddressPoolSelectors",
                "ipAddressPools",
                "localPref",
                "med",
                "nodeSelectors",
                "peers",
                "serviceSelectors",
            ]
        );
    }

    #[test]
    fn the_columns_are_those_that_people_know() {
        let rows = [
            (
                "bfdprofiles",
                "Passive Mode, Transmit Interval, Receive Interval, Multiplier",
            ),
            (
                "bgpadvertisements",
                "IPAddressPools, IPAddressPool Selectors, Peers, Node Selectors",
            ),
            ("bgppeers", "Address, ASN, BFD Profile, Multi Hops"),
            ("communities", ""),
            ("configurationstates", "Result, ErrorSummary, Age"),
            ("ipaddresspools", "Auto Assign, Avoid Buggy IPs, Addresses"),
            (
                "l2advertisements",
                "IPAddressPools, IPAddressPool Selectors, Interfaces, Node Selectors",
            ),
            (
                "servicebgpstatuses",
                "Node, Service Name, Service Namespace",
            ),
            (
                "servicel2statuses",
                "Allocated Node, Service Name, Service Namespace",
            ),
        ];
        let definitions = definitions().expect("defined");
        assert_eq!(definitions.len(), rows.len());
        for (definition, (plural, expected)) in definitions.iter().zip(rows) {
            assert_eq!(definition.spec.names.plural, plural);
            for version in &definition.spec.versions {
                let columns = version.additional_printer_columns.iter().flatten();
                let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
                assert_eq!(names.join(", "), expected, "{plural}");
            }
        }
    }
}

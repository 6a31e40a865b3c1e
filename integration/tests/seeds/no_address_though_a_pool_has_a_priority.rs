//! A pool with `serviceAllocation.priority` and nothing else served nobody: "no available IPs".

use integration::kube::balancer::Balancer;
use integration::kube::shared::Shared;
use serde_json::json;

#[test]
fn a_pool_with_only_a_priority_serves_everybody_lower_numbers_first() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    let balancer = Balancer::start(&cluster, &cluster.lab);
    let priority = |number: u32| json!({"serviceAllocation": {"priority": number}});
    // Names and order of creation are against it.
    balancer.pool("a-without", &["10.56.4.0/32"], json!({}));
    balancer.pool(
        "b-unset",
        &["10.56.3.0/32"],
        json!({"serviceAllocation": {}}),
    );
    balancer.pool("c-20", &["10.56.2.0/32"], priority(20));
    balancer.pool("d-10", &["10.56.1.0/32"], priority(10));
    balancer.await_pools(&["a-without", "b-unset", "c-20", "d-10"]);
    let expected = ["10.56.1.0", "10.56.2.0", "10.56.3.0", "10.56.4.0"];
    for (number, address) in expected.iter().enumerate() {
        let name = format!("s{number}");
        balancer.service(&name, json!({}));
        balancer.await_addresses(&name, &[address]);
        assert!(!balancer.event_reasons(&name).contains("AllocationFailed"));
    }
    balancer.service("last", json!({}));
    balancer.await_pending("last", "");
}

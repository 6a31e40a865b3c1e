//! Five bugs that people met in the field with another load balancer, against a real API server: a
//! file each, named after what the user saw.

mod address_lost_while_sharers_change;
mod address_on_a_node_that_is_not_ready;
mod no_address_though_a_pool_has_a_priority;
mod nothing_announced_with_liveness_off;
mod unready_pods_to_be_published_not_announced;

//! What writes to the API, on virtual time against an API server in memory.

mod configuration_state;
mod events;
mod fake;
mod lease;
mod pool_status;
mod service_bgp_status;
mod service_status;

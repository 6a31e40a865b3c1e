//! What writes to the API, on virtual time against an API server in memory.

mod events;
mod fake;
mod lease;
mod service_status;

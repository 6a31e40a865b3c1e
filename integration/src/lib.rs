//! Test lab: network namespaces, real routers, real API servers.

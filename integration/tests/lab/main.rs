//! Herald, and the lab itself, among real routers.

mod routers;

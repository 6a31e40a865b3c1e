//! What the `herald` binary is made of: sockets, tasks and files around the pure crates.
//!
//! [`run`] is standalone operation. A snapshot of the directory becomes assignments and
//! announcements ([`run::round`]), [`peers`] gives each neighbour its task, and [`peer_io`] moves
//! octets between a `bgp::Peer` and its sockets; [`link_io`] does the same with frames for an
//! `l2::Responder`, whose addresses [`links`] elects. [`observe`] is what a person or Prometheus sees.
//!
//! It is a library for `integration/sim` only, which runs [`membership::core::Core`] on a virtual
//! clock; nothing else in it is public.

mod answer;
mod check;
mod cli;
mod clock;
mod controller;
mod decode;
mod demo;
mod explain;
mod histogram;
mod link_io;
mod links;
mod logging;
pub mod membership;
mod net;
mod observe;
mod options;
mod pace;
mod panics;
mod peer_io;
mod peers;
mod problem_events;
mod record;
mod replay;
mod run;
mod runtime;
mod signals;
mod speaker;
mod status;
mod view;

pub use cli::Cli;

/// What a simulation puts together besides the membership.
pub mod parts {
    pub use crate::link_io::{LinkView, OtherOwner};
    pub use crate::links::{ACQUAINTED_WITHIN, holding};
}

//! Test lab: network namespaces, real routers, and `herald` among them.
//!
//! A test opens a [`Lab`], makes a [`Netns`] for each machine it needs, joins them with veth
//! pairs, starts routers ([`router::Router`]) and [`herald::Herald`] in them, and then waits for
//! what must come true ([`wait::eventually`]). Everything is private to the test and goes away
//! with it; the root namespace sees nothing but the names under `/run/netns`.
//!
//! The lab is for tests: where the machine does not do what it must, these functions panic and
//! say what they tried.

pub mod background;
pub mod bird;
pub mod cluster;
pub mod command;
pub mod container;
pub mod documents;
pub mod frr;
pub mod gobgp;
pub mod herald;
pub mod http;
pub mod kernel;
pub mod kube;
pub mod lab;
pub mod manifests;
pub mod netns;
pub mod process;
pub mod router;
pub mod segment;
pub mod setup;
pub mod tcp;
pub mod udp;
pub mod wait;

pub use lab::{Lab, Need};
pub use netns::Netns;

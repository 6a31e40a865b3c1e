//! ARP and NDP as values: frames in, frames out.
//!
//! A [`Responder`] answers for addresses on Ethernet links: it probes them before their first
//! claim, announces them when they are taken, answers requests, defends them against strangers,
//! and is silent behind a fence. The crate is pure: it has no socket, clock, thread or random
//! source of its own, so that a whole failover runs in a test on a virtual clock. The layers, from
//! the wire up:
//!
//! * [`ethernet`] reads headers and holds frames to send;
//! * [`arp`] (RFC 826, RFC 5227) and [`ndp`] (RFC 4861, RFC 4862) read the questions and claims of
//!   others, and write answers, announcements and probes;
//! * [`responder`] has an interface's addresses, a state machine for each, and the API that the
//!   daemon drives.
//!
//! # How to drive it
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use l2::responder::{
//!     Action, Address, Claim, Config, Fence, Interface, InterfaceKind, Received, Responder,
//! };
//!
//! let mut now = Instant::now();
//! let mut responder = Responder::new(Config::default(), 0x5eed);
//! let eth0 = Interface {
//!     index: 2,
//!     name: "eth0".into(),
//!     mac: "02:00:00:00:00:01".parse().unwrap(),
//!     addresses: ["203.0.113.2".parse().unwrap()].into(),
//!     up: true,
//!     kind: InterfaceKind::Ethernet,
//! };
//! assert_eq!(responder.set_interfaces(now, &[eth0]), 0);
//!
//! // This node has taken the address over from another one.
//! let set = [("203.0.113.7".parse().unwrap(), Address::new(Claim::TakenOver))];
//! assert_eq!(responder.set_addresses(now, &Arc::new(set.into())), []);
//!
//! // It is silent until it is known to be allowed to speak.
//! assert_eq!(responder.poll_transmit(now), None);
//! responder.answers_until(now, Fence::Until(now + Duration::from_millis(400)));
//!
//! // After every call: what to do, what to send, and when to come back.
//! while let Some(action) = responder.poll_action() {
//!     match action {
//!         Action::JoinGroup { .. } | Action::LeaveGroup { .. } => { /* setsockopt */ }
//!         Action::State { .. } | Action::OtherOwner { .. } => { /* status, Event */ }
//!     }
//! }
//! let announcement = responder.poll_transmit(now).unwrap();
//! assert_eq!((announcement.interface, announcement.frame[..6] == [0xff; 6]), (2, true));
//! while responder.poll_transmit(now).is_some() { /* send */ }
//! let wake = responder.poll_timeout().unwrap();
//!
//! // A host asks who has 203.0.113.7.
//! now += Duration::from_millis(3);
//! let mut request = [0; 60];
//! request[..6].fill(0xff);
//! request[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
//! request[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
//! request[22..28].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
//! request[28..32].copy_from_slice(&[203, 0, 113, 1]);
//! request[38..42].copy_from_slice(&[203, 0, 113, 7]);
//! let received = Received { interface: 2, vlan: None, frame: &request };
//! responder.receive(now, received);
//! let reply = responder.poll_transmit(now).unwrap();
//! assert_eq!(reply.frame[..6], [2, 0, 0, 0, 0, 9]);
//!
//! // Nobody puts the fence off: the node may have been frozen, and another one answers by now.
//! now += Duration::from_millis(397);
//! responder.receive(now, received);
//! assert_eq!(responder.poll_transmit(now), None);
//! # assert!(wake <= now);
//! ```

pub mod arp;
pub mod ethernet;
pub mod ndp;
pub mod responder;

pub use ethernet::{FrameBuf, Malformed};
pub use pnet_base::MacAddr;
pub use responder::Responder;

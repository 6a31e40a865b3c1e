//! A BGP-4 speaker as a value: bytes and the time go in, bytes and actions come out.
//!
//! The crate is pure. It has no socket, clock, thread, file or random source of its own, so a
//! whole session runs in a test on a virtual clock. The layers, from the wire up:
//!
//! * [`codec`] frames messages, [`message`] parses and writes their bodies, [`attribute`] and
//!   [`capability`] hold one table each for their IANA registry;
//! * [`negotiated`] turns two OPEN messages into what the session may do;
//! * [`fsm`] is the state machine of RFC 4271 §8, one a connection; [`collision`] decides §6.8;
//! * [`adj_out`] turns a desired set of routes into UPDATEs, [`adj_in`] counts what arrives;
//! * [`mrt`] reads files of recorded messages and tables;
//! * [`peer`] is a neighbour: at most two connections, retry, and the API the daemon drives.

pub mod adj_in;
pub mod adj_out;
pub mod asn;
pub mod attribute;
pub mod capability;
pub mod codec;
pub mod collision;
pub mod community;
pub mod family;
pub mod fsm;
pub mod hold_time;
pub mod identifier;
pub mod message;
pub mod mrt;
pub mod negotiated;
pub mod nlri;
pub mod peer;
pub mod record;
pub mod route;

pub use asn::Asn;
pub use family::Family;
pub use hold_time::HoldTime;
pub use identifier::BgpIdentifier;
pub use message::{Message, notification::Notification};
pub use negotiated::Negotiated;
pub use peer::{Action, ConnId, Event, Peer, PeerConfig};
pub use route::{Route, RouteAttributes, RouteSet};

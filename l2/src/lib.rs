//! ARP and NDP as values: frames in, frames out.
//!
//! [`arp`] and [`ndp`] read the two questions that the owner of an address answers, an ARP request
//! (RFC 826) and a Neighbor Solicitation (RFC 4861), and write the answers and the unsolicited
//! announcements. The crate is pure: no socket, no clock.

pub mod arp;
pub mod ethernet;
pub mod ndp;

pub use ethernet::{FrameBuf, Malformed};
pub use pnet_base::MacAddr;

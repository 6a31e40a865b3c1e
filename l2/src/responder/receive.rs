//! What frames mean: requests for our addresses, and claims of others to them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use pnet_base::MacAddr;
use pnet_packet::ethernet::EtherTypes;

use super::Responder;
use super::address::is_unicast;
use super::entry::Context;
use super::event::Received;
use super::queue::{Outgoing, Purpose};
use crate::arp::{Arp, Operation};
use crate::ethernet::{Frame, FrameBuf, Malformed};
use crate::ndp::{NeighborAdvertisement, NeighborSolicitation};

/// What a frame says that somebody does with an address.
#[derive(Clone, Copy, Debug)]
enum Heard {
    /// It uses it.
    Claim,
    /// It asks if anybody does, before it takes it.
    Probe,
}

impl Responder {
    /// Takes a frame that arrived. It is looked at where it belongs to an interface that was handed
    /// in, untagged or with VLAN identifier 0. Takes time logarithmic in the number of addresses,
    /// and allocates nothing once the queue has grown.
    pub fn receive(&mut self, now: Instant, received: Received<'_>) {
        self.lapse(now);
        if self.is_fenced() {
            return;
        }
        let tagged = received.vlan.is_some_and(|vlan| vlan != 0);
        if tagged || !self.links.contains_key(&received.interface) {
            return;
        }
        let Some(frame) = Frame::parse(received.frame) else {
            return;
        };
        let done = match frame.ether_type {
            EtherTypes::Arp => self.receive_arp(now, &received, &frame),
            EtherTypes::Ipv6 => self.receive_ndp(now, &received, &frame),
            _ => Ok(()),
        };
        self.counters.malformed += u64::from(done.is_err());
    }

    fn receive_arp(
        &mut self,
        now: Instant,
        received: &Received<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Malformed> {
        let Some(arp) = Arp::parse(received.frame)? else {
            return Ok(());
        };
        let (sender, target) = (arp.sender_protocol.into(), arp.target_protocol.into());
        let by = arp.sender_hardware;
        self.hear(now, received.interface, sender, by, Heard::Claim);
        if arp.is_probe() {
            self.hear(now, received.interface, target, by, Heard::Probe);
        }
        if arp.operation == Operation::Request
            && !arp.is_announcement()
            && can_ask(arp.sender_protocol)
            && (frame.destination.is_broadcast() || self.is_mac_of(received, frame.destination))
            && !self.is_mac_of(received, by)
        {
            self.answer(now, received.interface, target, |ours| arp.reply(ours));
        }
        Ok(())
    }

    fn receive_ndp(
        &mut self,
        now: Instant,
        received: &Received<'_>,
        frame: &Frame<'_>,
    ) -> Result<(), Malformed> {
        let interface = received.interface;
        if let Some(advertisement) = NeighborAdvertisement::parse(received.frame)? {
            let (target, by) = (advertisement.target, advertisement.target_link_layer);
            self.hear(now, interface, target.into(), by, Heard::Claim);
            return Ok(());
        }
        let Some(solicitation) = NeighborSolicitation::parse(received.frame)? else {
            return Ok(());
        };
        let by = solicitation.source_link_layer;
        let (source, target) = (solicitation.source.into(), solicitation.target.into());
        match solicitation.is_duplicate_address_detection() {
            true => self.hear(now, interface, target, by, Heard::Probe),
            false => self.hear(now, interface, source, by, Heard::Claim),
        }
        let to_us = frame.destination.is_multicast() || self.is_mac_of(received, frame.destination);
        if to_us && source != target && !self.is_mac_of(received, by) {
            self.answer(now, interface, target, |ours| {
                solicitation.advertisement(ours)
            });
        }
        Ok(())
    }

    /// Whether the address is that of the interface the frame was read on.
    fn is_mac_of(&self, received: &Received<'_>, mac: MacAddr) -> bool {
        let link = self.links.get(&received.interface);
        link.is_some_and(|link| link.interface.mac == mac)
    }

    /// Somebody does something with an address that may be ours.
    fn hear(&mut self, now: Instant, interface: u32, address: IpAddr, by: MacAddr, heard: Heard) {
        let Some(link) = self.links.get_mut(&interface) else {
            return;
        };
        // A frame of our own that came back, or one of our kernel.
        if link.entry(address).is_none() || self.macs.contains(&by) {
            return;
        }
        let is_speaker = self.speakers.contains(&by);
        if let (Heard::Claim, true) = (heard, is_speaker) {
            link.hear_speaker(now, by);
        }
        let ours = link.interface.mac;
        let mut context = Context {
            now,
            config: &self.config,
            random: &mut self.random,
        };
        let step = |entry: &mut super::entry::Entry| match heard {
            Heard::Claim => entry.claimed_by(by, is_speaker, ours, &mut context),
            Heard::Probe => {
                entry.probed_by(by, is_speaker, ours, &mut context);
                None
            }
        };
        link.step(address, &mut self.queue, &mut self.notices, step);
    }

    /// Answers for an address that is ours.
    fn answer(
        &mut self,
        now: Instant,
        interface: u32,
        address: IpAddr,
        frame: impl FnOnce(MacAddr) -> FrameBuf,
    ) {
        let Some(link) = self.links.get_mut(&interface) else {
            return;
        };
        let ours = link.interface.mac;
        let Some(entry) = link.entry_mut(address) else {
            return;
        };
        entry.counters.requests += 1;
        if !entry.may_send(Purpose::Answer) {
            return;
        }
        let given = self.queue.has_room(1)
            && link.answers.take(now, 1)
            && self.queue.push(Outgoing {
                interface,
                address,
                purpose: Purpose::Answer,
                frame: frame(ours),
            });
        self.counters.suppressed += u64::from(!given);
    }
}

/// Whether a request can come from this address: one of a station, or none yet (a probe).
fn can_ask(address: Ipv4Addr) -> bool {
    address.is_unspecified() || is_unicast(address.into())
}

//! Raw frames of a test: a station that asks, announces or floods.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use pnet_base::MacAddr;
use pnet_datalink::{Channel, ChannelType, Config, DataLinkSender};

use super::frame;
use crate::background::{Background, IsOver};
use crate::netns::Handle;

/// A raw socket on one interface.
pub struct Wire {
    sender: Box<dyn DataLinkSender>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Opens an interface of a namespace.
    pub fn open(netns: &Handle, interface: &str) -> Wire {
        let open = || {
            let mut all = pnet_datalink::interfaces().into_iter();
            let found = all.find(|one| one.name == interface);
            let found = found.unwrap_or_else(|| panic!("no interface {interface}"));
            let config = Config {
                channel_type: ChannelType::Layer2,
                promiscuous: false,
                // Nobody reads: what arrives fills the least that a socket can have.
                read_buffer_size: 0,
                ..Config::default()
            };
            pnet_datalink::channel(&found, config)
        };
        match netns.enter(open) {
            Ok(Channel::Ethernet(sender, _)) => Wire { sender },
            Ok(_) => panic!("{interface} is no Ethernet"),
            Err(error) => panic!("{interface}: {error}"),
        }
    }

    /// Sends one frame.
    pub fn send(&mut self, frame: &[u8]) {
        match self.sender.send_to(frame, None) {
            Some(Ok(())) => {}
            Some(Err(error)) => panic!("cannot send: {error}"),
            None => panic!("cannot send"),
        }
    }
}

/// Who asks: its link-layer address, and its addresses of both families.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Link-layer.
    pub mac: MacAddr,
    /// IPv4 and IPv6.
    pub addresses: [IpAddr; 2],
}

impl Identity {
    /// A question for an address.
    pub fn question(&self, target: IpAddr) -> Vec<u8> {
        for sender in self.addresses {
            match (sender, target) {
                (IpAddr::V4(sender), IpAddr::V4(target)) => {
                    return frame::arp_request(self.mac, sender, target);
                }
                (IpAddr::V6(sender), IpAddr::V6(target)) => {
                    return frame::solicitation(self.mac, sender, target);
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
            }
        }
        panic!("no address of the family of {target}")
    }
}

/// Asks for some addresses all the time, each as often as was said, until dropped.
#[derive(Debug)]
pub struct Asker {
    _background: Background,
}

impl Asker {
    /// Begins; `every` is the time between two questions for one address.
    pub fn start(mut wire: Wire, who: &Identity, targets: &[IpAddr], every: Duration) -> Asker {
        let questions: Vec<Vec<u8>> = targets.iter().map(|to| who.question(*to)).collect();
        let ask = move |is_over: &IsOver<'_>| {
            let begin = Instant::now();
            for round in 1_u32.. {
                for question in &questions {
                    wire.send(question);
                }
                if is_over() {
                    return;
                }
                let next = begin + every * round;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        };
        Asker {
            _background: Background::start(ask),
        }
    }
}

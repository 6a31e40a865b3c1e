//! What of a link's traffic wakes the daemon: programs for the kernel's classic BPF machine.
//!
//! The kernel runs a program on each frame of the socket's protocol, before it copies or queues
//! anything. So a broadcast storm, of ARP too, costs some ten instructions a frame as long as it is
//! not about our addresses.

use std::net::IpAddr;

use libc::{BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET};
use libc::{BPF_W, SKF_AD_OFF, SKF_AD_PKTTYPE};
use socket2::SockFilter;

/// Octets of a frame that are kept, at most: more than ARP needs, and as much as a solicitation
/// with options takes on Ethernet. One that is longer is cut and then found malformed.
pub const SNAP_LENGTH: usize = 1_514;
/// Ranges that the addresses are merged to, at most: a jump of the machine spans 255 instructions.
const MAX_RANGES: usize = 48;

/// What a socket listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// ARP for IPv4 on Ethernet (RFC 826): requests and replies.
    Arp,
    /// Neighbor Solicitations and Advertisements (RFC 4861 §4.3, §4.4).
    Ndp,
}

/// The word of an address that the machine compares: all of an IPv4 address, the last 32 bits of an
/// IPv6 address.
pub type Key = u32;

/// The key of an address, and the protocol that asks for it.
pub fn key(address: IpAddr) -> (Protocol, Key) {
    match address {
        IpAddr::V4(address) => (Protocol::Arp, address.to_bits()),
        // The low 32 bits.
        IpAddr::V6(address) => (Protocol::Ndp, address.to_bits() as u32),
    }
}

/// A program that lets those frames of the protocol pass that ask for, answer for or come from one
/// of the addresses with these keys, and maybe a neighbour of them. Frames that we sent, and unicast
/// frames to other stations, do not pass.
pub fn program(protocol: Protocol, keys: impl Iterator<Item = Key>) -> Vec<SockFilter> {
    let (head, fields) = match protocol {
        // RFC 826: sender and target protocol address.
        Protocol::Arp => (arp_head(), [28, 38]),
        // RFC 8200 §3: source address; RFC 4861 §4.3, §4.4: target address. The last word of each.
        Protocol::Ndp => (ndp_head(), [34, 74]),
    };
    let ranges = ranges(keys);
    let of_field = |offset| {
        let within = ranges.iter().flat_map(|(low, high)| {
            [
                jump(BPF_JGE, *low, To::Next, To::Skip),
                jump(BPF_JGT, *high, To::Next, To::Accept),
            ]
        });
        std::iter::once(load(BPF_W, offset)).chain(within)
    };
    let body = fields.into_iter().flat_map(of_field);
    assemble(head.into_iter().chain(body).collect())
}

fn arp_head() -> Vec<Step> {
    vec![
        load(BPF_H, 12),
        jump(BPF_JEQ, 0x0806, To::Next, To::Drop),
        packet_type(),
        jump(BPF_JGT, MULTICAST, To::Drop, To::Next),
        // Hardware type Ethernet, protocol type IPv4.
        load(BPF_W, 14),
        jump(BPF_JEQ, 0x0001_0800, To::Next, To::Drop),
        // Lengths of their addresses.
        load(BPF_H, 18),
        jump(BPF_JEQ, 0x0604, To::Next, To::Drop),
        // Request or reply.
        load(BPF_H, 20),
        jump(BPF_JGE, 1, To::Next, To::Drop),
        jump(BPF_JGT, 2, To::Drop, To::Next),
    ]
}

fn ndp_head() -> Vec<Step> {
    vec![
        load(BPF_H, 12),
        jump(BPF_JEQ, 0x86dd, To::Next, To::Drop),
        packet_type(),
        jump(BPF_JGT, MULTICAST, To::Drop, To::Next),
        // Next header ICMPv6, hop limit 255 (RFC 4861 §7.1.1).
        load(BPF_H, 20),
        jump(BPF_JEQ, 0x3aff, To::Next, To::Drop),
        // Solicitation or advertisement.
        load(BPF_B, 54),
        jump(BPF_JGE, 135, To::Next, To::Drop),
        jump(BPF_JGT, 136, To::Drop, To::Next),
    ]
}

/// PACKET_HOST, PACKET_BROADCAST and PACKET_MULTICAST are up to this (linux/if_packet.h); above are
/// frames to other stations and those that we sent.
const MULTICAST: u32 = 2;

/// Where a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Next,
    /// Over the next.
    Skip,
    Accept,
    Drop,
}

/// An instruction whose ends are not numbers yet.
#[derive(Clone, Copy, Debug)]
struct Step {
    code: u32,
    value: u32,
    then: To,
    otherwise: To,
}

fn load(width: u32, offset: u32) -> Step {
    Step {
        code: BPF_LD | BPF_ABS | width,
        value: offset,
        then: To::Next,
        otherwise: To::Next,
    }
}

/// Loads how the kernel classes the frame.
fn packet_type() -> Step {
    // The machine takes negative offsets as names of what is not in the frame.
    load(BPF_B, (SKF_AD_OFF + SKF_AD_PKTTYPE).cast_unsigned())
}

fn jump(condition: u32, value: u32, then: To, otherwise: To) -> Step {
    Step {
        code: BPF_JMP | BPF_K | condition,
        value,
        then,
        otherwise,
    }
}

/// Appends the two ends and turns labels into distances.
fn assemble(steps: Vec<Step>) -> Vec<SockFilter> {
    let length = steps.len();
    let numbered = steps.into_iter().enumerate().map(|(at, step)| {
        let distance = |to| {
            let distance = match to {
                To::Next => 0,
                To::Skip => 1,
                To::Drop => length - at - 1,
                To::Accept => length - at,
            };
            // MAX_RANGES keeps it within an octet.
            distance as u8
        };
        instruction(
            step.code,
            distance(step.then),
            distance(step.otherwise),
            step.value,
        )
    });
    let ends = [0, SNAP_LENGTH as u32].map(|keep| instruction(BPF_RET | BPF_K, 0, 0, keep));
    numbered.chain(ends).collect()
}

fn instruction(code: u32, then: u8, otherwise: u8, value: u32) -> SockFilter {
    // Opcodes are below 2^16.
    SockFilter::new(code as u16, then, otherwise, value)
}

/// At most [`MAX_RANGES`] ranges that have all keys; the narrowest gaps between keys are closed.
fn ranges(keys: impl Iterator<Item = Key>) -> Vec<(Key, Key)> {
    let mut keys: Vec<Key> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    let mut gaps: Vec<(Key, Key)> = keys
        .windows(2)
        .filter_map(|pair| match pair {
            [low, high] if high - low > 1 => Some((high - low, *high)),
            _ => None,
        })
        .collect();
    gaps.sort_unstable_by(|one, other| other.cmp(one));
    gaps.truncate(MAX_RANGES - 1);
    // Each gap that stays begins a range.
    let mut begins: Vec<Key> = gaps.into_iter().map(|(_, begin)| begin).collect();
    begins.extend(keys.first());
    begins.sort_unstable();
    let last_below = |bound: Option<&Key>| {
        let below = bound.map_or(keys.len(), |bound| keys.partition_point(|key| key < bound));
        keys.get(below.checked_sub(1)?).copied()
    };
    let with_end = begins.iter().enumerate();
    with_end
        .filter_map(|(at, begin)| Some((*begin, last_below(begins.get(at + 1))?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use socket2::{Domain, Socket, Type};

    use super::*;

    const OURS: [u8; 4] = [203, 0, 113, 7];
    const OTHER: [u8; 4] = [203, 0, 113, 99];

    #[test]
    fn the_kernel_lets_only_arp_about_our_addresses_pass() {
        let arp =
            |operation, sender, target| arp(&[0, 1, 8, 0, 6, 4, 0, operation], sender, target);
        let mut token_ring = arp(1, OTHER, OURS);
        token_ring[15] = 6;
        let mut short = arp(1, OTHER, OURS);
        short.truncate(30);
        let table = [
            ("a request for ours", arp(1, OTHER, OURS), true),
            ("a reply from ours", arp(2, OURS, OTHER), true),
            ("a probe of ours", arp(1, [0; 4], OURS), true),
            ("a request for another", arp(1, OTHER, OTHER), false),
            ("a reverse request", arp(3, OTHER, OURS), false),
            ("operation 0", arp(0, OTHER, OURS), false),
            ("another hardware", token_ring, false),
            ("half of a request", short, false),
            ("a datagram", vec![0x45; 200], false),
        ];
        let keys = [u32::from_be_bytes(OURS)];
        for (what, frame, passes) in table {
            let program = program(Protocol::Arp, keys.into_iter());
            assert_eq!(passed(&program, &frame), passes, "{what}");
        }
    }

    #[test]
    fn the_kernel_lets_only_neighbour_discovery_about_our_addresses_pass() {
        let table = [
            ("a solicitation for ours", ndp(58, 255, 135, [9, 7]), true),
            ("an advertisement of ours", ndp(58, 255, 136, [9, 7]), true),
            ("a solicitation from ours", ndp(58, 255, 135, [7, 9]), true),
            ("another target", ndp(58, 255, 135, [9, 9]), false),
            ("from behind a router", ndp(58, 254, 135, [9, 7]), false),
            ("a router's words", ndp(58, 255, 134, [9, 7]), false),
            ("a redirect", ndp(58, 255, 137, [9, 7]), false),
            ("a datagram", ndp(17, 255, 135, [9, 7]), false),
        ];
        let (protocol, ours) = key("2001:db8::7".parse().expect("an address"));
        for (what, frame, passes) in table {
            let program = program(protocol, [ours].into_iter());
            assert_eq!(passed(&program, &frame), passes, "{what}");
        }
    }

    #[test]
    fn without_addresses_nothing_passes() {
        let frame = arp(&[0, 1, 8, 0, 6, 4, 0, 1], OTHER, OURS);
        let program = program(Protocol::Arp, std::iter::empty());
        assert!(!passed(&program, &frame));
    }

    #[test]
    fn ten_thousand_scattered_addresses_all_pass_in_a_program_that_fits() {
        let keys: Vec<Key> = (0..10_000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761))
            .collect();
        let program = program(Protocol::Arp, keys.iter().copied());
        assert!(program.len() < 256, "{}", program.len());
        for key in keys.iter().step_by(97) {
            let frame = arp(&[0, 1, 8, 0, 6, 4, 0, 1], [0; 4], key.to_be_bytes());
            assert!(passed(&program, &frame), "{key:x}");
        }
    }

    #[test]
    fn the_narrowest_gaps_are_closed() {
        let spread = (0..60).map(|n: u32| n * n * 10);
        let found = ranges(spread.clone());
        assert_eq!(found.len(), MAX_RANGES);
        assert_eq!(found.first(), Some(&(0, 12 * 12 * 10)));
        let within = |key| {
            found
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&key))
        };
        assert!(spread.clone().all(within));
        assert_eq!(
            ranges([5, 3, 4, u32::MAX].into_iter()),
            [(3, 5), (u32::MAX, u32::MAX)]
        );
    }

    /// Whether the kernel's machine lets the frame pass: it runs on datagrams between two sockets
    /// of this process.
    fn passed(program: &[SockFilter], frame: &[u8]) -> bool {
        let pair = Socket::pair(Domain::UNIX, Type::DGRAM, None);
        let (sender, mut receiver) = pair.expect("two sockets");
        receiver.attach_filter(program).expect("a program");
        receiver.set_nonblocking(true).expect("a socket");
        // What is filtered out counts as sent.
        sender.send(frame).expect("sent");
        receiver.read(&mut [0; 2_000]).is_ok()
    }

    fn arp(fixed: &[u8; 8], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        let head = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9], &[8, 6], fixed];
        let body = [&[2, 0, 0, 0, 0, 9][..], &sender, &[0; 6], &target, &[0; 18]];
        [head.concat(), body.concat()].concat()
    }

    fn ndp(next: u8, hops: u8, kind: u8, [source, target]: [u8; 2]) -> Vec<u8> {
        let prefix = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let head = [
            &[0x33; 12][..],
            &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, next, hops],
        ];
        let addresses = [&prefix[..], &[source], &prefix, &[1]];
        let body = [&[kind, 0, 0, 0, 0, 0, 0, 0][..], &prefix, &[target]];
        [head.concat(), addresses.concat(), body.concat()].concat()
    }
}

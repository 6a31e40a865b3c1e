//! Addresses, prefixes and ranges as text.

use std::net::IpAddr;

use ipnet::IpNet;
use plan::world::{AddressRange, IpFamily};

use crate::problem::Finding;

/// The family of an address.
pub fn family(address: IpAddr) -> IpFamily {
    if address.is_ipv4() {
        IpFamily::IPv4
    } else {
        IpFamily::IPv6
    }
}

/// An address, without zone. `field` is where it stands.
pub fn parse(text: &str, field: &str) -> Result<IpAddr, Finding> {
    let address = text.parse().map_err(|_| {
        Finding::error(
            field,
            format!("`{text}` is not an IP address"),
            "write an IPv4 or IPv6 address, such as 203.0.113.1 or 2001:db8::1",
        )
    })?;
    not_mapped(address, text, field)
}

/// An address, unless it is an IPv4 one in the form of an IPv6 one (RFC 4291 §2.5.5.2): it could be
/// taken for either.
fn not_mapped(address: IpAddr, text: &str, field: &str) -> Result<IpAddr, Finding> {
    let mapped = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => v6.to_ipv4_mapped(),
    };
    match mapped {
        None => Ok(address),
        Some(v4) => Err(Finding::error(
            field,
            format!("`{text}` has an IPv4 address in the form of an IPv6 one"),
            format!("write {v4}"),
        )),
    }
}

/// An entry of a pool: `203.0.113.0/24` or `203.0.113.10-203.0.113.20`, and a warning where it can
/// be used but looks wrong.
pub fn parse_range(text: &str, field: &str) -> Result<(AddressRange, Option<Finding>), Finding> {
    let range = match text.split_once('-') {
        Some((first, last)) => (parse_first_last(text, first, last, field)?, None),
        None => parse_cidr(text, field)?,
    };
    let (range, warning) = range;
    let warning = warning.or_else(|| unsuitable(&range, text, field));
    Ok((range, warning))
}

fn parse_first_last(
    text: &str,
    first: &str,
    last: &str,
    field: &str,
) -> Result<AddressRange, Finding> {
    let bound = |part: &str| {
        let address = part.trim().parse::<IpAddr>().map_err(|_| {
            Finding::error(
                field,
                format!("`{}` in `{text}` is not an IP address", part.trim()),
                "write a range as FIRST-LAST, such as 203.0.113.10-203.0.113.20",
            )
        })?;
        not_mapped(address, part.trim(), field)
    };
    let (first, last) = (bound(first)?, bound(last)?);
    if family(first) != family(last) {
        return Err(Finding::error(
            field,
            format!("the range `{text}` begins in one address family and ends in the other"),
            "write one entry for IPv4 and one for IPv6",
        ));
    }
    if first > last {
        return Err(Finding::error(
            field,
            format!("the range `{text}` is backwards"),
            format!("write {last}-{first}"),
        ));
    }
    Ok(AddressRange { first, last })
}

fn parse_cidr(text: &str, field: &str) -> Result<(AddressRange, Option<Finding>), Finding> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(Finding::error(
            field,
            format!("`{text}` has no prefix length"),
            format!("write {} for this one address", IpNet::from(address)),
        ));
    }
    let Some(net) = prefix(text) else {
        return Err(Finding::error(
            field,
            format!("`{text}` is neither a CIDR prefix nor a range"),
            cidr_hint(text),
        ));
    };
    not_mapped(net.addr(), text, field).map_err(|mut finding| {
        if let Some(length) = net.prefix_len().checked_sub(96) {
            finding.hint = format!("{}/{length}", finding.hint);
        }
        finding
    })?;
    let range = AddressRange {
        first: net.network(),
        last: net.broadcast(),
    };
    let warning = (net.addr() != net.network()).then(|| {
        Finding::warning(
            field,
            format!(
                "`{text}` is read as {}: it has bits set beyond its prefix length",
                net.trunc()
            ),
            format!(
                "write {}, or {} for the one address",
                net.trunc(),
                IpNet::from(net.addr())
            ),
        )
    });
    Ok((range, warning))
}

/// A prefix in CIDR notation. Zeros in front of a number are octal to some, so there are none.
fn prefix(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let digits = length.bytes().all(|octet| octet.is_ascii_digit());
    if !digits || (length.len() > 1 && length.starts_with('0')) {
        return None;
    }
    IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()
}

/// What would be right in place of a `text` that is not a prefix.
fn cidr_hint(text: &str) -> String {
    if let Some((address, length)) = text.split_once('/')
        && let Ok(address) = address.parse::<IpAddr>()
    {
        let most = if address.is_ipv4() { 32 } else { 128 };
        return format!("`/{length}` is not a prefix length: write /0 to /{most} after {address}");
    }
    "write a prefix such as 203.0.113.0/24, or a range such as 203.0.113.10-203.0.113.20".into()
}

/// A warning for addresses that no client can reach a Service at.
fn unsuitable(range: &AddressRange, text: &str, field: &str) -> Option<Finding> {
    let what = [range.first, range.last]
        .into_iter()
        .find_map(|address| match address {
            _ if address.is_multicast() => Some("multicast"),
            _ if address.is_loopback() => Some("loopback"),
            _ if address.is_unspecified() => Some("unspecified"),
            IpAddr::V4(address) if address.is_link_local() => Some("link-local"),
            IpAddr::V6(address) if address.is_unicast_link_local() => Some("link-local"),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        })?;
    Some(Finding::warning(
        field,
        format!("`{text}` has {what} addresses, which routers do not carry"),
        "use addresses that your network routes",
    ))
}

/// The least prefix length with which each CIDR of a range's summary could be announced: the
/// shortest one among them.
pub fn shortest_prefix(range: &AddressRange) -> u8 {
    let (size, first) = match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => (
            u128::from(u32::from(last) - u32::from(first)),
            u128::from(u32::from(first)),
        ),
        (IpAddr::V6(first), IpAddr::V6(last)) => (
            u128::from(last).saturating_sub(u128::from(first)),
            u128::from(first),
        ),
        (IpAddr::V4(_) | IpAddr::V6(_), _) => return 0,
    };
    let width: u32 = if range.first.is_ipv4() { 32 } else { 128 };
    let last = first.saturating_add(size);
    // The greatest aligned block inside: try block sizes from the whole range downwards.
    for bits in (0..width).rev() {
        let block = 1_u128 << bits;
        let start = first.div_ceil(block).checked_mul(block);
        let fits = start
            .and_then(|start| start.checked_add(block - 1))
            .is_some_and(|end| end <= last);
        if fits {
            return (width - bits) as u8;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_first_and_last() {
        let rows = [
            ("203.0.113.0/24", "203.0.113.0", "203.0.113.255"),
            (" 203.0.113.7/32 ", "203.0.113.7", "203.0.113.7"),
            ("203.0.113.10-203.0.113.20", "203.0.113.10", "203.0.113.20"),
            (
                "203.0.113.10 - 203.0.113.10",
                "203.0.113.10",
                "203.0.113.10",
            ),
            ("2001:db8::/126", "2001:db8::", "2001:db8::3"),
            ("2001:db8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff"),
        ];
        for (text, first, last) in rows {
            let (range, warning) = parse_range(text, "f").expect(text);
            assert_eq!(
                (range.first.to_string(), range.last.to_string()),
                (first.into(), last.into())
            );
            assert_eq!(warning, None, "{text}");
        }
    }

    #[test]
    fn wrong_entries_say_what_would_be_right() {
        let rows = [
            ("203.0.113.5", "write 203.0.113.5/32 for this one address"),
            ("2001:db8::5", "write 2001:db8::5/128 for this one address"),
            (
                "203.0.113.0/33",
                "`/33` is not a prefix length: write /0 to /32 after 203.0.113.0",
            ),
            ("203.0.113.9-203.0.113.1", "write 203.0.113.1-203.0.113.9"),
            (
                "203.0.113.1-2001:db8::1",
                "write one entry for IPv4 and one for IPv6",
            ),
            ("::ffff:203.0.113.0/120", "write 203.0.113.0/24"),
            (
                "203.0.113.0/024",
                "`/024` is not a prefix length: write /0 to /32 after 203.0.113.0",
            ),
            (
                "203.0.113.1-x",
                "write a range as FIRST-LAST, such as 203.0.113.10-203.0.113.20",
            ),
        ];
        for (text, hint) in rows {
            assert_eq!(parse_range(text, "f").expect_err(text).hint, hint, "{text}");
        }
    }

    #[test]
    fn host_bits_and_unroutable_addresses_are_warned_of() {
        for text in [
            "203.0.113.5/24",
            "224.0.0.0/24",
            "127.0.0.0/8",
            "fe80::/64",
            "0.0.0.0/0",
        ] {
            assert!(parse_range(text, "f").expect(text).1.is_some(), "{text}");
        }
    }

    #[test]
    fn the_shortest_prefix_is_that_of_the_greatest_block_inside() {
        let rows = [
            ("203.0.113.0/24", 24),
            ("203.0.113.10-203.0.113.20", 30),
            ("203.0.113.1-203.0.113.1", 32),
            ("203.0.113.0-203.0.113.255", 24),
            ("203.0.113.255-203.0.114.0", 32),
            ("2001:db8::/64", 64),
            ("2001:db8::1-2001:db8::1", 128),
            ("128.0.0.0/1", 1),
        ];
        for (text, length) in rows {
            assert_eq!(
                shortest_prefix(&parse_range(text, "f").expect(text).0),
                length,
                "{text}"
            );
        }
    }
}

//! Addresses, prefixes and ranges in CEL.

use super::rule::{Placed, invalid, invalid_as};

/// The number that an IPv4 address is, out of an expression for its text.
fn number(address: &str) -> String {
    let part = |index: usize, weight: u32| format!("int({address}.split('.')[{index}]) * {weight}");
    [
        part(0, 1 << 24),
        part(1, 1 << 16),
        part(2, 1 << 8),
        part(3, 1),
    ]
    .join(" + ")
}

/// Rules for an entry of a pool at `at`: a prefix, or a range `FIRST-LAST`.
pub fn pool_entry(at: &'static str) -> Vec<Placed> {
    let first = "self.substring(0, self.indexOf('-')).trim()";
    let last = "self.substring(self.indexOf('-') + 1).trim()";
    let is_range = format!("self.contains('-') && isIP({first}) && isIP({last})");
    let family = |end: &str| format!("ip({end}).family()");
    vec![
        invalid_as(
            at,
            "self.contains('-') || isCIDR(self.trim())",
            "isIP(self.trim()) \
             ? self.trim() + ' has no prefix length; write ' + self.trim() \
             + (ip(self.trim()).family() == 4 ? '/32' : '/128') + ' for this one address' \
             : self + ' is neither a CIDR prefix nor a range; write a prefix such as \
             203.0.113.0/24, or a range such as 203.0.113.10-203.0.113.20'"
                .to_owned(),
        ),
        invalid(
            at,
            format!("!self.contains('-') || ({is_range})"),
            "not a range of IP addresses; write a range as FIRST-LAST, such as \
             203.0.113.10-203.0.113.20",
        ),
        invalid(
            at,
            format!("!({is_range}) || {} == {}", family(first), family(last)),
            "the range begins in one address family and ends in the other; write one entry for \
             IPv4 and one for IPv6",
        ),
        invalid(
            at,
            format!(
                "!({is_range}) || {} != 4 || {} != 4 || {} <= {}",
                family(first),
                family(last),
                number(first),
                number(last)
            ),
            "the range is backwards; write the lower address first",
        ),
    ]
}

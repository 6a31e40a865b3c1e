//! BGP communities as text, and Community objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::world::Community;

use super::Findings;
use crate::crd;
use crate::object::Draft;
use crate::problem::Finding;

/// IANA's "BGP Well-known Communities": name and value.
pub const WELL_KNOWN: [(&str, u32); 15] = [
    ("graceful-shutdown", 0xFFFF_0000),
    ("accept-own", 0xFFFF_0001),
    ("route-filter-translated-v4", 0xFFFF_0002),
    ("route-filter-v4", 0xFFFF_0003),
    ("route-filter-translated-v6", 0xFFFF_0004),
    ("route-filter-v6", 0xFFFF_0005),
    ("llgr-stale", 0xFFFF_0006),
    ("no-llgr", 0xFFFF_0007),
    ("accept-own-nexthop", 0xFFFF_0008),
    ("standby-pe", 0xFFFF_0009),
    ("blackhole", 0xFFFF_029A),
    ("no-export", 0xFFFF_FF01),
    ("no-advertise", 0xFFFF_FF02),
    ("no-export-subconfed", 0xFFFF_FF03),
    ("no-peer", 0xFFFF_FF04),
];

/// The well-known community of that name.
pub fn well_known(name: &str) -> Option<Community> {
    WELL_KNOWN
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| Community::Standard(*value))
}

/// What an entry of `communities` can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `A:B` or `large:A:B:C`.
    Literal(Community),
    /// A name: an alias, or a well-known community's.
    Name(String),
}

/// Reads an entry. `field` is where it stands.
pub fn parse(text: &str, field: &str) -> Result<Entry, Finding> {
    if let Some(parts) = text.strip_prefix("large:") {
        return large(parts).map(Entry::Literal).ok_or_else(|| {
            Finding::error(
                field,
                format!("`{text}` is not a large community"),
                "write large:A:B:C, each 0 to 4294967295, such as large:64512:1:100",
            )
        });
    }
    if !text.contains(':') {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let number = digits.bytes().all(|octet| octet.is_ascii_digit());
        if number || text.contains(char::is_whitespace) {
            return Err(not_a_community(text, field));
        }
        return Ok(Entry::Name(text.to_owned()));
    }
    standard(text)
        .map(Entry::Literal)
        .ok_or_else(|| not_a_community(text, field))
}

fn not_a_community(text: &str, field: &str) -> Finding {
    let hint = match text.split(':').collect::<Vec<_>>().as_slice() {
        [a, b, c] if [a, b, c].iter().all(|part| part.parse::<u32>().is_ok()) => {
            format!("three numbers are a large community: write large:{a}:{b}:{c}")
        }
        [a, b] if [a, b].iter().all(|part| part.parse::<u32>().is_ok()) => {
            "both numbers are 0 to 65535; for larger ones write large:A:B:C".into()
        }
        _ => "write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias".into(),
    };
    Finding::error(field, format!("`{text}` is not a community"), hint)
}

fn standard(text: &str) -> Option<Community> {
    let (high, low) = text.split_once(':')?;
    let (high, low): (u16, u16) = (number(high)?, number(low)?);
    Some(Community::Standard(u32::from(high) << 16 | u32::from(low)))
}

fn large(text: &str) -> Option<Community> {
    let mut parts = text.split(':');
    let large = Community::Large(
        number(parts.next()?)?,
        number(parts.next()?)?,
        number(parts.next()?)?,
    );
    parts.next().is_none().then_some(large)
}

/// Digits only: `parse` alone would take a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The aliases of a Community.
pub fn translate(object: &crd::CommunitySpec, findings: &mut Findings) -> Option<Draft> {
    let before = findings.len();
    let mut names = BTreeSet::new();
    let mut aliases: Vec<(String, Community)> = Vec::with_capacity(object.communities.len());
    for (index, alias) in object.communities.iter().enumerate() {
        let field = format!("spec.communities[{index}]");
        if !names.insert(alias.name.as_str()) {
            let message = format!("the alias `{}` is there twice", alias.name);
            findings.push(Finding::error(
                format!("{field}.name"),
                message,
                "keep one of them",
            ));
            continue;
        }
        if alias.name.contains(':') || alias.name.contains(char::is_whitespace) {
            let message = format!("`{}` cannot be told from a community", alias.name);
            let hint = "write a name without colons and spaces";
            findings.push(Finding::error(format!("{field}.name"), message, hint));
            continue;
        }
        match parse(&alias.value, &format!("{field}.value")) {
            Ok(Entry::Literal(community)) => aliases.push((alias.name.clone(), community)),
            Ok(Entry::Name(name)) => match well_known(&name) {
                Some(community) => aliases.push((alias.name.clone(), community)),
                None => findings.push(not_a_community(&name, &format!("{field}.value"))),
            },
            Err(finding) => findings.push(finding),
        }
    }
    super::is_clean(findings, before).then(|| Draft::Community(Arc::new(aliases)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_are_read() {
        let rows = [
            (
                "65000:100",
                Entry::Literal(Community::Standard(65000 << 16 | 100)),
            ),
            ("0:0", Entry::Literal(Community::Standard(0))),
            (
                "large:64512:1:100",
                Entry::Literal(Community::Large(64512, 1, 100)),
            ),
            ("no-export", Entry::Name("no-export".into())),
            ("my-alias", Entry::Name("my-alias".into())),
        ];
        for (text, expected) in rows {
            assert_eq!(parse(text, "f"), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_communities_say_what_would_be_right() {
        let rows = [
            (
                "64512:1:100",
                "three numbers are a large community: write large:64512:1:100",
            ),
            (
                "65536:1",
                "both numbers are 0 to 65535; for larger ones write large:A:B:C",
            ),
            (
                "large:1:2",
                "write large:A:B:C, each 0 to 4294967295, such as large:64512:1:100",
            ),
            (
                "large:1:2:3:4",
                "write large:A:B:C, each 0 to 4294967295, such as large:64512:1:100",
            ),
            (
                "1:+2",
                "both numbers are 0 to 65535; for larger ones write large:A:B:C",
            ),
            (
                "",
                "write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias",
            ),
            (
                "6553600",
                "write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias",
            ),
            (
                "rt:1:2",
                "write A:B (0 to 65535 each), large:A:B:C, a well-known name or an alias",
            ),
        ];
        for (text, hint) in rows {
            assert_eq!(parse(text, "f").expect_err(text).hint, hint, "{text}");
        }
    }
}

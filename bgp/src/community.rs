//! Communities as values: standard (RFC 1997) and large (RFC 8092).

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

/// A standard community: the high 16 bits name an AS, the low 16 a value (RFC 1997).
///
/// Reads and writes itself as `64500:100`, or as its name in the IANA registry of well-known
/// communities, such as `no-export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

/// A large community (RFC 8092 §3). Reads and writes itself as `64500:1:2` (RFC 8092 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global Administrator: an AS number.
    pub global_administrator: u32,
    /// Local Data Part 1.
    pub local_data_1: u32,
    /// Local Data Part 2.
    pub local_data_2: u32,
}

/// The IANA registry "BGP Well-known Communities".
const WELL_KNOWN: [(Community, &str); 11] = [
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community(0xffff_0001), "accept-own"),
    (Community(0xffff_0006), "llgr-stale"),
    (Community(0xffff_0007), "no-llgr"),
    (Community(0xffff_0008), "accept-own-nexthop"),
    (Community(0xffff_0009), "standby-pe"),
    (Community(0xffff_029a), "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community(0xffff_ff03), "no-export-subconfed"),
    (Community(0xffff_ff04), "no-peer"),
];

impl Community {
    /// NO_EXPORT (RFC 1997).
    pub const NO_EXPORT: Community = Community(0xffff_ff01);
    /// NO_ADVERTISE (RFC 1997).
    pub const NO_ADVERTISE: Community = Community(0xffff_ff02);
    /// GRACEFUL_SHUTDOWN (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Community = Community(0xffff_0000);

    /// A community of an AS and a value.
    pub const fn new(asn: u16, value: u16) -> Community {
        let [a, b] = asn.to_be_bytes();
        let [c, d] = value.to_be_bytes();
        Community(u32::from_be_bytes([a, b, c, d]))
    }

    /// The name in the IANA registry of well-known communities.
    pub fn name(self) -> Option<&'static str> {
        let row = WELL_KNOWN.iter().find(|(community, _)| *community == self);
        row.map(|(_, name)| *name)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LargeCommunity {
            global_administrator,
            local_data_1,
            local_data_2,
        } = self;
        write!(f, "{global_administrator}:{local_data_1}:{local_data_2}")
    }
}

/// A text that is no community, with what would be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACommunity(&'static str);

impl fmt::Display for NotACommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a community: expected {}", self.0)
    }
}

impl std::error::Error for NotACommunity {}

impl FromStr for Community {
    type Err = NotACommunity;

    fn from_str(text: &str) -> Result<Community, NotACommunity> {
        if let Some((community, _)) = WELL_KNOWN.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let error = NotACommunity("two numbers up to 65535 (64500:100) or a well-known name");
        let (asn, value) = text.split_once(':').ok_or(error)?;
        match (number(asn), number(value)) {
            (Some(asn), Some(value)) => Ok(Community::new(asn, value)),
            (None, _) | (_, None) => Err(error),
        }
    }
}

impl FromStr for LargeCommunity {
    type Err = NotACommunity;

    fn from_str(text: &str) -> Result<LargeCommunity, NotACommunity> {
        let error = NotACommunity("three numbers up to 4294967295 (64500:1:2)");
        let (global, rest) = text.split_once(':').ok_or(error)?;
        let (local_1, local_2) = rest.split_once(':').ok_or(error)?;
        Ok(LargeCommunity {
            global_administrator: number(global).ok_or(error)?,
            local_data_1: number(local_1).ok_or(error)?,
            local_data_2: number(local_2).ok_or(error)?,
        })
    }
}

/// Decimal digits and nothing else; `FromStr` of integers would take a `+` too.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl Serialize for Community {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for LargeCommunity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Community {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Community, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for LargeCommunity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LargeCommunity, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_read_back_what_they_write() {
        let cases = [
            (Community::new(64500, 100), "64500:100"),
            (Community::NO_EXPORT, "no-export"),
            (Community::new(0, 0), "0:0"),
            (Community::new(65535, 65535), "65535:65535"),
        ];
        for (community, text) in cases {
            assert_eq!(community.to_string(), text);
            assert_eq!(text.parse(), Ok(community));
        }
        assert_eq!("65535:65281".parse(), Ok(Community::NO_EXPORT));
        let large = "64500:1:4294967295".parse::<LargeCommunity>();
        assert_eq!(
            large.map(|c| c.to_string()).as_deref(),
            Ok("64500:1:4294967295")
        );
    }

    #[test]
    fn a_text_that_is_no_community_is_refused() {
        for text in [
            "",
            "1",
            "1:",
            ":1",
            "1:65536",
            "+1:2",
            "1:2:3",
            "no_export",
            "1: 2",
        ] {
            assert!(text.parse::<Community>().is_err(), "{text}");
        }
        for text in ["1:2", "1:2:", "1:2:3:4", "1:2:4294967296", "-1:2:3"] {
            assert!(text.parse::<LargeCommunity>().is_err(), "{text}");
        }
    }
}

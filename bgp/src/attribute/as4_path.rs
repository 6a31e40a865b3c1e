//! AS4_PATH, type 17 (RFC 6793 §3, §6).

use bytes::BytesMut;

use super::{AsPath, Attribute, Malformed};
use crate::codec::Rules;

/// The four-octet numbers of a path that crossed a two-octet session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct As4Path<'a>(pub AsPath<'a>);

impl<'a> Attribute<'a> for As4Path<'a> {
    type Owned = As4Path<'static>;

    fn parse(value: &'a [u8], rules: &Rules) -> Result<As4Path<'a>, Malformed> {
        if rules.four_octet_as {
            let reason = "AS4_PATH from a peer with four-octet AS numbers (RFC 6793 §4.1)";
            return Err(Malformed::optional(reason));
        }
        if value.len() < 6 {
            let reason = "AS4_PATH of fewer than 6 octets (RFC 6793 §6)";
            return Err(Malformed::optional(reason));
        }
        // RFC 6793 §6: segments of a confederation are dropped, the rest is used. A path without
        // them is the normal case and stays where it is.
        let path = AsPath::parse_four(value, true)?;
        if !path.segments().any(|s| s.kind().is_confederation()) {
            return Ok(As4Path(path));
        }
        let path = path.without_confederation();
        // Nothing is left of it, and an empty one is malformed.
        if path.segments().next().is_none() {
            let reason = "AS4_PATH of confederation segments alone (RFC 6793 §6)";
            return Err(Malformed::optional(reason));
        }
        Ok(As4Path(path))
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        self.0.length_four()
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        self.0.write_four(out);
    }

    /// RFC 6793 §4.1: never to a peer that speaks four octets itself.
    fn is_sent(&self, rules: &Rules) -> bool {
        !rules.four_octet_as
    }

    fn into_owned(self) -> As4Path<'static> {
        As4Path(self.0.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS_CONFED_SEQUENCE 64512, and AS_SEQUENCE 4200000000.
    const CONFEDERATION: [u8; 6] = [3, 1, 0, 0, 0xfc, 0];
    const SEQUENCE: [u8; 6] = [2, 1, 0xfa, 0x56, 0xea, 0];

    #[test]
    fn segments_of_a_confederation_are_dropped_from_an_as4_path() {
        let value = [CONFEDERATION, SEQUENCE].concat();
        let path = As4Path::parse(&value, &Rules::default());
        assert_eq!(path, As4Path::parse(&SEQUENCE, &Rules::default()));
        assert!(path.is_ok());
    }

    #[test]
    fn an_as4_path_of_confederation_segments_alone_is_discarded() {
        assert!(As4Path::parse(&CONFEDERATION, &Rules::default()).is_err());
    }
}

//! AS_PATH, type 2 (RFC 4271 §4.3, §5.1.2; RFC 6793; RFC 5065).

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{Attribute, Malformed};
use crate::Asn;
use crate::codec::Rules;

/// Most AS numbers of one segment: its count has one octet.
const MAX_SEGMENT: usize = 255;

/// Octets of an AS number on the session the path is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Two,
    Four,
}

impl Width {
    const fn octets(self) -> usize {
        match self {
            Width::Two => 2,
            Width::Four => 4,
        }
    }

    const fn of(rules: &Rules) -> Width {
        match rules.four_octet_as {
            true => Width::Four,
            false => Width::Two,
        }
    }
}

/// A path that has been checked: its segments are whole, known and not empty, and no AS is 0.
#[derive(Clone, Debug)]
pub struct AsPath<'a> {
    width: Width,
    octets: Cow<'a, [u8]>,
}

/// Path segment type (RFC 4271 §4.3, RFC 5065 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentType {
    /// 1: unordered.
    AsSet,
    /// 2: ordered, the nearest AS first.
    AsSequence,
    /// 3: ordered, inside a confederation.
    AsConfedSequence,
    /// 4: unordered, inside a confederation.
    AsConfedSet,
}

impl SegmentType {
    const fn from_code(code: u8) -> Option<SegmentType> {
        match code {
            1 => Some(SegmentType::AsSet),
            2 => Some(SegmentType::AsSequence),
            3 => Some(SegmentType::AsConfedSequence),
            4 => Some(SegmentType::AsConfedSet),
            _ => None,
        }
    }

    const fn code(self) -> u8 {
        match self {
            SegmentType::AsSet => 1,
            SegmentType::AsSequence => 2,
            SegmentType::AsConfedSequence => 3,
            SegmentType::AsConfedSet => 4,
        }
    }

    /// Whether it belongs to a confederation (RFC 5065 §3).
    pub const fn is_confederation(self) -> bool {
        match self {
            SegmentType::AsConfedSequence | SegmentType::AsConfedSet => true,
            SegmentType::AsSet | SegmentType::AsSequence => false,
        }
    }
}

/// One segment of a path: never empty.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    kind: SegmentType,
    width: Width,
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Path segment type.
    pub const fn kind(&self) -> SegmentType {
        self.kind
    }

    /// AS numbers: 1 to 255.
    pub const fn count(&self) -> usize {
        self.octets.len() / self.width.octets()
    }

    /// The AS numbers in wire order.
    #[inline]
    pub fn asns(&self) -> impl Iterator<Item = Asn> + use<'a> {
        let Segment { width, octets, .. } = *self;
        let mut rest = octets;
        // No number is 0, so `Asn::new` does not end the run early.
        std::iter::from_fn(move || {
            let (number, after) = match width {
                Width::Two => {
                    let ([a, b], after) = rest.split_first_chunk()?;
                    (u32::from_be_bytes([0, 0, *a, *b]), after)
                }
                Width::Four => {
                    let (octets, after) = rest.split_first_chunk()?;
                    (u32::from_be_bytes(*octets), after)
                }
            };
            rest = after;
            Asn::new(number)
        })
    }

    /// What the segment adds to the length of the path (RFC 4271 §9.1.2.2, RFC 5065 §5.3): a
    /// set counts as one, a segment of a confederation as nothing.
    pub const fn path_length(&self) -> usize {
        match self.kind {
            SegmentType::AsSequence => self.count(),
            SegmentType::AsSet => 1,
            SegmentType::AsConfedSequence | SegmentType::AsConfedSet => 0,
        }
    }
}

impl<'a> AsPath<'a> {
    /// A path of one AS_SEQUENCE, the nearest AS first; the empty path for no AS. More than 255
    /// go into more segments.
    pub fn sequence(asns: &[Asn]) -> AsPath<'static> {
        let mut path = AsPath::empty();
        path.push(SegmentType::AsSequence, asns);
        path
    }

    /// The path of a route of one's own AS on iBGP.
    pub const fn empty() -> AsPath<'static> {
        AsPath {
            width: Width::Four,
            octets: Cow::Borrowed(&[]),
        }
    }

    /// Adds a segment at the far end, or several where more than 255 numbers need them; none
    /// for no numbers. A path read on a two-octet session keeps two-octet numbers, so larger
    /// ones are added as AS_TRANS.
    pub fn push(&mut self, kind: SegmentType, asns: &[Asn]) {
        let width = self.width;
        let octets = self.octets.to_mut();
        for chunk in asns.chunks(MAX_SEGMENT) {
            octets.push(kind.code());
            octets.push(u8::try_from(chunk.len()).unwrap_or(u8::MAX));
            for asn in chunk {
                match width {
                    Width::Two => octets.extend_from_slice(&asn.as_two_octets().to_be_bytes()),
                    Width::Four => octets.extend_from_slice(&asn.get().to_be_bytes()),
                }
            }
        }
    }

    /// The segments in wire order.
    #[inline]
    pub fn segments(&self) -> Segments<'_> {
        Segments {
            width: self.width,
            rest: &self.octets,
        }
    }

    /// Every AS number, in wire order, whatever its segment.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + '_ {
        self.segments().flat_map(|segment| segment.asns())
    }

    /// The length that route selection compares (RFC 4271 §9.1.2.2).
    pub fn path_length(&self) -> usize {
        self.segments().map(|segment| segment.path_length()).sum()
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The nearest AS: the first of an AS_SEQUENCE in front.
    pub fn first(&self) -> Option<Asn> {
        let segment = self.segments().next()?;
        match segment.kind {
            SegmentType::AsSequence => segment.asns().next(),
            SegmentType::AsSet | SegmentType::AsConfedSequence | SegmentType::AsConfedSet => None,
        }
    }

    /// Checks a path of four-octet numbers (RFC 4271 §4.3), with `confederation` allowed or not.
    pub(super) fn parse_four(
        octets: &'a [u8],
        confederation: bool,
    ) -> Result<AsPath<'a>, Malformed> {
        check(octets, Width::Four, confederation)?;
        Ok(AsPath {
            width: Width::Four,
            octets: Cow::Borrowed(octets),
        })
    }

    /// Octets when written with four-octet numbers.
    pub(super) fn length_four(&self) -> usize {
        self.length(Width::Four)
    }

    /// Writes four-octet numbers.
    pub(super) fn write_four(&self, out: &mut BytesMut) {
        self.write_as(Width::Four, out);
    }

    fn length(&self, width: Width) -> usize {
        if self.width == width {
            return self.octets.len();
        }
        self.segments()
            .map(|segment| 2 + segment.count() * width.octets())
            .sum()
    }

    fn write_as(&self, width: Width, out: &mut BytesMut) {
        if self.width == width {
            out.put_slice(&self.octets);
            return;
        }
        for segment in self.segments() {
            out.put_u8(segment.kind.code());
            out.put_u8(u8::try_from(segment.count()).unwrap_or(u8::MAX));
            for asn in segment.asns() {
                match width {
                    Width::Two => out.put_u16(asn.as_two_octets()),
                    Width::Four => out.put_u32(asn.get()),
                }
            }
        }
    }

    /// Whether a two-octet peer would lose a number (RFC 6793 §4.2.2).
    pub(super) fn needs_as4(&self) -> bool {
        self.width == Width::Four && self.asns().any(|asn| asn.get() > u32::from(u16::MAX))
    }

    /// The path without segments of a confederation: what AS4_PATH holds (RFC 6793 §4.2.2).
    pub(super) fn without_confederation(&self) -> AsPath<'static> {
        let mut path = AsPath::empty();
        for segment in self.segments().filter(|s| !s.kind.is_confederation()) {
            path.push(segment.kind, &segment.asns().collect::<Vec<_>>());
        }
        path
    }

    /// RFC 6793 §4.2.3: the numbers that only this path has, then `as4_path`. When that one is
    /// the longer it is ignored.
    pub(super) fn merge(&self, as4_path: &AsPath<'_>) -> AsPath<'static> {
        let own = self.path_length();
        let Some(mut leading) = own.checked_sub(as4_path.path_length()) else {
            return self.clone().into_owned();
        };
        let mut merged = AsPath::empty();
        for segment in self.segments() {
            let length = segment.path_length();
            let taken = match segment.kind.is_confederation() {
                true => segment.count(),
                false if leading == 0 => break,
                false if length <= leading => segment.count(),
                false => leading,
            };
            leading -= length.min(leading);
            let asns: Vec<Asn> = segment.asns().take(taken).collect();
            merged.push(segment.kind, &asns);
        }
        for segment in as4_path.segments() {
            merged.push(segment.kind, &segment.asns().collect::<Vec<_>>());
        }
        merged.joined()
    }

    /// The same path with neighbouring sequences in one segment, where 255 numbers allow it.
    fn joined(&self) -> AsPath<'static> {
        let mut path = AsPath::empty();
        let mut sequence = Vec::new();
        for segment in self.segments() {
            match segment.kind {
                SegmentType::AsSequence => sequence.extend(segment.asns()),
                SegmentType::AsSet | SegmentType::AsConfedSequence | SegmentType::AsConfedSet => {
                    path.push(SegmentType::AsSequence, &sequence);
                    sequence.clear();
                    path.push(segment.kind, &segment.asns().collect::<Vec<_>>());
                }
            }
        }
        path.push(SegmentType::AsSequence, &sequence);
        path
    }
}

/// Two paths are equal when they say the same, whatever the octets of a number.
impl PartialEq for AsPath<'_> {
    fn eq(&self, other: &AsPath<'_>) -> bool {
        if self.width == other.width {
            return self.octets == other.octets;
        }
        let content = |segment: Segment<'_>| (segment.kind, segment.asns().collect::<Vec<_>>());
        self.segments()
            .map(content)
            .eq(other.segments().map(content))
    }
}

impl Eq for AsPath<'_> {}

impl fmt::Display for AsPath<'_> {
    /// `64500 64501 {64502,64503} (64504) [64505]`: sequence, set, confederation sequence and set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments().enumerate() {
            let (open, separator, close) = match segment.kind {
                SegmentType::AsSequence => ("", " ", ""),
                SegmentType::AsSet => ("{", ",", "}"),
                SegmentType::AsConfedSequence => ("(", " ", ")"),
                SegmentType::AsConfedSet => ("[", ",", "]"),
            };
            f.write_str(if index == 0 { "" } else { " " })?;
            f.write_str(open)?;
            for (index, asn) in segment.asns().enumerate() {
                f.write_str(if index == 0 { "" } else { separator })?;
                asn.fmt(f)?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

/// The segments of an [`AsPath`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    width: Width,
    rest: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    // The octets were checked when the path was made, so no `?` ends the run early.
    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        let ([kind, count], rest) = self.rest.split_first_chunk()?;
        let (octets, rest) = rest.split_at_checked(usize::from(*count) * self.width.octets())?;
        self.rest = rest;
        Some(Segment {
            kind: SegmentType::from_code(*kind)?,
            width: self.width,
            octets,
        })
    }
}

/// RFC 7606 §7.2, RFC 5065 §5 and RFC 7607 §2 on a whole path.
#[inline]
fn check(octets: &[u8], width: Width, confederation: bool) -> Result<(), Malformed> {
    let malformed = |reason| {
        Err(Malformed {
            subcode: 11,
            reason,
        })
    };
    let mut rest = octets;
    while !rest.is_empty() {
        let Some(([kind, count], after)) = rest.split_first_chunk() else {
            return malformed("octets left over after the last path segment (RFC 7606 §7.2)");
        };
        match SegmentType::from_code(*kind) {
            None => return malformed("unknown path segment type (RFC 7606 §7.2)"),
            Some(kind) if kind.is_confederation() && !confederation => {
                return malformed("confederation segment from outside of one (RFC 5065 §5)");
            }
            Some(_) => {}
        }
        if *count == 0 {
            return malformed("path segment without an AS (RFC 7606 §7.2)");
        }
        let length = usize::from(*count) * width.octets();
        let Some((numbers, after)) = after.split_at_checked(length) else {
            return malformed("path segment longer than the attribute (RFC 7606 §7.2)");
        };
        if has_zero(numbers, width) {
            return malformed("AS 0 in the path (RFC 7607 §2)");
        }
        rest = after;
    }
    Ok(())
}

#[inline]
fn has_zero(numbers: &[u8], width: Width) -> bool {
    match width {
        Width::Two => numbers.as_chunks::<2>().0.contains(&[0; 2]),
        Width::Four => numbers.as_chunks::<4>().0.contains(&[0; 4]),
    }
}

impl<'a> Attribute<'a> for AsPath<'a> {
    type Owned = AsPath<'static>;

    #[inline]
    fn parse(value: &'a [u8], rules: &Rules) -> Result<AsPath<'a>, Malformed> {
        let width = Width::of(rules);
        // An internal peer may be in our confederation, an external one never is.
        check(value, width, rules.internal)?;
        Ok(AsPath {
            width,
            octets: Cow::Borrowed(value),
        })
    }

    fn value_length(&self, rules: &Rules) -> usize {
        self.length(Width::of(rules))
    }

    fn write(&self, rules: &Rules, out: &mut BytesMut) {
        self.write_as(Width::of(rules), out);
    }

    fn into_owned(self) -> AsPath<'static> {
        AsPath {
            width: self.width,
            octets: Cow::Owned(self.octets.into_owned()),
        }
    }
}

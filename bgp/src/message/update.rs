//! UPDATE (RFC 4271 §4.3) and its error handling (RFC 7606).

use bytes::{BufMut, BytesMut};

use crate::Family;
use crate::attribute::{
    AttributeError, FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL, Malformed, MpUnreach, OnError,
    PathAttributes, Treatment, UnknownAttribute,
};
use crate::codec::Rules;
use crate::message::notification::Notification;
use crate::nlri::Nlri;

/// An UPDATE that does not reset the session. What RFC 7606 found wrong is in `errors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// Withdrawn Routes field: IPv4 unicast.
    pub withdrawn: Nlri<'a>,
    /// Path attributes, MP_REACH_NLRI and MP_UNREACH_NLRI among them, discarded ones left out.
    pub attributes: PathAttributes<'a>,
    /// Network Layer Reachability Information field: IPv4 unicast.
    pub nlri: Nlri<'a>,
    /// Errors found, in the order of the attributes. Empty for a correct message.
    pub errors: Vec<AttributeError>,
}

impl Default for Update<'_> {
    fn default() -> Self {
        Update {
            withdrawn: Nlri::new(Family::Ipv4Unicast),
            attributes: PathAttributes::default(),
            nlri: Nlri::new(Family::Ipv4Unicast),
            errors: Vec::new(),
        }
    }
}

impl Update<'_> {
    /// The End-of-RIB marker of a family (RFC 4724 §2).
    pub fn new_end_of_rib(family: Family) -> Update<'static> {
        let mut update = Update::default();
        match family {
            Family::Ipv4Unicast => {}
            Family::Ipv6Unicast => {
                update.attributes.mp_unreach = Some(MpUnreach::Routed(Nlri::new(family)));
            }
        }
        update
    }

    /// The family whose End-of-RIB this is, if it is one (RFC 4724 §2): an empty UPDATE for IPv4
    /// unicast, or nothing but an MP_UNREACH_NLRI without a prefix.
    pub fn end_of_rib(&self) -> Option<Family> {
        if !self.withdrawn.is_empty() || !self.nlri.is_empty() || !self.errors.is_empty() {
            return None;
        }
        match &self.attributes.mp_unreach {
            None => self.attributes.is_empty().then_some(Family::Ipv4Unicast),
            Some(MpUnreach::Routed(nlri)) if nlri.is_empty() => {
                let alone = PathAttributes {
                    mp_unreach: self.attributes.mp_unreach.clone(),
                    ..PathAttributes::default()
                };
                (self.attributes == alone).then_some(nlri.family())
            }
            Some(MpUnreach::Routed(_) | MpUnreach::Ignored { .. }) => None,
        }
    }

    /// What has to be done about the errors: the strongest treatment (RFC 7606 §3h).
    pub fn treatment(&self) -> Option<Treatment> {
        self.errors.iter().map(|error| error.treatment).max()
    }

    /// The same, free of the octets it was read from.
    pub fn into_owned(self) -> Update<'static> {
        Update {
            withdrawn: self.withdrawn.into_owned(),
            attributes: self.attributes.into_owned(),
            nlri: self.nlri.into_owned(),
            errors: self.errors,
        }
    }

    /// Writes the body. What does not fit in 16 bits fits in no message either, and
    /// `codec::encode` refuses it.
    pub(crate) fn write(&self, rules: &Rules, out: &mut BytesMut) {
        out.put_u16(u16::try_from(self.withdrawn.len_on_wire()).unwrap_or(u16::MAX));
        self.withdrawn.write(out);
        let start = out.len();
        out.put_u16(0);
        self.attributes.write(rules, out);
        let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
        out[start..start + 2].copy_from_slice(&length.to_be_bytes());
        self.nlri.write(out);
    }
}

impl<'a> Update<'a> {
    /// Reads the body into an empty UPDATE. The error is the NOTIFICATION of an error that resets
    /// the session.
    pub(crate) fn read(&mut self, body: &'a [u8], rules: &Rules) -> Result<(), Notification> {
        let add_path = rules.receive_add_path.contains(Family::Ipv4Unicast);
        let prefixes = |octets| {
            Nlri::parse(Family::Ipv4Unicast, add_path, octets)
                .ok_or(Notification::INVALID_NETWORK_FIELD)
        };
        // RFC 4271 §6.3: Withdrawn Routes Length + Total Attribute Length + 23 > Length.
        let (withdrawn, rest) = block(body).ok_or(Notification::MALFORMED_ATTRIBUTE_LIST)?;
        let (attributes, nlri) = block(rest).ok_or(Notification::MALFORMED_ATTRIBUTE_LIST)?;
        self.withdrawn = prefixes(withdrawn)?;
        self.nlri = prefixes(nlri)?;
        let mut reader = Reader {
            update: self,
            seen: [0; 4],
            reset: None,
        };
        reader.read_attributes(attributes, rules)?;
        if !attributes.is_empty() {
            reader.check_whole(rules)?;
        } else if !reader.update.nlri.is_empty() {
            reader.check_mandatory(rules);
        }
        Ok(())
    }
}

/// A 2-octet length, as many octets, and the rest.
#[inline]
fn block(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The attributes of one UPDATE while they are read.
struct Reader<'u, 'a> {
    update: &'u mut Update<'a>,
    /// One bit for each Attribute Type Code that has been there.
    seen: [u64; 4],
    /// What to send if the first treat-as-withdraw error turns out to need a reset.
    reset: Option<Notification>,
}

impl<'a> Reader<'_, 'a> {
    /// Walks over the attributes. RFC 7606 §3: an error in one does not stop the walk, unless
    /// the next one cannot be found.
    #[inline]
    fn read_attributes(&mut self, attributes: &'a [u8], rules: &Rules) -> Result<(), Notification> {
        let mut rest = attributes;
        while !rest.is_empty() {
            let Some((flags, code, value, after)) = split_attribute(rest) else {
                self.framing_error();
                return Ok(());
            };
            let whole = &rest[..rest.len() - after.len()];
            self.read_attribute(flags, code, value, whole, rules)?;
            rest = after;
        }
        Ok(())
    }

    #[inline]
    fn read_attribute(
        &mut self,
        flags: u8,
        code: u8,
        value: &'a [u8],
        whole: &'a [u8],
        rules: &Rules,
    ) -> Result<(), Notification> {
        if self.was_seen(code) {
            return self.duplicate(code);
        }
        self.mark_seen(code);
        match self.update.attributes.read(code, flags, value, rules) {
            Ok(true) => Ok(()),
            Ok(false) if flags & FLAG_OPTIONAL != 0 => {
                let unknown = UnknownAttribute::new(code, flags, value);
                self.update.attributes.unknown.push(unknown);
                Ok(())
            }
            // RFC 4271 §6.3: Data is the attribute.
            Ok(false) => Err(Notification::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE.with_data(whole)),
            Err((on_error, malformed)) => self.error(code, on_error, malformed, whole),
        }
    }

    const fn bit(code: u8) -> (usize, u64) {
        ((code >> 6) as usize, 1 << (code & 63))
    }

    fn was_seen(&self, code: u8) -> bool {
        let (word, bit) = Self::bit(code);
        self.seen[word] & bit != 0
    }

    fn mark_seen(&mut self, code: u8) {
        let (word, bit) = Self::bit(code);
        self.seen[word] |= bit;
    }

    /// RFC 7606 §3g: twice MP_REACH_NLRI or MP_UNREACH_NLRI resets, of others the first counts.
    #[cold]
    fn duplicate(&mut self, code: u8) -> Result<(), Notification> {
        if matches!(code, 14 | 15) {
            return Err(Notification::MALFORMED_ATTRIBUTE_LIST);
        }
        self.update.errors.push(AttributeError {
            code,
            treatment: Treatment::AttributeDiscard,
            reason: "attribute for the second time (RFC 7606 §3g)",
        });
        Ok(())
    }

    #[cold]
    fn error(
        &mut self,
        code: u8,
        on_error: OnError,
        malformed: Malformed,
        whole: &[u8],
    ) -> Result<(), Notification> {
        let notification = Notification::new(3, malformed.subcode);
        let treatment = match on_error {
            OnError::Reset => return Err(notification.with_data(whole)),
            OnError::Withdraw => Treatment::TreatAsWithdraw,
            OnError::Discard => Treatment::AttributeDiscard,
        };
        if treatment == Treatment::TreatAsWithdraw && self.reset.is_none() {
            self.reset = Some(notification.with_data(whole));
        }
        self.update.errors.push(AttributeError {
            code,
            treatment,
            reason: malformed.reason,
        });
        Ok(())
    }

    /// RFC 7606 §4: an attribute goes past the Total Path Attribute Length, or octets are left.
    #[cold]
    fn framing_error(&mut self) {
        // The list itself is malformed, which outranks what was wrong inside it (RFC 7606 §5.2).
        self.reset = Some(Notification::MALFORMED_ATTRIBUTE_LIST);
        self.update.errors.push(AttributeError {
            code: 0,
            treatment: Treatment::TreatAsWithdraw,
            reason: "attribute longer than Total Path Attribute Length (RFC 7606 §4)",
        });
    }

    /// The checks that need every attribute.
    #[inline]
    fn check_whole(&mut self, rules: &Rules) -> Result<(), Notification> {
        let attributes = &self.update.attributes;
        let in_nlri = !self.update.nlri.is_empty();
        let reachable = in_nlri || attributes.mp_reach.as_ref().is_some_and(|mp| mp.has_nlri());
        if let Some(notification) = self.reset.take()
            && !reachable
        {
            // RFC 7606 §5.2: nothing shows that the NLRI were found, so nothing can be withdrawn.
            return Err(notification);
        }
        if in_nlri
            && attributes
                .next_hop
                .is_some_and(|hop| !hop.is_host_address())
        {
            self.update.errors.push(AttributeError {
                code: 3,
                treatment: Treatment::TreatAsWithdraw,
                reason: "NEXT_HOP is no address of a host (RFC 4271 §6.3, RFC 7606 §7.3)",
            });
        }
        if reachable {
            self.check_mandatory(rules);
        }
        Ok(())
    }

    /// RFC 7606 §3d: a well-known mandatory attribute that is missing. The routes of a family
    /// that is ignored need none.
    #[inline]
    fn check_mandatory(&mut self, rules: &Rules) {
        let in_nlri = !self.update.nlri.is_empty();
        let in_mp = match &self.update.attributes.mp_reach {
            Some(crate::attribute::MpReach::Routed { nlri, .. }) => !nlri.is_empty(),
            Some(crate::attribute::MpReach::Ignored { .. }) | None => false,
        };
        let wanted = [
            (1, in_nlri || in_mp, "ORIGIN is missing (RFC 7606 §3d)"),
            (2, in_nlri || in_mp, "AS_PATH is missing (RFC 7606 §3d)"),
            (3, in_nlri, "NEXT_HOP is missing (RFC 7606 §3d)"),
            (
                5,
                rules.internal && (in_nlri || in_mp),
                "LOCAL_PREF is missing (RFC 7606 §3d)",
            ),
        ];
        for (code, needed, reason) in wanted {
            if needed && !self.was_seen(code) {
                self.update.errors.push(AttributeError {
                    code,
                    treatment: Treatment::TreatAsWithdraw,
                    reason,
                });
            }
        }
    }
}

/// Flags, type code, value, and what follows; `None` when the attribute is not whole.
#[inline]
fn split_attribute(input: &[u8]) -> Option<(u8, u8, &[u8], &[u8])> {
    let ([flags, code, length], rest) = input.split_first_chunk()?;
    let (length, rest) = match flags & FLAG_EXTENDED_LENGTH {
        0 => (usize::from(*length), rest),
        _ => {
            let (low, rest) = rest.split_first()?;
            (usize::from(u16::from_be_bytes([*length, *low])), rest)
        }
    };
    let (value, after) = rest.split_at_checked(length)?;
    Some((*flags, *code, value, after))
}

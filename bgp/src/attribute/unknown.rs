//! Attributes without a type here: kept as they came.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL, FLAG_PARTIAL, FLAG_TRANSITIVE};
use crate::message::json::Hex;

/// An optional attribute that is not known here (RFC 4271 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAttribute<'a> {
    /// Attribute Type Code.
    pub code: u8,
    /// Attribute Flags: Optional, Transitive and Partial; other bits are 0.
    pub flags: u8,
    /// The value, not read.
    pub value: Cow<'a, [u8]>,
}

impl<'a> UnknownAttribute<'a> {
    pub(crate) fn new(code: u8, flags: u8, value: &'a [u8]) -> UnknownAttribute<'a> {
        UnknownAttribute {
            code,
            flags: flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE | FLAG_PARTIAL),
            value: Cow::Borrowed(value),
        }
    }

    /// Whether it may be passed on to other peers.
    pub const fn is_transitive(&self) -> bool {
        self.flags & FLAG_TRANSITIVE != 0
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        super::write_header(
            self.code,
            self.flags & !FLAG_EXTENDED_LENGTH,
            self.value.len(),
            out,
        );
        out.put_slice(&self.value);
    }

    pub(crate) fn into_owned(self) -> UnknownAttribute<'static> {
        UnknownAttribute {
            code: self.code,
            flags: self.flags,
            value: Cow::Owned(self.value.into_owned()),
        }
    }
}

impl Serialize for UnknownAttribute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("UnknownAttribute", 4)?;
        object.serialize_field("code", &self.code)?;
        object.serialize_field("name", &super::name(self.code))?;
        object.serialize_field("flags", &self.flags)?;
        object.serialize_field("hex", &Hex(&self.value))?;
        object.end()
    }
}

//! Attributes that are a list of elements of one size: communities of all kinds, CLUSTER_LIST.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use bytes::{BufMut, BytesMut};

use super::{Attribute, Malformed};
use crate::codec::Rules;

/// One element of a [`List`].
pub trait Element: Sized {
    /// Octets of an element.
    const LENGTH: usize;
    /// What to say of a list that is empty or not a multiple of [`Element::LENGTH`].
    const WRONG_LENGTH: &'static str;

    /// The element of exactly [`Element::LENGTH`] octets; `None` for any other number of them.
    fn from_octets(octets: &[u8]) -> Option<Self>;

    /// Appends exactly [`Element::LENGTH`] octets.
    fn append_to(&self, octets: &mut Vec<u8>);
}

/// Elements in wire order, whole: iterating cannot fail. Never empty when it was read.
pub struct List<'a, T> {
    octets: Cow<'a, [u8]>,
    element: PhantomData<T>,
}

impl<T: Element> List<'_, T> {
    /// The elements in wire order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.octets
            .chunks_exact(T::LENGTH)
            .filter_map(T::from_octets)
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.octets.len() / T::LENGTH
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

impl<T: Element> FromIterator<T> for List<'static, T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> List<'static, T> {
        let mut octets = Vec::new();
        for element in elements {
            element.append_to(&mut octets);
        }
        List {
            octets: Cow::Owned(octets),
            element: PhantomData,
        }
    }
}

impl<'a, T: Element> Attribute<'a> for List<'a, T> {
    type Owned = List<'static, T>;

    #[inline]
    fn parse(value: &'a [u8], _rules: &Rules) -> Result<List<'a, T>, Malformed> {
        // RFC 7606 §7.8, §7.10, §7.14, §7.15 and RFC 8092 §6: a non-zero multiple.
        if value.is_empty() || !value.len().is_multiple_of(T::LENGTH) {
            return Err(Malformed {
                subcode: 5,
                reason: T::WRONG_LENGTH,
            });
        }
        Ok(List {
            octets: Cow::Borrowed(value),
            element: PhantomData,
        })
    }

    fn value_length(&self, _rules: &Rules) -> usize {
        self.octets.len()
    }

    fn write(&self, _rules: &Rules, out: &mut BytesMut) {
        out.put_slice(&self.octets);
    }

    /// RFC 7606 §4: an empty list would be malformed.
    fn is_sent(&self, _rules: &Rules) -> bool {
        !self.is_empty()
    }

    fn into_owned(self) -> List<'static, T> {
        List {
            octets: Cow::Owned(self.octets.into_owned()),
            element: PhantomData,
        }
    }
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        List {
            octets: self.octets.clone(),
            element: PhantomData,
        }
    }
}

impl<T> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl<T> Eq for List<'_, T> {}

impl<T: Element + fmt::Debug> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Element + serde::Serialize> serde::Serialize for List<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

//! Lines of hexadecimal digits to messages.

use std::io::{self, Write};

use bgp::codec::{self, Rules};
use bgp::message::Message;
use bytes::{Buf, BytesMut};

use super::Output;
use super::verdict::Verdict;

/// Reads lines in pieces of any size. It holds one message at most, and what came after it in the
/// piece.
pub(super) struct Lines {
    /// What a line is called in complaints.
    unit: &'static str,
    /// Its number.
    number: usize,
    /// Characters of the line so far.
    column: usize,
    rules: Rules,
    /// Octets of the line that are no whole message yet.
    octets: BytesMut,
    /// The first digit of an octet.
    digit: Option<u8>,
    rest: Rest,
}

/// What is done with the rest of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// It is read.
    Digits,
    /// It is a comment.
    Comment,
    /// A message ended the session: so many octets after it are counted, and not read.
    Ended(usize),
    /// Nothing of it can be read: something was no digit, or the messages cannot be told apart.
    Lost,
}

impl Lines {
    /// Lines from `number` on, each being called `unit`.
    pub(super) fn new(unit: &'static str, number: usize, rules: Rules) -> Lines {
        Lines {
            unit,
            number,
            column: 0,
            rules,
            octets: BytesMut::new(),
            digit: None,
            rest: Rest::Digits,
        }
    }

    /// Takes the next piece.
    pub(super) fn push<O: Write, E: Write>(
        &mut self,
        piece: &[u8],
        out: &mut Output<O, E>,
    ) -> io::Result<()> {
        for character in piece {
            match character {
                b'\n' => {
                    self.finish(out)?;
                    self.number += 1;
                    self.column = 0;
                }
                _ => {
                    self.column += 1;
                    self.character(*character, out)?;
                }
            }
        }
        self.messages(out)
    }

    /// The line ends.
    pub(super) fn finish<O: Write, E: Write>(&mut self, out: &mut Output<O, E>) -> io::Result<()> {
        self.messages(out)?;
        let place = format!("{} {}", self.unit, self.number);
        match self.rest {
            Rest::Ended(0) | Rest::Lost => {}
            Rest::Ended(octets) => out.note(&format!(
                "{place}: not read, octets after the message that ends the session: {octets}"
            ))?,
            Rest::Digits | Rest::Comment if self.digit.is_some() => {
                out.wrong(&format!("{place}: an odd number of hexadecimal digits"))?;
            }
            Rest::Digits | Rest::Comment if !self.octets.is_empty() => {
                out.wrong(&format!("{place}: {}", incomplete(&self.octets)))?;
            }
            Rest::Digits | Rest::Comment => {}
        }
        self.octets.clear();
        self.digit = None;
        self.rest = Rest::Digits;
        Ok(())
    }

    fn character<O: Write, E: Write>(
        &mut self,
        character: u8,
        out: &mut Output<O, E>,
    ) -> io::Result<()> {
        if matches!(self.rest, Rest::Comment | Rest::Lost) {
            return Ok(());
        }
        let value = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'f' => character - b'a' + 10,
            b'A'..=b'F' => character - b'A' + 10,
            b':' | b' ' | b'\t' | b'\r' => return Ok(()),
            b'#' => {
                if !matches!(self.rest, Rest::Ended(_)) {
                    self.rest = Rest::Comment;
                }
                return Ok(());
            }
            other => return self.not_a_digit(other, out),
        };
        let Some(high) = self.digit.take() else {
            self.digit = Some(value);
            return Ok(());
        };
        match &mut self.rest {
            Rest::Ended(octets) => *octets += 1,
            Rest::Digits | Rest::Comment | Rest::Lost => {
                self.octets.extend_from_slice(&[high << 4 | value]);
            }
        }
        Ok(())
    }

    fn not_a_digit<O: Write, E: Write>(
        &mut self,
        character: u8,
        out: &mut Output<O, E>,
    ) -> io::Result<()> {
        self.messages(out)?;
        self.rest = Rest::Lost;
        let Lines {
            unit,
            number,
            column,
            ..
        } = self;
        out.wrong(&format!(
            "{unit} {number}, column {column}: `{}` is not a hexadecimal digit",
            character.escape_ascii()
        ))
    }

    /// Prints the whole messages that are there.
    fn messages<O: Write, E: Write>(&mut self, out: &mut Output<O, E>) -> io::Result<()> {
        while self.rest != Rest::Lost && !self.octets.is_empty() {
            match codec::decode(&self.octets, &self.rules) {
                Ok(None) => break,
                Ok(Some((message, length))) => {
                    out.verdict(&Verdict::of(&message))?;
                    drop(message);
                    self.octets.advance(length);
                }
                Err(notification) => {
                    self.rest = match notification.code {
                        // RFC 4271 §6.1: marker, Length or Type is wrong, so where the next
                        // message begins is not known.
                        1 => Rest::Lost,
                        _ => Rest::Ended(self.octets.len().saturating_sub(length(&self.octets))),
                    };
                    self.octets.clear();
                    out.verdict(&Verdict::refused(&Message::Notification(notification)))?;
                }
            }
        }
        Ok(())
    }
}

/// The Length field of a header that is whole.
fn length(header: &[u8]) -> usize {
    let length = header.get(16..18).unwrap_or_default();
    length
        .iter()
        .fold(0, |sum, octet| sum << 8 | usize::from(*octet))
}

fn incomplete(octets: &[u8]) -> String {
    let there = octets.len();
    if there < codec::HEADER_LENGTH {
        let header = codec::HEADER_LENGTH;
        return format!("incomplete: {there} of the {header} octets of a header");
    }
    let length = length(octets);
    format!("incomplete: {there} of {length} octets of a message")
}

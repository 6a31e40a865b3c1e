//! What a capture tells: who answered for an address, and when.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use pnet_base::MacAddr;

use super::capture::Seen;
use super::frame::Message;

/// A time during which one station answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reign {
    /// Who.
    pub by: MacAddr,
    /// Its first answer.
    pub first: Duration,
    /// Its last.
    pub last: Duration,
}

/// Answers to questions for an address: when, and by whom. Announcements are none.
pub fn answers(seen: &[Seen], address: IpAddr) -> Vec<(Duration, MacAddr)> {
    let answer = |one: &Seen| match one.frame.message {
        Message::Answer { target, at } if target == address => Some((one.at, at)),
        Message::Answer { .. }
        | Message::Ask { .. }
        | Message::Announcement { .. }
        | Message::Echo { .. } => None,
    };
    seen.iter().filter_map(answer).collect()
}

/// Times of answers, each without a pause longer than `pause`.
pub fn reigns(seen: &[Seen], address: IpAddr, pause: Duration) -> Vec<Reign> {
    let mut current: BTreeMap<MacAddr, Reign> = BTreeMap::new();
    let mut ended = Vec::new();
    for (at, by) in answers(seen, address) {
        let new = Reign {
            by,
            first: at,
            last: at,
        };
        let reign = current.entry(by).or_insert(new);
        if at > reign.last + pause {
            ended.push(std::mem::replace(reign, new));
        }
        reign.last = at;
    }
    ended.extend(current.into_values());
    ended.sort_by_key(|reign| (reign.first, reign.last));
    ended
}

/// The longest time that two stations answered at once, and which time that was.
pub fn longest_overlap(reigns: &[Reign]) -> Option<(Duration, Reign, Reign)> {
    let pairs = reigns.iter().enumerate().flat_map(|(index, one)| {
        let later = reigns.iter().skip(index + 1);
        let others = later.filter(|other| other.by != one.by);
        others.map(move |other| (one, other))
    });
    let overlap = |(one, other): (&Reign, &Reign)| {
        let both = one.last.min(other.last);
        let time = both.checked_sub(one.first.max(other.first))?;
        Some((time, *one, *other))
    };
    pairs.filter_map(overlap).max_by_key(|(time, ..)| *time)
}

/// Times longer than `pause` in which nobody answered, between two moments.
pub fn silences(
    reigns: &[Reign],
    begin: Duration,
    end: Duration,
    pause: Duration,
) -> Vec<(Duration, Duration)> {
    let mut silences = Vec::new();
    let mut until = begin;
    for reign in reigns {
        if reign.first > until + pause {
            silences.push((until, reign.first));
        }
        until = until.max(reign.last);
    }
    if end > until + pause {
        silences.push((until, end));
    }
    silences
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const B: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);

    fn seen(answers: &[(u64, MacAddr)]) -> Vec<Seen> {
        let target: IpAddr = [10, 0, 0, 1].into();
        let one = |(at, by): &(u64, MacAddr)| Seen {
            at: ms(*at),
            frame: super::super::frame::Frame {
                source: *by,
                destination: MacAddr::broadcast(),
                message: Message::Answer { target, at: *by },
            },
        };
        answers.iter().map(one).collect()
    }

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn of(answers: &[(u64, MacAddr)]) -> Vec<Reign> {
        reigns(&seen(answers), [10, 0, 0, 1].into(), ms(150))
    }

    #[test]
    fn one_after_the_other_is_no_overlap() {
        let reigns = of(&[(0, A), (50, A), (100, B), (150, B), (400, A)]);
        assert_eq!(reigns.len(), 3);
        assert_eq!(longest_overlap(&reigns), None);
    }

    #[test]
    fn two_who_answer_in_turns_overlap_as_long_as_they_do() {
        let reigns = of(&[(0, A), (50, B), (100, A), (150, B), (200, A), (250, B)]);
        let (time, ..) = longest_overlap(&reigns).expect("an overlap");
        assert_eq!(time, ms(150));
    }

    #[test]
    fn a_silence_is_between_two_answers_or_at_an_end() {
        let reigns = of(&[(100, A), (200, A), (900, B)]);
        let found = silences(&reigns, ms(0), ms(2_000), ms(500));
        assert_eq!(found, [(ms(200), ms(900)), (ms(900), ms(2_000))]);
    }
}

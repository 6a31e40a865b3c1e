//! A strict reader of the Prometheus text format 0.0.4.

use std::collections::BTreeSet;

/// All of /metrics.
pub struct Exposition {
    pub families: Vec<Family>,
}

/// A metric and its samples.
pub struct Family {
    pub name: String,
    pub kind: String,
    samples: Vec<(Vec<(String, String)>, f64)>,
}

impl Exposition {
    /// Each family has HELP, TYPE and then its samples, once, and nothing else is there.
    pub fn parse(text: &str) -> Result<Exposition, String> {
        if !text.ends_with('\n') {
            return Err("the last line does not end".to_owned());
        }
        let mut found = Exposition {
            families: Vec::new(),
        };
        let mut help: Option<&str> = None;
        for line in text.lines() {
            let wrong = |what: &str| format!("{what}: {line}");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, text) = rest.split_once(' ').ok_or_else(|| wrong("no text"))?;
                let new = help.is_none() && found.family(name).is_none() && !text.is_empty();
                help = Some(new.then_some(name).ok_or_else(|| wrong("out of place"))?);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
                let kinds = ["counter", "gauge", "histogram"];
                let known = help.take() == Some(name) && kinds.contains(&kind);
                let family = known.then(|| Family::new(name, kind));
                found
                    .families
                    .push(family.ok_or_else(|| wrong("out of place"))?);
            } else {
                let family = found.families.last_mut().filter(|_| help.is_none());
                family.ok_or_else(|| wrong("out of place"))?.add(line)?;
            }
        }
        Ok(found)
    }

    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }
}

impl Family {
    fn new(name: &str, kind: &str) -> Family {
        Family {
            name: name.to_owned(),
            kind: kind.to_owned(),
            samples: Vec::new(),
        }
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let wrong = |what: &str| format!("{what}: {line}");
        let (series, value) = line.rsplit_once(' ').ok_or_else(|| wrong("no value"))?;
        let value = value.parse().map_err(|_| wrong("no number"))?;
        let rest = series.strip_prefix(&*self.name);
        let mut rest = rest.ok_or_else(|| wrong("another family"))?;
        let mut part = None;
        if self.kind == "histogram" {
            let parts = ["_bucket", "_sum", "_count"];
            let found = parts
                .into_iter()
                .find_map(|part| Some((part, rest.strip_prefix(part)?)));
            let (of, labels) = found.ok_or_else(|| wrong("no part of a histogram"))?;
            part = Some((String::new(), of.to_owned()));
            rest = labels;
        }
        let mut labels = match rest.strip_prefix('{').and_then(|l| l.strip_suffix('}')) {
            Some(labels) => parse_labels(labels).ok_or_else(|| wrong("labels"))?,
            None if rest.is_empty() => Vec::new(),
            None => return Err(wrong("another family")),
        };
        // The part counts as a label without a name.
        labels.extend(part);
        let names: BTreeSet<&String> = labels.iter().map(|(name, _)| name).collect();
        let twice = self.samples.iter().any(|(known, _)| *known == labels);
        if names.len() != labels.len() || twice {
            return Err(wrong("twice"));
        }
        self.samples.push((labels, value));
        Ok(())
    }

    /// The sample with exactly these labels, in any order.
    pub fn value(&self, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: BTreeSet<(&str, &str)> = labels.iter().copied().collect();
        let of = |known: &[(String, String)]| {
            let known = known.iter().map(|(name, value)| (&**name, &**value));
            known.collect::<BTreeSet<(&str, &str)>>() == wanted
        };
        let found = self.samples.iter().find(|(known, _)| of(known));
        found.map(|(_, value)| *value)
    }
}

/// `a="b",c="d"`, with the three escapes.
fn parse_labels(mut text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    loop {
        let (name, rest) = text.split_once("=\"")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(plain)
        {
            return None;
        }
        let (value, rest) = quoted(rest)?;
        labels.push((name.to_owned(), value));
        match rest {
            "" => return Some(labels),
            more => text = more.strip_prefix(',')?,
        }
    }
}

/// Up to the closing quote, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            plain => value.push(plain),
        }
    }
    None
}

#[test]
fn what_is_no_exposition_is_refused() {
    let family = "# HELP a A.\n# TYPE a gauge\n";
    let good = format!("{family}a 1\na{{b=\"c\\\"\\\\\\n\",d=\"\"}} 2.5\n");
    let parsed = Exposition::parse(&good).unwrap();
    let labels = [("d", ""), ("b", "c\"\\\n")];
    assert_eq!(parsed.family("a").unwrap().value(&labels), Some(2.5));
    let histogram = "# HELP h H.\n# TYPE h histogram\n";
    let good = format!("{histogram}h_bucket{{le=\"+Inf\"}} 3\nh_sum 1.5\nh_count 3\n");
    let parsed = Exposition::parse(&good).unwrap();
    let count = parsed.family("h").unwrap().value(&[("", "_count")]);
    assert_eq!(count, Some(3.0));
    let bad = [
        format!("{histogram}h 3\n"),
        format!("{histogram}h_sum 3\nh_sum 3\n"),
        "a 1\n".to_owned(),
        format!("{family}a 1"),
        format!("{family}b 1\n"),
        format!("{family}a x\n"),
        format!("{family}a 1\na 2\n"),
        format!("{family}a{{b=\"c}} 1\n"),
        format!("{family}a{{1b=\"c\"}} 1\n"),
        format!("{family}a 1\n{family}a 2\n"),
        format!("{family}a 1\n\n"),
        "# TYPE a gauge\na 1\n".to_owned(),
        "# HELP a A.\n# TYPE a thing\na 1\n".to_owned(),
    ];
    for text in bad {
        assert!(Exposition::parse(&text).is_err(), "{text}");
    }
}

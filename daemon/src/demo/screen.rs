//! Where the demonstration is shown: a table that is drawn anew, lines of text, or JSON.

use std::io::{self, IsTerminal, Write};

use super::event::Timed;
use super::picture::Picture;
use super::table::Style;

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables that are drawn anew as things change.
    Table,
    /// A line of text for each event.
    Text,
    /// A JSON object a line for each event.
    Json,
}

impl Format {
    /// Tables on a terminal, lines where somebody reads on.
    pub(super) fn default_of(stdout: &io::Stdout) -> Format {
        match stdout.is_terminal() {
            true => Format::Table,
            false => Format::Text,
        }
    }
}

/// The alternate screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// What lies between is shown at once, by terminals that know it.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[J\x1b[?2026l";
/// Columns and rows where they cannot be told.
const SIZE: (usize, usize) = (80, 24);

/// An output.
pub(super) struct Screen<W: Write> {
    out: W,
    format: Format,
    style: Style,
    picture: Picture,
    drawn: bool,
}

impl<W: Write> Screen<W> {
    /// Shows on `out`. `colour` is whether tables may have colours.
    pub(super) fn new(out: W, format: Format, colour: bool) -> Screen<W> {
        Screen {
            out,
            format,
            style: match colour {
                true => Style::Colour,
                false => Style::Plain,
            },
            picture: Picture::default(),
            drawn: false,
        }
    }

    /// Whether [`Screen::draw`] does anything.
    pub(super) fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Shows an event.
    pub(super) fn event(&mut self, event: &Timed) -> io::Result<()> {
        match self.format {
            Format::Table => {
                self.picture.apply(event);
                return Ok(());
            }
            Format::Text => writeln!(self.out, "{event}")?,
            Format::Json => {
                serde_json::to_writer(&mut self.out, event)?;
                self.out.write_all(b"\n")?;
            }
        }
        self.out.flush()
    }

    /// Draws the table as of now. Every line is cut to the terminal, and written over the one that
    /// is there, so nothing flickers.
    pub(super) fn draw(&mut self, now_ms: u64, size: Option<(usize, usize)>) -> io::Result<()> {
        if !self.is_table() {
            return Ok(());
        }
        self.picture.at(now_ms);
        let (columns, rows) = size.unwrap_or(SIZE);
        let mut text = String::new();
        if !self.drawn {
            text.push_str(ENTER);
        }
        text.push_str(BEGIN);
        let lines = self.picture.lines(columns, rows, self.style);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            text.push_str(line);
            text.push_str("\x1b[K");
        }
        text.push_str(END);
        self.drawn = true;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Gives the terminal back, with the last picture on it.
    pub(super) fn finish(&mut self, size: Option<(usize, usize)>) -> io::Result<()> {
        if self.is_table() && self.drawn {
            self.drawn = false;
            let mut text = LEAVE.to_owned();
            let (columns, _) = size.unwrap_or(SIZE);
            for line in self.picture.lines(columns, usize::MAX, self.style) {
                text.push_str(&line);
                text.push_str("\r\n");
            }
            self.out.write_all(text.as_bytes())?;
        }
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        if self.drawn {
            // Whatever ended the demonstration, the terminal must not stay as it is.
            let _ = self.out.write_all(LEAVE.as_bytes());
            let _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::event::Event;

    fn pool() -> Timed {
        let event = Event::Pool {
            name: "public".into(),
            addresses: vec!["203.0.113.0/28".into()],
            auto_assign: true,
        };
        Timed {
            event,
            at_ms: 1_234,
        }
    }

    fn shown(format: Format) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, format, false);
        screen.event(&pool()).expect("memory takes it");
        screen.draw(1_500, Some((40, 10))).expect("memory takes it");
        screen.finish(Some((40, 10))).expect("memory takes it");
        drop(screen);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn json_is_an_object_a_line() {
        let expected = "{\"event\":\"pool\",\"name\":\"public\",\"addresses\":\
                        [\"203.0.113.0/28\"],\"auto_assign\":true,\"at_ms\":1234}\n";
        assert_eq!(shown(Format::Json), expected);
    }

    #[test]
    fn text_is_a_line_with_its_time() {
        let expected = "   1.234  pool       public: 203.0.113.0/28\n";
        assert_eq!(shown(Format::Text), expected);
    }

    #[test]
    fn a_table_leaves_the_terminal_as_it_was_with_the_last_picture() {
        let text = shown(Format::Table);
        assert!(text.starts_with(ENTER));
        let (drawn, last) = text.split_once(LEAVE).expect("it leaves");
        assert!(drawn.contains("203.0.113.0/28") && last.contains("203.0.113.0/28"));
        assert!(!last.contains('\x1b'), "{last:?}");
    }
}

//! Columns of text in a given width. Pure.

/// Whether lines have colours (ANSI escape sequences).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Colour,
}

impl Style {
    /// Bold text.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    colour: Option<&'static str>,
}

impl Cell {
    /// As it is.
    pub(super) fn plain<T: AsRef<str> + ?Sized>(text: &T) -> Cell {
        let text = text.as_ref().to_owned();
        Cell { text, colour: None }
    }

    /// In green.
    pub(super) fn good(text: &str) -> Cell {
        let text = text.to_owned();
        Cell {
            text,
            colour: Some("32"),
        }
    }

    /// In red.
    pub(super) fn bad(text: &str) -> Cell {
        let text = text.to_owned();
        Cell {
            text,
            colour: Some("31"),
        }
    }

    fn paint(&self, text: &str, style: Style) -> String {
        match self.colour {
            Some(colour) => style.paint(colour, text),
            None => text.to_owned(),
        }
    }
}

/// Columns between two cells.
const GAP: usize = 2;

/// A header and rows, as wide as they need to be. Where that is more than `width`, the last column
/// is broken at spaces into further lines; where even that leaves it too little, each row takes
/// several lines, one a cell. No line is wider than `width`.
pub(super) fn lines(
    header: &[&str],
    rows: impl Iterator<Item = Vec<Cell>>,
    width: usize,
    style: Style,
) -> Vec<String> {
    let rows: Vec<Vec<Cell>> = rows.collect();
    let column = |index: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(index));
        cells
            .map(|cell| count(&cell.text))
            .fold(count(title), usize::max)
    };
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(index, title)| column(index, title))
        .collect();
    let last = widths.last().copied().unwrap_or(0);
    let before: usize = widths.iter().rev().skip(1).map(|column| column + GAP).sum();
    let room = width.saturating_sub(before);
    // The longest single word of the last column has to fit, or it would be cut.
    let fits = before <= width + GAP;
    if fits && room >= last.min(longest_word(&rows).max(8)) {
        aligned(header, &rows, &widths, room, style)
    } else {
        stacked(header, &rows, width, style)
    }
}

fn longest_word(rows: &[Vec<Cell>]) -> usize {
    let texts = rows.iter().filter_map(|row| row.last());
    texts
        .flat_map(|cell| cell.text.split(' '))
        .map(count)
        .max()
        .unwrap_or(0)
}

fn aligned(
    header: &[&str],
    rows: &[Vec<Cell>],
    widths: &[usize],
    room: usize,
    style: Style,
) -> Vec<String> {
    let before = widths.len().saturating_sub(1);
    let indent: usize = widths.iter().take(before).map(|column| column + GAP).sum();
    let title: Vec<Cell> = header.iter().map(Cell::plain).collect();
    let mut lines = Vec::new();
    for (row, is_title) in [(&title, true)]
        .into_iter()
        .chain(rows.iter().map(|row| (row, false)))
    {
        let mut line = String::new();
        for (cell, column) in row.iter().zip(widths).take(before) {
            let padding = (column + GAP).saturating_sub(count(&cell.text));
            line.push_str(&cell.paint(&cell.text, style));
            line.push_str(&" ".repeat(padding));
        }
        let last = row
            .last()
            .map(|cell| wrap(&cell.text, room))
            .unwrap_or_default();
        let mut parts = last.into_iter();
        line.push_str(&parts.next().unwrap_or_default());
        let line = line.trim_end();
        lines.push(if is_title {
            style.bold(line)
        } else {
            line.to_owned()
        });
        lines.extend(parts.map(|part| format!("{}{part}", " ".repeat(indent))));
    }
    lines
}

/// The first cell of a row on its own line, the others below it behind their titles.
fn stacked(header: &[&str], rows: &[Vec<Cell>], width: usize, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = header
        .first()
        .map(|title| style.bold(&clip(title, width)))
        .into_iter()
        .collect();
    for row in rows {
        for (index, (cell, title)) in row.iter().zip(header).enumerate() {
            if index == 0 {
                lines.push(cell.paint(&clip(&cell.text, width), style));
                continue;
            }
            if cell.text.is_empty() {
                continue;
            }
            let title = match title.is_empty() {
                true => "  ".to_owned(),
                false => format!("  {} ", title.to_lowercase()),
            };
            let indent = count(&title).min(width);
            let room = width.saturating_sub(indent);
            for (line, part) in wrap(&cell.text, room).iter().enumerate() {
                let margin = if line == 0 {
                    clip(&title, width)
                } else {
                    " ".repeat(indent)
                };
                lines.push(format!("{margin}{}", cell.paint(part, style)));
            }
        }
    }
    lines
}

/// Breaks at spaces; a word that is wider alone is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(&clip(word, width)),
            Some(line) if count(line) + 1 + count(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(clip(word, width)),
        }
    }
    lines
}

/// A line, broken at spaces where it is too wide; what follows is indented.
pub(super) fn hanging(line: &str, indent: usize, width: usize) -> Vec<String> {
    let text = line.trim_start();
    let start = count(line) - count(text);
    let mut lines = Vec::new();
    for part in wrap(text, width.saturating_sub(start.max(indent))) {
        let margin = if lines.is_empty() { start } else { indent };
        lines.push(clip(&format!("{}{part}", " ".repeat(margin)), width));
    }
    lines
}

/// As much of the text as fits.
pub(super) fn clip(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

/// Columns that a text takes: everything shown here is one column a character.
fn count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> impl Iterator<Item = Vec<Cell>> {
        let rows = [["web", "10.0.0.1 10.0.0.2"], ["a-longer-name", "10.0.0.3"]];
        rows.into_iter().map(|row| row.map(Cell::plain).to_vec())
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let expected = [
            "NAME           ADDRESSES",
            "web            10.0.0.1 10.0.0.2",
            "a-longer-name  10.0.0.3",
        ];
        assert_eq!(
            lines(&["NAME", "ADDRESSES"], rows(), 80, Style::Plain),
            expected
        );
    }

    #[test]
    fn the_last_column_is_broken_where_the_screen_is_narrow() {
        let expected = [
            "NAME           ADDRESSES",
            "web            10.0.0.1",
            "               10.0.0.2",
            "a-longer-name  10.0.0.3",
        ];
        assert_eq!(
            lines(&["NAME", "ADDRESSES"], rows(), 24, Style::Plain),
            expected
        );
    }

    #[test]
    fn each_cell_has_its_line_where_the_screen_is_narrower_still() {
        let expected = [
            "NAME",
            "web",
            "  addresses 10.0.0.1",
            "            10.0.0.2",
            "a-longer-name",
            "  addresses 10.0.0.3",
        ];
        assert_eq!(
            lines(&["NAME", "ADDRESSES"], rows(), 20, Style::Plain),
            expected
        );
    }

    #[test]
    fn no_line_is_ever_wider_than_the_screen() {
        for width in 0..60 {
            for line in lines(&["NAME", "ADDRESSES"], rows(), width, Style::Plain) {
                assert!(count(&line) <= width, "{width}: {line:?}");
            }
        }
    }

    #[test]
    fn colours_do_not_change_the_columns() {
        let row = || [vec![Cell::good("up"), Cell::plain("x")]].into_iter();
        let coloured = lines(&["STATE", "Y"], row(), 80, Style::Colour);
        assert_eq!(coloured[1], "\x1b[32mup\x1b[0m     x");
    }
}

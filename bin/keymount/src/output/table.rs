//! Tables with aligned columns, and no lines between them.

use std::io::{self, Write};

use anstyle::Style;

use super::{LABEL, PLAIN};

/// What stands between columns.
const GAP: usize = 3;

/// A text and how it looks.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, PLAIN)
    }
}

/// A table. A column is as wide as its widest cell; a table that grows while it is shown keeps the widths it has.
pub(crate) struct Table {
    widths: Vec<usize>,
    header: Vec<Cell>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        let header: Vec<Cell> = header.iter().map(|name| Cell::styled(*name, LABEL)).collect();
        Self { widths: header.iter().map(width).collect(), header }
    }

    /// Writes the header and these rows.
    pub(crate) fn write(&mut self, out: &mut impl Write, rows: &[Vec<Cell>]) -> io::Result<()> {
        for row in rows {
            self.fit(row);
        }
        line(out, &self.widths, &self.header)?;
        rows.iter().try_for_each(|row| line(out, &self.widths, row))
    }

    /// Writes one more row.
    pub(crate) fn append(&mut self, out: &mut impl Write, row: &[Cell]) -> io::Result<()> {
        self.fit(row);
        line(out, &self.widths, row)
    }

    fn fit(&mut self, row: &[Cell]) {
        for (known, cell) in self.widths.iter_mut().zip(row) {
            *known = (*known).max(width(cell));
        }
    }
}

fn width(cell: &Cell) -> usize {
    cell.text.chars().count()
}

fn line(out: &mut impl Write, widths: &[usize], row: &[Cell]) -> io::Result<()> {
    for (index, (cell, column)) in row.iter().zip(widths).enumerate() {
        let Cell { text, style } = cell;
        write!(out, "{style}{text}{style:#}")?;
        if index + 1 < row.len() {
            write!(out, "{:1$}", "", column - width(cell) + GAP)?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::BAD;

    #[test]
    fn columns_are_aligned_with_and_without_colours() {
        let rows = [vec!["web".into(), Cell::styled("Failed", BAD)], vec!["a-long-name".into(), "ok".into()]];
        let mut out = Vec::new();
        Table::new(&["POD", "STATE"]).write(&mut out, &rows).unwrap();
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        assert_eq!(
            String::from_utf8(plain).unwrap(),
            "POD           STATE\nweb           Failed\na-long-name   ok\n"
        );
    }
}

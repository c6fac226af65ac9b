//! Draws tables that fit the terminal: where it is narrow, the columns that matter least are left out.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table};

use super::terminal;

/// A column of rows of type `R`.
pub struct Column<R> {
    pub head: &'static str,
    pub text: fn(&R) -> String,
    pub align: Align,
    /// The highest goes first where there is no room for all; 0 stays.
    pub rank: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
    /// Left, coloured by what it says.
    State,
}

/// Prints to standard output.
pub fn print<R>(columns: &[Column<R>], rows: &[R]) {
    println!("{}", draw(columns, rows, terminal::width(), terminal::has_colour()));
}

fn draw<R>(columns: &[Column<R>], rows: &[R], width: Option<u16>, colour: bool) -> String {
    let mut shown: Vec<&Column<R>> = columns.iter().collect();
    loop {
        let table = table(&shown, rows, colour);
        let least = shown.iter().map(|column| column.rank).max().unwrap_or(0);
        let fits = width.is_none_or(|width| drawn_width(&table) <= usize::from(width));
        if fits || least == 0 {
            return table.to_string();
        }
        shown.retain(|column| column.rank != least);
    }
}

fn table<R>(columns: &[&Column<R>], rows: &[R], colour: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(columns.iter().map(|column| Cell::new(column.head).add_attribute(Attribute::Bold)));
    for row in rows {
        table.add_row(columns.iter().map(|column| cell((column.text)(row), column.align)));
    }
    table
}

fn cell(text: String, align: Align) -> Cell {
    match align {
        Align::Left => Cell::new(text),
        Align::Right => Cell::new(text).set_alignment(CellAlignment::Right),
        Align::State => {
            let colour = match text.as_str() {
                "serving" | "live" | "connected" | "ok" => Color::Green,
                "lost" | "unavailable" | "fails" => Color::Red,
                _ => Color::Yellow,
            };
            Cell::new(text).fg(colour)
        }
    }
}

/// Each cell has a blank on both sides and a line before it; one more line ends the row.
fn drawn_width(table: &Table) -> usize {
    table.column_max_content_widths().iter().map(|width| usize::from(*width) + 3).sum::<usize>() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<(&str, u32)>; 3] = [
        Column { head: "name", text: |row| row.0.to_owned(), align: Align::Left, rank: 0 },
        Column { head: "number", text: |row| row.1.to_string(), align: Align::Right, rank: 1 },
        Column { head: "state", text: |_| "serving".to_owned(), align: Align::State, rank: 2 },
    ];

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_never_fewer_than_those_that_matter() {
        let heads = |width| {
            let text = draw(&COLUMNS, &[("a", 7)], width, false);
            COLUMNS.iter().map(|column| column.head).filter(|head| text.contains(head)).collect::<Vec<_>>()
        };
        assert_eq!(heads(None), ["name", "number", "state"]);
        assert_eq!(heads(Some(27)), ["name", "number", "state"]);
        assert_eq!(heads(Some(26)), ["name", "number"]);
        assert_eq!(heads(Some(10)), ["name"]);
        assert_eq!(heads(Some(1)), ["name"]);
    }

    #[test]
    fn every_line_is_as_wide_as_was_reckoned() {
        let table = table(&COLUMNS.iter().collect::<Vec<_>>(), &[("a", 7)], false);
        let expected = drawn_width(&table);
        for line in table.to_string().lines() {
            assert_eq!(line.chars().count(), expected, "{line}");
        }
    }

    #[test]
    fn colour_is_there_only_where_it_is_wanted() {
        assert!(draw(&COLUMNS, &[("a", 7)], None, true).contains("\u{1b}["));
        assert!(!draw(&COLUMNS, &[("a", 7)], None, false).contains("\u{1b}["));
    }
}

//! Draws tables that fit the terminal: where it is narrow, the columns that matter least are left out, and what is in the
//! others goes over several lines.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};

use super::terminal;
use crate::failure::Failure;
use crate::output;

/// A column of rows of type `R`.
pub struct Column<R> {
    pub head: &'static str,
    /// The highest goes first where there is no room for all; 0 stays.
    pub rank: u8,
    pub field: fn(&R) -> Field,
}

impl<R> Column<R> {
    pub const fn new(head: &'static str, rank: u8, field: fn(&R) -> Field) -> Column<R> {
        Column { head, rank, field }
    }
}

/// What stands in one place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Text(String),
    /// Coloured by what it says.
    State(String),
    /// At the right; sorted by `order`, whatever its unit makes of it.
    Number {
        order: f64,
        shown: String,
    },
}

impl Field {
    pub fn text(text: impl Into<String>) -> Field {
        Field::Text(text.into())
    }

    pub fn state(text: impl Into<String>) -> Field {
        Field::State(text.into())
    }

    /// A dash for what is not known.
    pub fn count(count: impl Into<Option<u64>>) -> Field {
        let count = count.into();
        Field::number(count.unwrap_or(0), count.map_or("-".to_owned(), |count| count.to_string()))
    }

    pub fn number(order: u64, shown: String) -> Field {
        Field::Number { order: order as f64, shown }
    }

    pub fn shown(&self) -> &str {
        match self {
            Field::Text(text) | Field::State(text) | Field::Number { shown: text, .. } => text,
        }
    }
}

/// What a state means to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    Between,
    Ill,
}

impl Mood {
    pub fn of(state: &str) -> Mood {
        match state {
            "serving" | "live" | "connected" | "ok" => Mood::Well,
            "lost" | "unavailable" | "fails" => Mood::Ill,
            _ => Mood::Between,
        }
    }
}

/// Prints to standard output.
pub fn print<R>(columns: &[Column<R>], rows: &[R]) -> Result<(), Failure> {
    output::line(draw(columns, rows, terminal::width(), terminal::has_colour()))
}

fn draw<R>(columns: &[Column<R>], rows: &[R], width: Option<u16>, colour: bool) -> String {
    let mut shown: Vec<&Column<R>> = columns.iter().collect();
    loop {
        let mut table = table(&shown, rows, colour);
        let least = shown.iter().map(|column| column.rank).max().unwrap_or(0);
        let fits = width.is_none_or(|width| drawn_width(&table) <= usize::from(width));
        if fits || least == 0 {
            if let Some(width) = width.filter(|width| !fits && *width >= WRAPPED_COLUMNS_MIN) {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
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
        table.add_row(columns.iter().map(|column| cell((column.field)(row))));
    }
    table
}

fn cell(field: Field) -> Cell {
    match field {
        Field::Text(text) => Cell::new(text),
        Field::Number { shown, .. } => Cell::new(shown).set_alignment(CellAlignment::Right),
        Field::State(text) => {
            let colour = match Mood::of(&text) {
                Mood::Well => Color::Green,
                Mood::Ill => Color::Red,
                Mood::Between => Color::Yellow,
            };
            Cell::new(text).fg(colour)
        }
    }
}

/// Each cell has a blank on both sides and a line before it; one more line ends the row.
fn drawn_width(table: &Table) -> usize {
    table.column_max_content_widths().iter().map(|width| usize::from(*width) + 3).sum::<usize>() + 1
}

/// With fewer nobody could read what is in them.
const WRAPPED_COLUMNS_MIN: u16 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<(&str, u32)>; 3] = [
        Column::new("name", 0, |row| Field::text(row.0)),
        Column::new("number", 1, |row| Field::count(u64::from(row.1))),
        Column::new("state", 2, |_| Field::state("serving")),
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
    fn what_is_too_long_goes_over_several_lines() {
        let long = "http://media.example:8080 does not answer";
        let text = draw(&COLUMNS[..1], &[(long, 7)], Some(30), false);
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(long.split(' ').all(|word| text.contains(word)), "{text}");
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

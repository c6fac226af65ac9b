//! Owns the rows of a view as they are shown: filtered, sorted, each with the id that it is chosen by.

use std::cmp::Ordering;

use crate::operate::table::{Column, Field};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    pub columns: Vec<Head>,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub text: &'static str,
    pub rank: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: String,
    pub fields: Vec<Field>,
}

/// By which column, and whether backwards. Without one, rows stay as the node tells them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SortOrder {
    pub column: Option<usize>,
    pub reversed: bool,
}

impl Sheet {
    pub fn new<R>(columns: &[Column<R>], rows: impl IntoIterator<Item = (String, R)>) -> Sheet {
        let heads = columns.iter().map(|column| Head { text: column.head, rank: column.rank });
        let fields = |row: &R| columns.iter().map(|column| (column.field)(row)).collect();
        let rows = rows.into_iter().map(|(id, row)| Row { fields: fields(&row), id });
        Sheet { columns: heads.collect(), rows: rows.collect() }
    }

    pub fn sort(&mut self, order: SortOrder) {
        if let Some(column) = order.column {
            self.rows.sort_by(|a, b| compare(a.fields.get(column), b.fields.get(column)));
        }
        if order.reversed {
            self.rows.reverse();
        }
    }

    pub fn place_of(&self, id: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.id == id)
    }
}

/// Most first for numbers, as a person looks for what costs most; text from A to Z.
fn compare(a: Option<&Field>, b: Option<&Field>) -> Ordering {
    match (a, b) {
        (Some(Field::Number { order: a, .. }), Some(Field::Number { order: b, .. })) => b.total_cmp(a),
        (Some(a), Some(b)) => a.shown().cmp(b.shown()),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<(&str, u64)>; 2] = [
        Column::new("name", 0, |row| Field::text(row.0)),
        Column::new("size", 0, |row| Field::number(row.1, format!("{} kB", row.1))),
    ];

    #[test]
    fn numbers_are_sorted_by_what_they_are_and_not_by_how_they_are_written() {
        let mut sheet = Sheet::new(&COLUMNS, [("c", 9), ("a", 10), ("b", 100)].map(|row| (row.0.to_owned(), row)));
        let order = |sheet: &mut Sheet, column, reversed| {
            sheet.sort(SortOrder { column, reversed });
            sheet.rows.iter().map(|row| row.id.clone()).collect::<String>()
        };
        assert_eq!(order(&mut sheet, None, false), "cab", "as they came");
        assert_eq!(order(&mut sheet, Some(1), false), "bac");
        assert_eq!(order(&mut sheet, Some(1), true), "cab");
        assert_eq!(order(&mut sheet, Some(0), false), "abc");
        assert_eq!(order(&mut sheet, Some(7), false), "abc", "no such column");
        assert_eq!(sheet.place_of("b"), Some(1));
    }
}

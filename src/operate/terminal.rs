//! What the terminal can show. Nothing where the output goes elsewhere.

use std::io::IsTerminal as _;

/// Columns of the screen; none where nobody looks. `COLUMNS` wins, as with other tools.
pub fn width() -> Option<u16> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    told.or_else(|| comfy_table::Table::new().width())
}

/// https://no-color.org
pub fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

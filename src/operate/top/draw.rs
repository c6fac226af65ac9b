//! Draws the screen: what the cluster carries, the rows of the view, and the keys. Never changes it.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};

use super::sheet::Sheet;
use super::view::{Among, Screen, View};
use crate::operate::table::{Field, Mood};
use crate::operate::units;

pub fn screen(frame: &mut Frame<'_>, screen: &Screen) {
    let [header, rows, keys] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Paragraph::new(vec![summary(screen, header.width), title(screen)]), header);
    table(frame, screen, rows);
    let shown = KEYS.iter().find(|line| fits(line, keys.width)).copied().unwrap_or(KEYS_NARROWEST);
    frame.render_widget(Paragraph::new(shown).style(Style::new().add_modifier(Modifier::DIM)), keys);
}

fn fits(line: &str, width: u16) -> bool {
    Text::raw(line).width() <= usize::from(width)
}

/// Of all workers of all nodes, other than a list of sessions. Where it is narrow, in fewer words.
fn summary(screen: &Screen, width: u16) -> Line<'static> {
    let workers = &screen.workers;
    let mut nodes: Vec<&str> = workers.iter().map(|worker| worker.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let serving = workers.iter().filter(|worker| worker.state == "serving").count();
    let sessions: u64 = workers.iter().map(|worker| u64::from(worker.sessions)).sum();
    let (into, out) = workers
        .iter()
        .fold((0, 0), |(into, out), worker| (into + worker.bits_per_second_in, out + worker.bits_per_second_out));
    // The sum of nothing would be -0.
    let cpu = workers.iter().fold(0.0, |sum, worker| sum + worker.cpu);
    let together = if nodes.len() > 1 { " together" } else { "" };
    let (nodes, all, cpu) = (nodes.len(), workers.len(), units::percent(cpu));
    let (into, out) = (units::megabits(into), units::megabits(out));
    let mut text = format!(
        "nodes {nodes}{together}   workers {serving}/{all}   sessions {sessions}   cpu {cpu}   Mbit/s in {into} out {out}"
    );
    if !fits(&text, width) {
        text = format!("workers {serving}/{all}  sessions {sessions}  cpu {cpu}  in {into} out {out}");
    }
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

/// What is shown; or what is wrong, and for how long.
fn title(screen: &Screen) -> Line<'static> {
    if let Some(trouble) = &screen.trouble {
        let age = screen.answered.map(|at| format!(" (as of {} ago)", units::duration(units::ms(at.elapsed()))));
        return Line::styled(format!("{trouble}{}", age.unwrap_or_default()), mood(screen, Mood::Ill));
    }
    let what = match screen.view() {
        View::Workers => "workers".to_owned(),
        View::Rooms => "rooms".to_owned(),
        View::Streams => "streams".to_owned(),
        View::Sessions(Among::All) => format!("sessions of node {}", screen.node),
        View::Sessions(Among::Worker(worker)) => match worker.rsplit_once('/') {
            Some((other, _)) if other != screen.node => {
                return Line::raw(format!("sessions on {worker} are told by node {other}: name it with --admin"));
            }
            _ => format!("sessions on worker {worker}"),
        },
        View::Sessions(Among::Room(room)) => format!("sessions of node {} in room {room}", screen.node),
        View::Session(id) => format!("session {id}"),
    };
    let order = screen.order();
    let by = order.column.and_then(|column| screen.sheet.columns.get(column));
    let by = by.map(|head| format!(", by {}", head.text)).unwrap_or_default();
    let reversed = if order.reversed { ", reversed" } else { "" };
    let count = match screen.view() {
        View::Session(_) => String::new(),
        _ => format!(": {}", screen.sheet.rows.len()),
    };
    Line::raw(format!("{what}{count}{by}{reversed}   ({})", screen.base))
}

fn table(frame: &mut Frame<'_>, screen: &Screen, area: Rect) {
    let sheet = &screen.sheet;
    let (shown, widths) = fitting(sheet, area.width);
    let head = |column: &usize| {
        let text = sheet.columns.get(*column).map_or("", |head| head.text);
        Cell::new(aligned(sheet, *column, text)).style(Style::new().add_modifier(Modifier::BOLD))
    };
    let rows = sheet.rows.iter().map(|row| Row::new(shown.iter().map(|column| cell(screen, row.fields.get(*column)))));
    let table = Table::new(rows, widths)
        .header(Row::new(shown.iter().map(head)).style(Style::new().add_modifier(Modifier::UNDERLINED)))
        .column_spacing(SPACING)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(screen.chosen());
    frame.render_stateful_widget(table, area, &mut state);
}

/// The columns that fit, and how wide they are. Where it is narrow, those that matter least are left out.
fn fitting(sheet: &Sheet, width: u16) -> (Vec<usize>, Vec<Constraint>) {
    let mut shown: Vec<usize> = (0..sheet.columns.len()).collect();
    let rank = |column: &usize| sheet.columns.get(*column).map_or(0, |head| head.rank);
    loop {
        let widths: Vec<u16> = shown.iter().map(|column| width_of(sheet, *column)).collect();
        let needed: usize = widths.iter().map(|width| usize::from(width + SPACING)).sum();
        let least = shown.iter().map(rank).max().unwrap_or(0);
        if needed <= usize::from(width) + usize::from(SPACING) || least == 0 {
            return (shown, widths.into_iter().map(Constraint::Length).collect());
        }
        shown.retain(|column| rank(column) != least);
    }
}

fn width_of(sheet: &Sheet, column: usize) -> u16 {
    let fields = sheet.rows.iter().filter_map(|row| row.fields.get(column)).map(Field::shown);
    let head = sheet.columns.get(column).map(|head| head.text);
    let width = fields.chain(head).map(|text| Text::raw(text).width()).max().unwrap_or(0);
    u16::try_from(width).unwrap_or(u16::MAX)
}

fn aligned<'a>(sheet: &Sheet, column: usize, text: &'a str) -> Text<'a> {
    let is_number = sheet.rows.iter().any(|row| matches!(row.fields.get(column), Some(Field::Number { .. })));
    Text::raw(text).alignment(if is_number { Alignment::Right } else { Alignment::Left })
}

fn cell<'a>(screen: &Screen, field: Option<&'a Field>) -> Cell<'a> {
    match field {
        Some(Field::Text(text)) => Cell::new(text.as_str()),
        Some(Field::Number { shown, .. }) => Cell::new(Text::raw(shown.as_str()).alignment(Alignment::Right)),
        Some(Field::State(text)) => Cell::new(Span::styled(text.as_str(), mood(screen, Mood::of(text)))),
        None => Cell::default(),
    }
}

fn mood(screen: &Screen, mood: Mood) -> Style {
    if !screen.has_colour {
        return Style::new();
    }
    Style::new().fg(match mood {
        Mood::Well => Color::Green,
        Mood::Between => Color::Yellow,
        Mood::Ill => Color::Red,
    })
}

const SPACING: u16 = 2;
/// The first that fits.
const KEYS: [&str; 2] = [
    "1 workers  2 rooms  3 streams  4 sessions   ↑↓ choose  Enter look into  Esc back   s sort  r reverse  q quit",
    "1 workers 2 rooms 3 streams 4 sessions  ↑↓ Enter Esc  s sort r reverse q quit",
];
const KEYS_NARROWEST: &str = "1-4 views  ↑↓ Enter Esc  s sort  q quit";

//! Owns what the screen shows and what a key changes of it. Never draws, never asks a node.

use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ask::{Answer, Topic};
use super::sheet::{Sheet, SortOrder};
use crate::failure::Failure;
use crate::operate::entries::{Room, Stream, Worker};
use crate::operate::list::{ROOM_COLUMNS, STREAM_COLUMNS, WORKER_COLUMNS};
use crate::operate::session::{self, FACT_COLUMNS, SESSION_COLUMNS};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    Workers,
    Rooms,
    Streams,
    Sessions(Among),
    Session(String),
}

/// Sessions that are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    All,
    Worker(String),
    Room(String),
}

/// What follows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Stay,
    /// Another topic, at once.
    Ask,
    Quit,
}

pub struct Screen {
    /// The listener that is asked, and the node that it is of.
    pub base: String,
    pub node: String,
    pub has_colour: bool,
    /// The one that is shown is the last; Esc leaves it.
    views: Vec<Shown>,
    pub workers: Vec<Worker>,
    pub sheet: Sheet,
    /// When the node last answered, and what was wrong since then.
    pub answered: Option<Instant>,
    pub trouble: Option<String>,
}

struct Shown {
    view: View,
    order: SortOrder,
    /// Id of the row.
    chosen: Option<String>,
}

impl Screen {
    pub fn new(base: &str, node: &str, has_colour: bool) -> Screen {
        let first = Shown { view: View::Workers, order: SortOrder::default(), chosen: None };
        Screen {
            base: base.to_owned(),
            node: node.to_owned(),
            has_colour,
            views: vec![first],
            workers: Vec::new(),
            sheet: Sheet::default(),
            answered: None,
            trouble: None,
        }
    }

    pub fn view(&self) -> &View {
        self.views.last().map_or(&View::Workers, |shown| &shown.view)
    }

    pub fn order(&self) -> SortOrder {
        self.views.last().map(|shown| shown.order).unwrap_or_default()
    }

    /// Number of the row that is chosen.
    pub fn chosen(&self) -> Option<usize> {
        let chosen = self.views.last()?.chosen.as_ref();
        let first = if self.sheet.rows.is_empty() { None } else { Some(0) };
        chosen.and_then(|id| self.sheet.place_of(id)).or(first)
    }

    pub fn topic(&self) -> Topic {
        match self.view() {
            View::Workers => Topic::Workers,
            View::Rooms => Topic::Rooms,
            View::Streams => Topic::Streams,
            View::Sessions(_) => Topic::Sessions,
            View::Session(id) => Topic::Session(id.clone()),
        }
    }

    /// An answer to what was asked before the last key changes the header only.
    pub fn handle_answer(&mut self, answer: Answer) {
        let snapshot = match answer.result {
            Ok(snapshot) => snapshot,
            Err(failure) => {
                self.trouble = Some(failure.to_string());
                return;
            }
        };
        self.workers = snapshot.workers;
        (self.answered, self.trouble) = (Some(answer.at), None);
        if answer.topic == self.topic() {
            match self.read(snapshot.body) {
                Ok(sheet) => self.sheet = sheet,
                Err(failure) => self.trouble = Some(failure.to_string()),
            }
            self.sheet.sort(self.order());
        }
    }

    fn read(&self, body: Value) -> Result<Sheet, Failure> {
        Ok(match self.view() {
            View::Workers => {
                Sheet::new(WORKER_COLUMNS, self.workers.iter().map(|worker| (worker.id.clone(), worker.clone())))
            }
            View::Rooms => Sheet::new(ROOM_COLUMNS, list::<Room>(body)?.into_iter().map(|row| (row.room.clone(), row))),
            View::Streams => {
                let id = |row: &Stream| format!("{}/{}", row.room, row.stream);
                Sheet::new(STREAM_COLUMNS, list::<Stream>(body)?.into_iter().map(|row| (id(&row), row)))
            }
            View::Sessions(among) => {
                let rows = list::<Value>(body)?.into_iter().filter(|row| among.has(row));
                Sheet::new(SESSION_COLUMNS, rows.map(|row| (session::text(&row["id"]), row)))
            }
            View::Session(_) => {
                let facts = session::facts(&body).into_iter().chain(session::track_facts(&body));
                Sheet::new(FACT_COLUMNS, facts.enumerate().map(|(place, fact)| (place.to_string(), fact)))
            }
        })
    }

    pub fn handle_key(&mut self, key: KeyEvent) -> Step {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Step::Quit } else { Step::Stay };
        }
        match key.code {
            KeyCode::Char('q') => Step::Quit,
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => self.leave(),
            KeyCode::Enter | KeyCode::Right => self.look_into(),
            KeyCode::Char('1') => self.begin_with(View::Workers),
            KeyCode::Char('2') => self.begin_with(View::Rooms),
            KeyCode::Char('3') => self.begin_with(View::Streams),
            KeyCode::Char('4') => self.begin_with(View::Sessions(Among::All)),
            KeyCode::Tab => self.begin_with(self.next_view()),
            KeyCode::Char('s') => self.sort(|order, columns| {
                let next = order.column.map_or(0, |column| column + 1);
                SortOrder { column: (next < columns).then_some(next), reversed: false }
            }),
            KeyCode::Char('r') => self.sort(|order, _| SortOrder { reversed: !order.reversed, ..order }),
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::PageUp => self.choose(-PAGE),
            KeyCode::PageDown => self.choose(PAGE),
            KeyCode::Home => self.choose(isize::MIN),
            KeyCode::End => self.choose(isize::MAX),
            _ => Step::Stay,
        }
    }

    fn next_view(&self) -> View {
        match self.views.first().map(|shown| &shown.view) {
            Some(View::Workers) => View::Rooms,
            Some(View::Rooms) => View::Streams,
            Some(View::Streams) => View::Sessions(Among::All),
            _ => View::Workers,
        }
    }

    fn begin_with(&mut self, view: View) -> Step {
        self.views.clear();
        self.enter(view)
    }

    fn enter(&mut self, view: View) -> Step {
        self.views.push(Shown { view, order: SortOrder::default(), chosen: None });
        self.sheet = Sheet::default();
        Step::Ask
    }

    fn leave(&mut self) -> Step {
        if self.views.len() < 2 {
            return Step::Stay;
        }
        self.views.pop();
        self.sheet = Sheet::default();
        Step::Ask
    }

    /// Into a worker or room: its sessions. Into a stream: the sessions of its room. Into a session: what is known of it.
    fn look_into(&mut self) -> Step {
        let Some(row) = self.chosen().and_then(|place| self.sheet.rows.get(place)) else { return Step::Stay };
        let id = row.id.clone();
        match self.view() {
            View::Workers => self.enter(View::Sessions(Among::Worker(id))),
            View::Rooms => self.enter(View::Sessions(Among::Room(id))),
            View::Streams => {
                let room = id.split('/').next().unwrap_or_default().to_owned();
                self.enter(View::Sessions(Among::Room(room)))
            }
            View::Sessions(_) => self.enter(View::Session(id)),
            View::Session(_) => Step::Stay,
        }
    }

    fn sort(&mut self, change: impl Fn(SortOrder, usize) -> SortOrder) -> Step {
        let columns = self.sheet.columns.len();
        let Some(shown) = self.views.last_mut() else { return Step::Stay };
        shown.order = change(shown.order, columns);
        let order = shown.order;
        self.sheet.sort(order);
        // As the node tells them, which only its next answer can bring back.
        if order.column.is_none() { Step::Ask } else { Step::Stay }
    }

    fn choose(&mut self, by: isize) -> Step {
        let last = self.sheet.rows.len().saturating_sub(1);
        let place = self.chosen().unwrap_or(0).saturating_add_signed(by).min(last);
        if let (Some(shown), Some(row)) = (self.views.last_mut(), self.sheet.rows.get(place)) {
            shown.chosen = Some(row.id.clone());
        }
        Step::Stay
    }
}

impl Among {
    fn has(&self, session: &Value) -> bool {
        match self {
            Among::All => true,
            Among::Worker(id) => session["worker"] == id.as_str(),
            Among::Room(id) => session["room"] == id.as_str(),
        }
    }
}

fn list<R: DeserializeOwned>(body: Value) -> Result<Vec<R>, Failure> {
    serde_json::from_value(body)
        .map_err(|error| Failure::Refused(format!("the node answers what this version does not understand: {error}")))
}

/// Rows of a page key.
const PAGE: isize = 20;

#[cfg(test)]
mod tests;

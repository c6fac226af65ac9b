//! `chappe top`: the cluster live, as `ls` shows it once. Keys go to the view, what a node says comes from a thread
//! that asks it, and each turn draws both.

mod ask;
mod draw;
mod lines;
mod sheet;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::admin::Admin;
use super::commands::Top;
use super::terminal;
use crate::failure::Failure;
use ask::Asking;
use view::{Screen, Step};

pub fn run(order: &Top) -> Result<(), Failure> {
    if order.json {
        return lines::print(&Admin::of(&order.target)?, order.interval);
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "top wants a terminal: `chappe ls` prints the same once, `--json` again and again".to_owned(),
        ));
    }
    let admin = Admin::of(&order.target)?;
    // Who names a node that is not there is told so in one line, not on a screen.
    let node = ask::node(&admin)?;
    let mut screen = Screen::new(admin.base(), &node, terminal::has_colour());
    let asking = Asking::begin(admin, order.interval);
    let mut terminal = ratatui::try_init().map_err(|error| not_drawn(&error))?;
    let outcome = drive(&mut terminal, &mut screen, &asking);
    ratatui::restore();
    outcome.map_err(|error| not_drawn(&error))
}

fn drive(terminal: &mut DefaultTerminal, screen: &mut Screen, asking: &Asking) -> std::io::Result<()> {
    loop {
        while let Some(answer) = asking.newest() {
            screen.handle_answer(answer);
        }
        terminal.draw(|frame| draw::screen(frame, screen))?;
        if !event::poll(LOOK_FOR_ANSWERS_AFTER)? {
            continue;
        }
        // Anything else, such as a new size, has the screen drawn again.
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match screen.handle_key(key) {
            Step::Stay => {}
            Step::Ask => asking.ask(screen.topic()),
            Step::Quit => return Ok(()),
        }
    }
}

fn not_drawn(error: &std::io::Error) -> Failure {
    Failure::Start(format!("the terminal can't be used ({error}): `chappe ls` prints the same once"))
}

const LOOK_FOR_ANSWERS_AFTER: Duration = Duration::from_millis(100);

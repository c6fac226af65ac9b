use std::time::Instant;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::super::ask::{Answer, Snapshot, Topic};
use super::super::draw;
use super::{Among, Screen, Step, View};
use crate::failure::Failure;

fn worker(index: u16, sessions: u32, cpu: f64) -> Value {
    json!({ "id": format!("here/{index}"), "node": "here", "index": index, "pid": 4000 + index, "boot": null,
            "state": "serving", "uptime_ms": 61_000, "restarts": 0, "cpu": cpu, "rss_bytes": 9_000_000,
            "sessions": sessions, "bits_per_second_in": 1_000_000, "bits_per_second_out": 20_000_000 })
}

fn answer(screen: &mut Screen, body: Value) {
    let workers = serde_json::from_value(json!([worker(0, 3, 0.1), worker(1, 12, 0.5)])).unwrap();
    let topic = screen.topic();
    screen.handle_answer(Answer { topic, result: Ok(Snapshot { workers, body }), at: Instant::now() });
}

fn press(screen: &mut Screen, code: KeyCode) -> Step {
    screen.handle_key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// What a terminal of this size shows.
fn shown(screen: &Screen, columns: u16, lines: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| draw::screen(frame, screen)).unwrap();
    terminal.backend().to_string()
}

fn screen() -> Screen {
    let mut screen = Screen::new("http://127.0.0.1:8081", "here", false);
    answer(&mut screen, Value::Null);
    screen
}

#[test]
fn workers_are_shown_with_what_all_carry_and_fewer_columns_where_it_is_narrow() {
    let screen = screen();
    let wide = shown(&screen, 120, 8);
    for expected in
        ["nodes 1   workers 2/2   sessions 15   cpu 60%   Mbit/s in 2.0 out 40.0", "uptime", "1m 1s", "q quit"]
    {
        assert!(wide.contains(expected), "{expected}: {wide}");
    }
    let narrow = shown(&screen, 50, 8);
    assert!(narrow.contains("sessions") && !narrow.contains("memory"), "{narrow}");
    // How to leave, and what goes out, is on each.
    for columns in [120, 80, 60, 40] {
        let shown = shown(&screen, columns, 8);
        assert!(shown.contains("q quit") && shown.contains("out 40.0") == (columns > 40), "{columns}: {shown}");
    }
}

#[test]
fn a_session_of_a_viewer_names_the_streams_that_it_watches() {
    let mut screen = screen();
    press(&mut screen, KeyCode::Char('4'));
    let slots = json!([{ "stream": "cam" }, { "stream": "cam" }, { "stream": "screen" }]);
    answer(
        &mut screen,
        json!([
            { "id": "a", "kind": "whip", "state": "connected", "worker": "here/0", "room": "demo", "stream": "mine", "slots": [] },
            { "id": "b", "kind": "whep", "state": "connected", "worker": "here/0", "room": "demo", "stream": null, "slots": slots },
        ]),
    );
    let shown = shown(&screen, 110, 8);
    assert!(shown.contains("mine") && shown.contains("cam screen"), "{shown}");
}

#[test]
fn rows_are_sorted_by_each_column_in_turn_and_the_chosen_one_stays_chosen() {
    let mut screen = screen();
    press(&mut screen, KeyCode::Down);
    assert_eq!(screen.chosen(), Some(1));
    while screen
        .order()
        .column
        .and_then(|column| screen.sheet.columns.get(column))
        .is_none_or(|head| head.text != "cpu")
    {
        press(&mut screen, KeyCode::Char('s'));
    }
    assert_eq!((screen.sheet.rows[0].id.as_str(), screen.chosen()), ("here/1", Some(0)), "the busiest first");
    press(&mut screen, KeyCode::Char('r'));
    assert_eq!(screen.chosen(), Some(1));
    answer(&mut screen, Value::Null);
    assert_eq!(screen.sheet.rows[0].id, "here/0", "the next answer is sorted, too");
}

#[test]
fn enter_leads_from_a_worker_to_its_sessions_to_one_of_them_and_esc_back() {
    let mut screen = screen();
    assert_eq!(press(&mut screen, KeyCode::Esc), Step::Stay, "there is nothing to go back to");
    press(&mut screen, KeyCode::Down);
    assert_eq!(press(&mut screen, KeyCode::Enter), Step::Ask);
    assert_eq!(screen.view(), &View::Sessions(Among::Worker("here/1".to_owned())));
    assert_eq!(screen.topic(), Topic::Sessions);
    let session =
        |id: &str, worker: &str| json!({ "id": id, "kind": "whep", "state": "live", "worker": worker, "room": "demo" });
    answer(&mut screen, json!([session("a1", "here/0"), session("b2", "here/1")]));
    assert_eq!(screen.sheet.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["b2"]);
    assert_eq!(press(&mut screen, KeyCode::Enter), Step::Ask);
    assert_eq!(screen.topic(), Topic::Session("b2".to_owned()));
    let track = json!({ "mid": "1", "kind": "video", "packets": 77, "lost": 2, "bits_per_second": 2_500_000 });
    answer(&mut screen, json!({ "id": "b2", "room": "demo", "stats": { "remote": "192.0.2.1:5", "sent": [track] } }));
    let text = shown(&screen, 100, 12);
    assert!(text.contains("192.0.2.1:5") && text.contains("2.5 Mbit/s"), "{text}");
    press(&mut screen, KeyCode::Esc);
    press(&mut screen, KeyCode::Esc);
    assert_eq!(screen.view(), &View::Workers);
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Step::Quit);
}

#[test]
fn what_is_of_all_nodes_and_what_is_of_one_is_said() {
    let mut screen = screen();
    let mut other = worker(0, 5, 0.2);
    (other["id"], other["node"]) = (json!("there/0"), json!("there"));
    let workers = serde_json::from_value(json!([worker(0, 3, 0.1), other])).unwrap();
    let snapshot = Snapshot { workers, body: Value::Null };
    screen.handle_answer(Answer { topic: screen.topic(), result: Ok(snapshot), at: Instant::now() });
    assert!(shown(&screen, 100, 8).contains("nodes 2 together   workers 2/2   sessions 8"));
    press(&mut screen, KeyCode::End);
    press(&mut screen, KeyCode::Enter);
    assert!(shown(&screen, 100, 8).contains("sessions on there/0 are told by node there"));
    press(&mut screen, KeyCode::Char('4'));
    assert!(shown(&screen, 100, 8).contains("sessions of node here: 0"));
}

#[test]
fn a_node_that_does_not_answer_is_said_and_what_was_known_stays() {
    let mut screen = screen();
    let failure = Failure::NotReached("no node answers at http://127.0.0.1:8081".to_owned());
    screen.handle_answer(Answer { topic: screen.topic(), result: Err(failure), at: Instant::now() });
    let text = shown(&screen, 100, 8);
    assert!(text.contains("no node answers") && text.contains("ago") && text.contains("4001"), "{text}");
    answer(&mut screen, Value::Null);
    assert!(!shown(&screen, 100, 8).contains("no node answers"));
}

#[test]
fn an_answer_to_another_question_does_not_fill_the_view() {
    let mut screen = screen();
    let late = screen.topic();
    press(&mut screen, KeyCode::Char('2'));
    screen.handle_answer(Answer {
        topic: late,
        result: Ok(Snapshot { workers: vec![], body: Value::Null }),
        at: Instant::now(),
    });
    assert!(screen.sheet.rows.is_empty() && screen.trouble.is_none());
    answer(&mut screen, json!([{ "room": "demo", "streams": 1, "members": 2, "players": 0, "workers": ["here/0"] }]));
    assert_eq!(screen.sheet.rows.len(), 1);
}

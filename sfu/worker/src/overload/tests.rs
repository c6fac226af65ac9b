use super::*;

/// A worker whose work takes `load` of its time when it gives up nothing, in windows of 100 ms. What it has no time for
/// waits. Without the top layers a third is left of it, without all but the lowest a tenth.
struct Machine {
    overload: Overload,
    now: Instant,
    load: f64,
    /// Seconds of work that wait.
    waiting: f64,
}

impl Machine {
    fn new(load: f64) -> Machine {
        let now = Instant::now();
        Machine { overload: Overload::new(now), now, load, waiting: 0.0 }
    }

    /// The steps after each window.
    fn run(&mut self, windows: usize) -> Vec<u8> {
        let each = (0..windows).map(|_| {
            let left = match self.overload.relief() {
                Relief::None => 1.0,
                Relief::NotTheTop => 1.0 / 3.0,
                Relief::LowestOnly => 0.1,
            };
            let work = self.waiting + 0.1 * self.load * left;
            let worked = work.min(0.1);
            self.waiting = work - worked;
            let began = self.now + Duration::from_secs_f64(0.1 - worked);
            self.now += Duration::from_millis(100);
            self.overload.note_turn(began, self.now, Duration::from_secs_f64(self.waiting));
            self.overload.step()
        });
        each.collect()
    }
}

#[test]
fn a_worker_that_keeps_up_gives_nothing_up() {
    for load in [0.1, 0.5, 0.9, 0.99] {
        assert_eq!(Machine::new(load).run(200), [0; 200]);
    }
}

#[test]
fn at_half_as_much_again_the_top_layers_go_and_what_waits_is_gone_soon() {
    let mut machine = Machine::new(1.5);
    let steps = machine.run(20);
    assert!(machine.waiting < 0.01, "{}", machine.waiting);
    assert_eq!(steps.last(), Some(&1), "{steps:?}");
    let steps = machine.run(300);
    assert!(steps.iter().all(|step| *step == 1), "no room for what was given up: {steps:?}");
}

#[test]
fn far_too_much_leaves_the_lowest_layers_and_refuses_who_comes() {
    let mut machine = Machine::new(6.0);
    machine.run(20);
    assert_eq!((machine.overload.step(), machine.overload.relief()), (3, Relief::LowestOnly));
    assert!(machine.overload.refuses());
    let waited = machine.waiting;
    machine.run(40);
    assert!(machine.waiting < waited, "it gets less: {waited} to {}", machine.waiting);
}

#[test]
fn it_gives_back_all_within_a_second_of_the_load_going() {
    let mut machine = Machine::new(6.0);
    machine.run(80);
    assert_eq!(machine.overload.step(), 3);
    machine.load = 0.3;
    machine.run(10);
    assert_eq!((machine.overload.step(), machine.overload.relief()), (0, Relief::None));
}

#[test]
fn datagrams_that_wait_because_the_machine_is_busy_with_others_change_nothing() {
    let mut overload = Overload::new(Instant::now());
    let mut now = Instant::now();
    for _ in 0..1_000 {
        let began = now + Duration::from_millis(30);
        now += Duration::from_millis(40);
        assert!(!overload.note_turn(began, now, Duration::from_millis(120)));
    }
}

#[test]
fn a_stall_that_passes_changes_nothing() {
    let mut machine = Machine::new(0.5);
    machine.waiting = 0.3;
    assert_eq!(machine.run(50), [0; 50]);
}

#[test]
fn what_is_too_old_to_be_sent_is_a_sign_though_little_waits_after_it() {
    let mut overload = Overload::new(Instant::now());
    let mut now = Instant::now();
    let mut skipped = 0;
    // Windows of a source of one layer: it is skipped each 200 ms, and hardly a datagram waits then.
    let steps = (0..40).map(|window| {
        let began = now;
        now += Duration::from_millis(100);
        skipped += u64::from(window % 2 == 0);
        overload.note_skipped(skipped);
        let waited = Duration::from_millis(if window % 2 == 0 { 10 } else { 60 });
        overload.note_turn(began, now, waited);
        overload.step()
    });
    assert_eq!(steps.last(), Some(STEPS_MAX));
}

#[test]
fn what_was_too_old_after_a_stall_of_the_machine_changes_nothing() {
    let mut overload = Overload::new(Instant::now());
    let mut now = Instant::now();
    for window in 0..100 {
        // In two windows of ten it has no pause.
        let began = now + Duration::from_millis(if window % 10 < 2 { 0 } else { 50 });
        now += Duration::from_millis(100);
        overload.note_skipped(window / 10);
        assert!(!overload.note_turn(began, now, Duration::from_millis(if window % 10 == 0 { 300 } else { 0 })));
    }
}

//! The channel with real sockets, and a test in the place of the supervisor.

use super::*;
use chappe_supervisor_api::ProcessName;
use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

const WORKER: LogSource = LogSource::Process(ProcessName::Worker(0));

struct Bench {
    channel: Channel,
    log: LogRing,
    path: std::path::PathBuf,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let path = std::env::temp_dir().join(format!("chappe-channel-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Bench { channel: Channel::listen(&path).unwrap(), log: LogRing::default(), path }
    }

    fn connect(&self) -> UnixStream {
        let socket = UnixStream::connect(&self.path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// The next requests; fails after a time that no healthy run needs.
    fn requests(&mut self) -> Vec<(ClientKey, SupervisorRequest)> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let requests = self.channel.handle_ready();
            if !requests.is_empty() {
                return requests;
            }
            assert!(Instant::now() < deadline, "no request within 10 s");
            self.channel.flush(&self.log);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn lines(socket: &UnixStream, count: usize) -> Vec<String> {
    BufReader::new(socket).lines().take(count).map(|line| line.unwrap()).collect()
}

#[test]
fn a_request_is_answered_however_it_was_cut() {
    let mut bench = Bench::new("cut");
    let mut socket = bench.connect();
    socket.write_all(b"keep").unwrap();
    bench.channel.handle_ready();
    socket.write_all(b" 3\nadd\n").unwrap();
    let requests = bench.requests();
    let asked: Vec<&SupervisorRequest> = requests.iter().map(|(_, request)| request).collect();
    assert_eq!(asked, [&SupervisorRequest::Keep { worker: 3 }, &SupervisorRequest::Add]);
    bench.channel.reply(requests[0].0, &SupervisorReply::Ok);
    bench.channel.flush(&bench.log);
    assert_eq!(lines(&socket, 1), ["ok"]);
}

#[test]
fn what_is_not_understood_is_said_and_the_connection_goes_on() {
    let mut bench = Bench::new("nonsense");
    let mut socket = bench.connect();
    socket.write_all(b"GET / HTTP/1.1\nadd\n").unwrap();
    assert_eq!(bench.requests().len(), 1);
    bench.channel.flush(&bench.log);
    assert_eq!(lines(&socket, 1), [r#"error "GET / HTTP/1.1" is not understood"#]);
}

#[test]
fn a_line_without_end_costs_its_sender_the_connection_and_nobody_else() {
    let mut bench = Bench::new("endless");
    let (mut endless, mut other) = (bench.connect(), bench.connect());
    endless.write_all(&vec![b'x'; 64 << 10]).unwrap();
    other.write_all(b"add\n").unwrap();
    assert_eq!(bench.requests().len(), 1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while bench.channel.clients.len() != 1 {
        assert!(Instant::now() < deadline, "the endless line is still read");
        bench.channel.handle_ready();
        bench.channel.flush(&bench.log);
    }
    other.write_all(b"add\n").unwrap();
    assert_eq!(bench.requests().len(), 1);
}

#[test]
fn a_follower_gets_all_processes_anew_with_each_change() {
    let mut bench = Bench::new("follow");
    let mut socket = bench.connect();
    socket.write_all(b"processes follow\n").unwrap();
    let client = bench.requests()[0].0;
    bench.channel.follow_processes(client);
    let status = "worker-0 up 1 2 0 7000".parse().unwrap();
    for _ in 0..2 {
        bench.channel.tell_processes(&[status]);
        bench.channel.flush(&bench.log);
    }
    let expected = ["process worker-0 up 1 2 0 7000", "ok"];
    assert_eq!(lines(&socket, 4), [expected, expected].concat());
}

#[test]
fn the_log_is_told_from_the_ring_and_then_as_it_comes() {
    let mut bench = Bench::new("log");
    bench.log.push(WORKER, b"one");
    bench.log.push(LogSource::Supervisor, b"not asked for");
    bench.log.push(WORKER, b"two");
    let mut socket = bench.connect();
    socket.write_all(b"log worker-0 9 follow\n").unwrap();
    let client = bench.requests()[0].0;
    bench.channel.send_log(client, Some(WORKER), 9, true, &bench.log);
    bench.channel.flush(&bench.log);
    bench.log.push(WORKER, b"three");
    bench.channel.flush(&bench.log);
    let expected = ["log worker-0 one", "log worker-0 two", "ok", "log worker-0 three"];
    assert_eq!(lines(&socket, 4), expected);
}

#[test]
fn a_follower_that_does_not_read_holds_up_nobody_and_grows_nothing() {
    let mut bench = Bench::new("slow");
    let mut socket = bench.connect();
    socket.write_all(b"log all 0 follow\n").unwrap();
    let client = bench.requests()[0].0;
    bench.channel.send_log(client, None, 0, true, &bench.log);
    for number in 0..20_000 {
        bench.log.push(WORKER, format!("{number:0>1000}").as_bytes());
        bench.channel.flush(&bench.log);
    }
    assert!(bench.channel.clients.contains_key(&client), "a slow reader of the log is not cut off");
    drop(socket);
    bench.log.push(WORKER, b"more");
    bench.channel.handle_ready();
    bench.channel.flush(&bench.log);
    bench.channel.flush(&bench.log);
    assert!(bench.channel.clients.is_empty());
}

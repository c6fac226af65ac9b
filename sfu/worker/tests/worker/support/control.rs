//! Owns a control connection as signaling has it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use chappe_sfu_api::{Command, CommandError, Event, Hello, RequestId, SessionSnapshot, WorkerRequest};

use super::LIMIT;

pub struct ControlClient {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    pub hello: Hello,
    next_request: u64,
    /// Events that came while something else was waited for.
    events: VecDeque<Event>,
}

impl ControlClient {
    pub fn connect(path: &Path) -> ControlClient {
        let stream = UnixStream::connect(path).expect("connect");
        stream.set_read_timeout(Some(LIMIT)).expect("timeout");
        stream.set_write_timeout(Some(LIMIT)).expect("timeout");
        let mut reader = BufReader::new(stream.try_clone().expect("clone"));
        let Some(Event::Hello(hello)) = read_event(&mut reader) else { panic!("the first line is hello") };
        ControlClient { stream, reader, hello, next_request: 1, events: VecDeque::new() }
    }

    pub fn send(&mut self, command: Command) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let mut line = serde_json::to_vec(&WorkerRequest { request, command }).expect("command");
        line.push(b'\n');
        self.stream.write_all(&line).expect("write");
        request
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("write");
    }

    /// False when the worker closed the connection or took nothing for long.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a command and waits for its answer.
    pub fn call(&mut self, command: Command) -> Result<(), CommandError> {
        let request = self.send(command);
        self.answer(request)
    }

    pub fn answer(&mut self, request: RequestId) -> Result<(), CommandError> {
        self.wait_for(|event| match event {
            Event::Done { request: answered } if *answered == request => Some(Ok(())),
            Event::Failed { request: answered, error } if *answered == request => Some(Err(error.clone())),
            _ => None,
        })
    }

    pub fn snapshot(&mut self) -> Vec<SessionSnapshot> {
        self.events.retain(|event| !matches!(event, Event::Session(_)));
        self.call(Command::Snapshot).expect("snapshot");
        let is_session = |event: &Event| matches!(event, Event::Session(_));
        let sessions = self.events.iter().filter(|event| is_session(event)).cloned();
        let sessions =
            sessions.filter_map(|event| if let Event::Session(snapshot) = event { Some(*snapshot) } else { None });
        sessions.collect()
    }

    /// Waits for the first event, past or to come, of which `pick` makes something; it is taken out.
    pub fn wait_for<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        if let Some(at) = self.events.iter().position(|event| pick(event).is_some()) {
            let event = self.events.remove(at).expect("just found");
            return pick(&event).expect("just picked");
        }
        loop {
            let event = read_event(&mut self.reader).expect("the connection is open");
            match pick(&event) {
                Some(picked) => return picked,
                None => self.events.push_back(event),
            }
        }
    }

    /// Drops the load reports that came so far, also those that nobody has read.
    pub fn forget_loads(&mut self) {
        self.call(Command::Snapshot).expect("snapshot");
        self.events.retain(|event| !matches!(event, Event::Load(_)));
    }

    /// Load reports that came and were not waited for: seconds that passed.
    pub fn loads_unread(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Load(_))).count()
    }

    /// Ends the connection as a crash of signaling would.
    pub fn disconnect(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Both).expect("shutdown");
    }

    /// Whether the worker closed the connection; reads whatever comes before.
    pub fn is_closed_by_worker(&mut self) -> bool {
        while let Some(event) = read_event(&mut self.reader) {
            self.events.push_back(event);
        }
        true
    }
}

/// None at the end of the stream.
fn read_event(reader: &mut BufReader<UnixStream>) -> Option<Event> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(serde_json::from_str(&line).expect("an event of the contract")),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(error) => panic!("an event within {LIMIT:?}: {error}"),
    }
}

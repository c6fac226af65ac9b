//! Finds out whether what a node tells its clients answers: a connection over TCP, and over UDP a binding request of STUN,
//! which workers and TURN servers answer. Silence is no answer.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use super::finding::Finding;

/// What is to be reached, at one of these addresses at least.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Destination {
    doors: Vec<Door>,
    /// Why there are none.
    problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Door {
    at: SocketAddr,
    over: Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Udp,
    Tcp,
}

/// From where it is looked.
#[derive(Debug)]
pub struct Vantage {
    /// On the machine of the node.
    is_here: bool,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Answer,
    Refusal(String),
    Silence,
}

impl Destination {
    pub fn of(over: Over, addresses: impl IntoIterator<Item = SocketAddr>) -> Destination {
        Destination { doors: addresses.into_iter().map(|at| Door { at, over }).collect(), problem: None }
    }

    /// `authority` is a host and a port.
    pub fn named(over: Over, authority: &str) -> Destination {
        match authority.to_socket_addrs() {
            Ok(addresses) => Destination::of(over, addresses),
            Err(error) => {
                Destination { doors: Vec::new(), problem: Some(format!("{authority} is not found ({error})")) }
            }
        }
    }

    /// It is reached there, too, where that leads to it.
    pub fn add(&mut self, other: Destination, vantage: &Vantage) {
        self.doors.extend(other.doors.into_iter().filter(|door| vantage.may_reach(door.at.ip())));
        self.problem = self.problem.take().or(other.problem);
    }

    pub fn is_empty(&self) -> bool {
        self.doors.is_empty() && self.problem.is_none()
    }
}

impl Vantage {
    /// Of who asks an admin listener with this authority.
    pub fn of(authority: &str) -> Vantage {
        let own: Vec<IpAddr> =
            if_addrs::get_if_addrs().into_iter().flatten().map(|interface| interface.ip().to_canonical()).collect();
        let mut vantage = Vantage { is_here: true, own };
        let asked: Vec<SocketAddr> = authority.to_socket_addrs().into_iter().flatten().collect();
        vantage.is_here = asked.iter().any(|address| vantage.has(address.ip()));
        vantage
    }

    /// Whether an address is one that leads to the node from here: loopback leads to this machine.
    pub fn may_reach(&self, ip: IpAddr) -> bool {
        self.is_here || !ip.to_canonical().is_loopback()
    }

    fn has(&self, ip: IpAddr) -> bool {
        ip.to_canonical().is_loopback() || self.own.contains(&ip.to_canonical())
    }

    /// Many a NAT does not lead back whoever asks from behind it.
    fn is_behind_nat(&self, destination: &Destination) -> bool {
        self.is_here && !destination.doors.is_empty() && destination.doors.iter().all(|door| !self.has(door.at.ip()))
    }
}

/// Whether all of these are reached.
pub fn examine(what: &'static str, destinations: &[Destination], vantage: &Vantage, remedy: &str) -> Finding {
    let doors: Vec<Door> = destinations.iter().flat_map(|destination| destination.doors.iter().copied()).collect();
    let heard = knock(&doors);
    let (mut answers, mut silent, mut missed, mut may_be_nat) = (Vec::new(), Vec::new(), Vec::new(), true);
    let mut rest = doors.iter().zip(&heard);
    for destination in destinations {
        let (there, not): (Vec<_>, Vec<_>) =
            rest.by_ref().take(destination.doors.len()).partition(|(_, heard)| **heard == Heard::Answer);
        answers.extend(there.iter().map(|(door, _)| door.at.to_string()));
        let told =
            not.iter().map(|(door, heard)| format!("{}: {}", door.at, why(heard))).chain(destination.problem.clone());
        match there.is_empty() {
            true => {
                missed.extend(told);
                may_be_nat &= vantage.is_behind_nat(destination);
            }
            false => silent.extend(told),
        }
    }
    if missed.is_empty() {
        let silent = if silent.is_empty() { String::new() } else { format!(" (not {})", listed(&silent)) };
        return Finding::ok(what, format!("{}{silent}", listed(&answers)));
    }
    match may_be_nat {
        true => Finding::warn(what, listed(&missed), FROM_ELSEWHERE),
        false => Finding::fail(what, listed(&missed), remedy),
    }
}

/// All at the same time, some at a time.
fn knock(doors: &[Door]) -> Vec<Heard> {
    let ask = |door: &Door| match door.over {
        Over::Udp => ask_over_udp(door.at).unwrap_or_else(|error| Heard::Refusal(error.to_string())),
        Over::Tcp => connect(door.at),
    };
    let some = |doors: &[Door]| {
        std::thread::scope(|scope| {
            let asking: Vec<_> = doors.iter().map(|door| scope.spawn(move || ask(door))).collect();
            asking.into_iter().map(|asking| asking.join().unwrap_or(Heard::Silence)).collect::<Vec<_>>()
        })
    };
    doors.chunks(AT_ONCE_MAX).flat_map(some).collect()
}

fn connect(at: SocketAddr) -> Heard {
    match TcpStream::connect_timeout(&at, TRY_FOR * TRIES) {
        Ok(_) => Heard::Answer,
        Err(error) if error.kind() == ErrorKind::TimedOut => Heard::Silence,
        Err(error) => Heard::Refusal(error.to_string()),
    }
}

fn ask_over_udp(at: SocketAddr) -> std::io::Result<Heard> {
    let any: IpAddr = if at.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(TRY_FOR))?;
    for _ in 0..TRIES {
        socket.send(&BINDING_REQUEST)?;
        let mut answer = [0; 512];
        match socket.recv(&mut answer) {
            // Yes or no: somebody is there who speaks STUN.
            Ok(_) if answer[0] == 1 && answer[8..20] == BINDING_REQUEST[8..20] => return Ok(Heard::Answer),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(Heard::Silence)
}

fn why(heard: &Heard) -> &str {
    match heard {
        Heard::Answer => "it answers",
        Heard::Refusal(error) => error,
        Heard::Silence => "no answer",
    }
}

fn listed(all: &[String]) -> String {
    let more = all.len().saturating_sub(LISTED_MAX);
    let listed = all.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// RFC 8489 section 5, with SOFTWARE: a worker answers with no more bytes than it was asked with.
const BINDING_REQUEST: [u8; 48] =
    *b"\x00\x01\x00\x1c\x21\x12\xa4\x42chappedoctor\x80\x22\x00\x18chappe doctor looks here";
/// A datagram may get lost.
const TRIES: u32 = 4;
const TRY_FOR: Duration = Duration::from_millis(500);
const AT_ONCE_MAX: usize = 64;
const LISTED_MAX: usize = 4;
const FROM_ELSEWHERE: &str = "nothing can be told from this machine, which does not have that address: run `chappe doctor \
                              --admin URL` on another one";

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::finding::Verdict;
    use super::*;

    fn vantage(is_here: bool) -> Vantage {
        Vantage { is_here, own: vec!["192.0.2.1".parse().unwrap()] }
    }

    #[test]
    fn a_destination_is_reached_where_one_of_its_addresses_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (open, closed) = (listener.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 1)));
        let found = examine("x", &[Destination::of(Over::Tcp, [open, closed])], &vantage(true), "open it");
        assert_eq!((found.verdict, found.remedy.as_str()), (Verdict::Ok, ""));
        assert!(found.found.starts_with(&format!("{open} (not {closed}: ")), "{}", found.found);
        let destinations = [Destination::of(Over::Tcp, [open]), Destination::of(Over::Tcp, [closed])];
        let found = examine("x", &destinations, &vantage(true), "open it");
        assert_eq!((found.verdict, found.remedy.as_str()), (Verdict::Fail, "open it"));
    }

    /// A socket that is bound and says nothing is as a firewall that drops.
    #[test]
    fn silence_over_udp_is_no_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let found = examine("x", &[Destination::of(Over::Udp, [at])], &vantage(true), "open it");
        assert_eq!((found.verdict, found.found), (Verdict::Fail, format!("{at}: no answer")));
    }

    #[test]
    fn a_name_that_is_not_found_is_told() {
        let found = examine("x", &[Destination::named(Over::Tcp, "nobody.invalid:1")], &vantage(false), "open it");
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.found.starts_with("nobody.invalid:1 is not found"), "{}", found.found);
    }

    #[test]
    fn loopback_leads_to_another_machine_from_nowhere_and_a_nat_may_not_lead_back() {
        let loopback = "::1".parse().unwrap();
        assert!(vantage(true).may_reach(loopback) && !vantage(false).may_reach(loopback));
        let at = |text: &str| Destination::of(Over::Udp, [text.parse().unwrap()]);
        assert!(vantage(true).is_behind_nat(&at("198.51.100.7:7000")));
        assert!(
            !vantage(false).is_behind_nat(&at("198.51.100.7:7000"))
                && !vantage(true).is_behind_nat(&at("192.0.2.1:7000"))
        );
    }
}

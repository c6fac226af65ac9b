//! Finds out whether what a node tells its clients answers, and what they would have against it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use super::ask::{Door, Question};
use super::finding::Finding;
use super::heard::Heard;

/// What is to be reached, at one of these addresses at least.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Destination {
    doors: Vec<Door>,
    /// Why there are none.
    problem: Option<String>,
}

/// From where it is looked.
#[derive(Debug)]
pub struct Vantage {
    /// On the machine of the node.
    is_here: bool,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
}

impl Destination {
    pub fn of(question: Question, addresses: impl IntoIterator<Item = SocketAddr>) -> Destination {
        let door = |at: SocketAddr| Door { at, host: at.ip().to_string(), question };
        Destination { doors: addresses.into_iter().map(door).collect(), problem: None }
    }

    /// `authority` is a host and a port.
    pub fn named(question: Question, authority: &str) -> Destination {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        match authority.to_socket_addrs() {
            Ok(addresses) => {
                let door = |at| Door { at, host: host.to_owned(), question };
                Destination { doors: addresses.map(door).collect(), problem: None }
            }
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
    let doors: Vec<&Door> = destinations.iter().flat_map(|destination| &destination.doors).collect();
    let mut heard = knock(&doors).into_iter();
    let mut found = Found::default();
    for destination in destinations {
        let heard: Vec<Heard> = heard.by_ref().take(destination.doors.len()).collect();
        found.add(destination, &heard, vantage, remedy);
    }
    found.judge(what)
}

#[derive(Default)]
struct Found {
    /// Addresses, with what some clients may have against them.
    answers: Vec<String>,
    /// Addresses that do not answer of destinations that do at others.
    silent: Vec<String>,
    /// Those of destinations that are not reached at all.
    missed: Vec<String>,
    /// Each once.
    remedies: Vec<String>,
    /// Nothing can be told of a destination from here.
    is_behind_nat: bool,
    fails: bool,
}

impl Found {
    fn add(&mut self, destination: &Destination, heard: &[Heard], vantage: &Vantage, remedy: &str) {
        let is_reached = heard.iter().any(Heard::is_answer);
        for (door, heard) in destination.doors.iter().zip(heard) {
            let told = format!("{}: {}", door.at, why(heard));
            match heard {
                Heard::Answer(None) => self.answers.push(door.at.to_string()),
                Heard::Answer(Some(_)) => self.answers.push(told),
                _ if is_reached => self.silent.push(told),
                _ => self.missed.push(told),
            }
        }
        if is_reached { &mut self.silent } else { &mut self.missed }.extend(destination.problem.clone());
        if heard.contains(&Heard::Answer(None)) {
            return;
        }
        // A certificate that is seen is seen through a NAT, too.
        match heard.iter().find_map(Heard::complaint) {
            Some(complaint) => self.advise(&complaint.remedy),
            None if vantage.is_behind_nat(destination) => {
                self.is_behind_nat = true;
                return;
            }
            None => self.advise(remedy),
        }
        self.fails |= !is_reached;
    }

    fn advise(&mut self, remedy: &str) {
        if !self.remedies.iter().any(|known| known == remedy) {
            self.remedies.push(remedy.to_owned());
        }
    }

    fn judge(mut self, what: &'static str) -> Finding {
        let mut found = listed(if self.missed.is_empty() { &self.answers } else { &self.missed });
        if self.missed.is_empty() && !self.silent.is_empty() {
            found = format!("{found} (not {})", listed(&self.silent));
        }
        if self.is_behind_nat && !self.fails {
            self.advise(FROM_ELSEWHERE);
        }
        let remedy = self.remedies.join("; ");
        match (self.fails, remedy.is_empty()) {
            (true, _) => Finding::fail(what, found, remedy),
            (false, false) => Finding::warn(what, found, remedy),
            (false, true) => Finding::ok(what, found),
        }
    }
}

/// All at the same time, some at a time.
fn knock(doors: &[&Door]) -> Vec<Heard> {
    let some = |doors: &[&Door]| {
        std::thread::scope(|scope| {
            let asking: Vec<_> = doors.iter().map(|door| scope.spawn(move || door.ask())).collect();
            asking.into_iter().map(|asking| asking.join().unwrap_or(Heard::Silence)).collect::<Vec<_>>()
        })
    };
    doors.chunks(AT_ONCE_MAX).flat_map(some).collect()
}

fn why(heard: &Heard) -> &str {
    match heard {
        Heard::Answer(None) => "it answers",
        Heard::Answer(Some(complaint)) | Heard::Distrust(complaint) => &complaint.found,
        Heard::Refusal(error) => error,
        Heard::Silence => "no answer",
    }
}

fn listed(all: &[String]) -> String {
    let more = all.len().saturating_sub(LISTED_MAX);
    let listed = all.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

const AT_ONCE_MAX: usize = 64;
const LISTED_MAX: usize = 4;
const FROM_ELSEWHERE: &str = "nothing can be told from this machine, which does not have that address: run `chappe doctor \
                              --admin URL` on another one";

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::super::finding::Verdict;
    use super::*;

    fn vantage(is_here: bool) -> Vantage {
        Vantage { is_here, own: vec!["192.0.2.1".parse().unwrap()] }
    }

    #[test]
    fn a_destination_is_reached_where_one_of_its_addresses_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (open, closed) = (listener.local_addr().unwrap(), SocketAddr::from(([127, 0, 0, 1], 1)));
        let found = examine("x", &[Destination::of(Question::Connection, [open, closed])], &vantage(true), "open it");
        assert_eq!((found.verdict, found.remedy.as_str()), (Verdict::Ok, ""));
        assert!(found.found.starts_with(&format!("{open} (not {closed}: ")), "{}", found.found);
        let destinations =
            [Destination::of(Question::Connection, [open]), Destination::of(Question::Connection, [closed])];
        let found = examine("x", &destinations, &vantage(true), "open it");
        assert_eq!((found.verdict, found.remedy.as_str()), (Verdict::Fail, "open it"));
    }

    /// A socket that is bound and says nothing is as a firewall that drops.
    #[test]
    fn silence_over_udp_is_no_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let found = examine("x", &[Destination::of(Question::Binding, [at])], &vantage(true), "open it");
        assert_eq!((found.verdict, found.found), (Verdict::Fail, format!("{at}: no answer")));
    }

    #[test]
    fn a_name_that_is_not_found_is_told() {
        let found =
            examine("x", &[Destination::named(Question::Connection, "nobody.invalid:1")], &vantage(false), "open it");
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.found.starts_with("nobody.invalid:1 is not found"), "{}", found.found);
    }

    #[test]
    fn loopback_leads_to_another_machine_from_nowhere_and_a_nat_may_not_lead_back() {
        let loopback = "::1".parse().unwrap();
        assert!(vantage(true).may_reach(loopback) && !vantage(false).may_reach(loopback));
        let at = |text: &str| Destination::of(Question::Binding, [text.parse().unwrap()]);
        assert!(vantage(true).is_behind_nat(&at("198.51.100.7:7000")));
        assert!(
            !vantage(false).is_behind_nat(&at("198.51.100.7:7000"))
                && !vantage(true).is_behind_nat(&at("192.0.2.1:7000"))
        );
    }
}

#[path = "../../tests/worker/support/silent.rs"]
mod silent;

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener as StdTcpListener, TcpStream, UdpSocket as StdUdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use silent::Silent;

fn null() -> File {
    File::open("/dev/null").expect("/dev/null")
}

/// A worker with sockets of its own, and where its control socket is.
fn worker() -> (Worker, PathBuf) {
    let udp = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let media_port = udp.local_addr().expect("bound").port();
    let control = std::env::temp_dir().join(format!("chappe-worker-{}-{media_port}.sock", std::process::id()));
    let config = WorkerConfig {
        index: WorkerIndex(0),
        media_port,
        udp: udp.into(),
        tcp: StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind").into(),
        control: UnixListener::bind(&control).expect("bind").into(),
        sessions_max: 1,
        loudest: 0,
        restarts: 0,
    };
    (Worker::start(config, Box::new(Silent(null()))).expect("it starts"), control)
}

#[test]
fn a_worker_that_cannot_wait_any_more_lives_on_and_hears_everybody() {
    let (mut worker, control) = worker();
    // Waiting on what is no epoll is refused.
    worker.epoll = Epoll::adopt(null().into());
    for turn in 0..1_200 {
        assert_eq!(worker.turn(), Flow::Continue, "turn {turn}");
    }
    assert_eq!(worker.failed_waits.count(), 1_200);

    let client = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    client.send_to(&[0xff; 20], worker.media.udp.local_addr()).expect("send");
    worker.turn();
    assert_eq!(worker.core.counters().packets_in, 1);

    worker.epoll = Epoll::new().expect("epoll");
    worker.epoll.add(&worker.media.udp, PollSource::Udp.token(), Interest::Read).expect("add");
    client.send_to(&[0xff; 20], worker.media.udp.local_addr()).expect("send");
    worker.turn();
    assert_eq!((worker.core.counters().packets_in, worker.failed_waits.count()), (2, 1_201));
    std::fs::remove_file(control).expect("remove");
}

#[test]
fn without_descriptors_the_listeners_rest_and_nobody_who_waits_is_lost() {
    let (mut worker, control) = worker();
    let _client = TcpStream::connect(worker.media.tcp.listener().local_addr()).expect("connect");
    let _signaling = UnixStream::connect(&control).expect("connect");
    let before = getrlimit(Resource::Nofile);
    // Below what is open already. Each test is a process of its own.
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), ..before }).expect("a lower limit");
    let flow = worker.turn();
    setrlimit(Resource::Nofile, before).expect("the limit of before");
    assert_eq!((flow, worker.resting.len()), (Flow::Continue, 2));
    assert_eq!((worker.media.tcp.ids().count(), worker.control.ids().count()), (0, 0));

    worker.wake_resting();
    worker.turn();
    assert_eq!((worker.media.tcp.ids().count(), worker.control.ids().count()), (1, 1));
    std::fs::remove_file(control).expect("remove");
}

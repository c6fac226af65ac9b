//! Measures what a send costs with and without segmentation and with and without a source address
//! (IP_PKTINFO), interleaved: `cargo run --release -p chappe-sfu-io --example send_cost`.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use chappe_sfu_io::udp::{BatchSender, Transmit, UdpSocket};

const PEERS: usize = 100;
const DATAGRAM_BYTES: usize = 1200;
const RUN: usize = 8;
const ROUNDS: usize = 30;

fn main() -> std::io::Result<()> {
    let from = UdpSocket::adopt(std::net::UdpSocket::bind("[::]:0")?.into())?;
    // Nobody reads: full buffers drop, as on a receiver that sleeps.
    let peers: Vec<_> = (0..PEERS).map(|_| std::net::UdpSocket::bind("127.0.0.2:0")).collect::<Result<_, _>>()?;
    let remotes: Vec<SocketAddr> = peers.iter().map(std::net::UdpSocket::local_addr).collect::<Result<_, _>>()?;
    let local: IpAddr = [127, 0, 0, 1].into();
    let bytes = vec![0u8; RUN * DATAGRAM_BYTES];
    let cases = [
        ("whole runs", true, None),
        ("whole runs, source", true, Some(local)),
        ("singles", false, None),
        ("singles, source", false, Some(local)),
    ];
    let mut senders: Vec<_> = cases
        .iter()
        .map(|case| if case.1 { BatchSender::new() } else { BatchSender::without_segmentation() })
        .collect();
    let mut spent = [Duration::ZERO; 4];
    for _ in 0..ROUNDS {
        for (index, (_, _, source)) in cases.iter().enumerate() {
            let runs = remotes.iter().map(|remote| Transmit {
                remote: *remote,
                local: *source,
                bytes: &bytes,
                segment: DATAGRAM_BYTES,
            });
            let start = Instant::now();
            let report = senders[index].send(&from, runs, Duration::from_millis(1));
            spent[index] += start.elapsed();
            assert_eq!(report.packets, (PEERS * RUN) as u64);
        }
    }
    for ((name, _, _), spent) in cases.iter().zip(spent) {
        println!("{name:20} {:6.0} ns per datagram", spent.as_nanos() as f64 / (ROUNDS * PEERS * RUN) as f64);
    }
    Ok(())
}

//! Owns a TCP link between a client and a server that can lose what the server says, or stop. Never changes what it
//! carries.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the link does with the bytes of each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// What the server says is taken and lost.
    AnswersLost,
    /// Nothing is taken from either side, as on a machine that has stalled.
    Stalled,
}

pub struct Proxy {
    pub port: u16,
    way: Arc<watch::Sender<Way>>,
    cuts: Arc<watch::Sender<u64>>,
}

impl Proxy {
    pub async fn start(server_port: u16) -> Proxy {
        let port = super::server::free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let way = Arc::new(watch::Sender::new(Way::Open));
        let cuts = Arc::new(watch::Sender::new(0));
        let (for_links, for_cuts) = (Arc::clone(&way), Arc::clone(&cuts));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server_port)).await else { continue };
                carry(client, server, &for_links, &for_cuts);
            }
        });
        Proxy { port, way, cuts }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Ends all connections. After bytes were lost nothing else makes sense of what follows.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

fn carry(client: TcpStream, server: TcpStream, way: &watch::Sender<Way>, cuts: &watch::Sender<u64>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let upwards = pump(from_client, to_server, way.subscribe(), |way| way == Way::AnswersLost || way == Way::Open);
    let downwards = pump(from_server, to_client, way.subscribe(), |way| way == Way::Open);
    let mut cut = cuts.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            () = upwards => {}
            () = downwards => {}
            _ = cut.changed() => {}
        }
    });
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>, passes: fn(Way) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if way.wait_for(|way| *way != Way::Stalled).await.is_err() {
            return;
        }
        let length = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        // What arrives while the link is stalled waits in it.
        let Ok(now) = way.wait_for(|way| *way != Way::Stalled).await.map(|way| *way) else { return };
        if passes(now) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

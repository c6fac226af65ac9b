//! Owns the sockets of the server: tells clients over UDP apart by their addresses, and takes those over TCP and TLS.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use chappe_signaling_turn::{Counts, Refused};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::client::{Way, serve_client};
use crate::framing::{padding_of, read_message};
use crate::terms::{Shared, Terms};

/// On one port. They outlive the process.
#[derive(Debug)]
pub struct TurnSockets {
    pub udp: std::net::UdpSocket,
    pub tcp: std::net::TcpListener,
}

/// Until its future is dropped. Without an acceptor TLS is not spoken.
///
/// In a box, so that all of it is compiled here and not once more in each crate that runs it.
pub fn relay_media(sockets: TurnSockets, terms: Terms, tls: Option<TlsAcceptor>) -> Relaying {
    Box::pin(serve(sockets, terms, tls))
}

pub type Relaying = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

async fn serve(sockets: TurnSockets, terms: Terms, tls: Option<TlsAcceptor>) -> io::Result<()> {
    sockets.udp.set_nonblocking(true)?;
    sockets.tcp.set_nonblocking(true)?;
    let (udp, tcp) = (UdpSocket::from_std(sockets.udp)?, TcpListener::from_std(sockets.tcp)?);
    let shared = Shared::new(terms);
    tokio::join!(serve_datagrams(Arc::new(udp), Arc::clone(&shared)), serve_streams(tcp, shared, tls));
    Ok(())
}

async fn serve_datagrams(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut clients = Clients::default();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = clients.forget_ended() => continue,
        };
        // An ICMP message about a client that has gone.
        let Ok((bytes, remote)) = received else { continue };
        let datagram = buffer[..bytes].to_vec();
        let datagram = match clients.queues.get(&remote) {
            Some(client) => match client.try_send(datagram) {
                Ok(()) => continue,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    shared.terms.counts.refuse(Refused::Rate);
                    continue;
                }
                Err(mpsc::error::TrySendError::Closed(datagram)) => datagram,
            },
            None => datagram,
        };
        let Some(place) = shared.admit(canonical(remote)) else { continue };
        let (queue, incoming) = mpsc::channel(DATAGRAMS_WAITING_MAX);
        let _ = queue.try_send(datagram);
        let way = Datagrams { socket: Arc::clone(&socket), remote, incoming };
        let (client, counts) = (serve_client(way, canonical(remote), Arc::clone(&shared)), shared.terms.counts.clone());
        clients.add(remote, queue, async move {
            if let Err(error) = contain(client, &counts).await {
                debug!(%error, "a client of the TURN server ends");
            }
            drop(place);
        });
    }
}

/// Those over UDP.
#[derive(Default)]
struct Clients {
    queues: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    /// Each ends with whose it was.
    tasks: JoinSet<SocketAddr>,
}

impl Clients {
    fn add(
        &mut self,
        remote: SocketAddr,
        queue: mpsc::Sender<Vec<u8>>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.queues.insert(remote, queue);
        self.tasks.spawn(async move {
            task.await;
            remote
        });
    }

    /// When the next one has ended; never while there is none.
    async fn forget_ended(&mut self) {
        let Some(ended) = self.tasks.join_next().await else { return std::future::pending().await };
        if let Ok(remote) = ended
            && self.queues.get(&remote).is_some_and(mpsc::Sender::is_closed)
        {
            self.queues.remove(&remote);
        }
    }
}

/// Whoever sends what makes its task panic ends that task, and is counted.
async fn contain(client: impl Future<Output = io::Result<()>>, counts: &Counts) -> io::Result<()> {
    let mut client = pin!(client);
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| client.as_mut().poll(context))).unwrap_or_else(|_| {
            counts.refuse(Refused::Fault);
            Poll::Ready(Err(io::Error::other("a panic")))
        })
    })
    .await
}

async fn serve_streams(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let (socket, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection to the TURN server can't be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = shared.admit(canonical(remote)) else { continue };
        let counts = Arc::clone(&shared.terms.counts);
        let client = serve_stream(socket, canonical(remote), Arc::clone(&shared), tls.clone());
        tasks.spawn(async move {
            if let Err(error) = contain(client, &counts).await {
                debug!(%error, "a client of the TURN server ends");
            }
            drop(place);
        });
    }
}

/// RFC 8446 section 5.1: a record with a ClientHello begins with 22, and no STUN message does.
async fn serve_stream(
    socket: TcpStream,
    remote: SocketAddr,
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut first = [0];
    timeout(HANDSHAKE_WITHIN, socket.peek(&mut first)).await??;
    match tls.filter(|_| first == [TLS_HANDSHAKE]) {
        Some(tls) => {
            let stream = timeout(HANDSHAKE_WITHIN, tls.accept(socket)).await??;
            serve_client(Messages::of(stream), remote, shared).await
        }
        None => serve_client(Messages::of(socket), remote, shared).await,
    }
}

struct Datagrams {
    socket: Arc<UdpSocket>,
    remote: SocketAddr,
    incoming: mpsc::Receiver<Vec<u8>>,
}

impl Way for Datagrams {
    const PROVES_ADDRESS: bool = false;

    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.incoming.recv().await)
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        // As any datagram it may get lost.
        let _ = self.socket.send_to(message, self.remote).await;
        Ok(())
    }
}

/// Read by a task of its own, because half a message must not be lost when something else comes first.
struct Messages<S> {
    writer: WriteHalf<S>,
    incoming: mpsc::Receiver<io::Result<Vec<u8>>>,
    _reader: JoinSet<()>,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Messages<S> {
    fn of(stream: S) -> Messages<S> {
        let (reader, writer) = split(stream);
        let (queue, incoming) = mpsc::channel(DATAGRAMS_WAITING_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(read_messages(reader, queue));
        Messages { writer, incoming, _reader: tasks }
    }
}

async fn read_messages<S: AsyncRead>(mut reader: ReadHalf<S>, queue: mpsc::Sender<io::Result<Vec<u8>>>) {
    while let Some(message) = read_message(&mut reader).await.transpose() {
        let is_over = message.is_err();
        if queue.send(message).await.is_err() || is_over {
            return;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send> Way for Messages<S> {
    const PROVES_ADDRESS: bool = true;

    async fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.incoming.recv().await.transpose()
    }

    /// Whoever does not read is given up: nothing waits for it.
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let padding = &[0; 3][..padding_of(message.len())];
        let sending = async {
            self.writer.write_all(message).await?;
            self.writer.write_all(padding).await?;
            self.writer.flush().await
        };
        timeout(WRITE_WITHIN, sending).await?
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// For a client's task, which does nothing slow.
const DATAGRAMS_WAITING_MAX: usize = 64;
const DATAGRAM_BYTES_MAX: usize = 65_535;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
const WRITE_WITHIN: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const TLS_HANDSHAKE: u8 = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_panics_is_counted_and_leaves_the_table() {
        let counts = Arc::new(Counts::default());
        let (mut clients, remote) = (Clients::default(), SocketAddr::from(([192, 0, 2, 1], 9)));
        let (queue, mut incoming) = mpsc::channel(1);
        queue.try_send(b"what it can't take".to_vec()).unwrap();
        let (seen, client) = (Arc::clone(&counts), async move {
            let received = incoming.recv().await;
            assert!(received.is_none(), "as a fault in the protocol would");
            Ok(())
        });
        clients.add(remote, queue, async move { assert!(contain(client, &seen).await.is_err()) });
        clients.forget_ended().await;
        assert!(clients.queues.is_empty());
        assert_eq!(counts.refusals().find(|(_, count)| *count > 0), Some(("fault", 1)));
    }
}

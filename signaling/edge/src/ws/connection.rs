//! Owns one page's WebSocket: reading, writing, and when it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use chappe_signaling_access::TokenError;
use chappe_signaling_service::{Caller, Joined, Limit, Refusal, Service, unix_ms};
use chappe_signaling_traces::TraceContext;
use chappe_signaling_turn::TurnServers;
use futures_util::SinkExt as _;
use futures_util::stream::{SplitSink, SplitStream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant as Deadline, sleep, timeout, timeout_at};
use tracing::{Instrument as _, Span, debug, field, info_span};

use super::dispatch;
use super::dispatch::ClientRequest;
use super::rate::{Allowance, MESSAGES_PER_SECOND_MAX};
use super::trace;
use crate::access::gate::Gate;
use crate::error::HttpError;
use crate::http::traced::traceparent;
use crate::ws::message::{ClientMessage, PageHello, ServerMessage};
use crate::ws::queue::{PageQueue, Queued, page_queue};

/// `GET /ws`
pub async fn upgrade(
    State(service): State<Arc<Service>>,
    (Extension(caller), Extension(gate)): (Extension<Caller>, Extension<Arc<Gate>>),
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let place = match service.page_place(&caller) {
        Ok(place) => place,
        Err(refusal) => return HttpError::from(refusal).into_response(),
    };
    let part_of = service.tracer.is_on().then(|| traceparent(&headers).map(str::to_owned)).flatten();
    let span = info_span!("page", room = field::Empty, member = field::Empty);
    upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| {
        let connection = async move {
            run(service, gate, (caller, part_of), socket).await;
            drop(place);
        };
        connection.instrument(span)
    })
}

async fn run(service: Arc<Service>, gate: Arc<Gate>, (caller, part_of): (Caller, Option<String>), socket: WebSocket) {
    let (mut writer, mut reader) = socket.split();
    let (queue, mut outgoing) = page_queue(QUEUE_MESSAGES_MAX);
    let stop = queue.stopped();
    let allowance = Allowance::new(Instant::now());
    let mut page = Page {
        service,
        gate,
        caller,
        queue,
        allowance,
        refused: 0,
        joined: None,
        told_turn: Instant::now(),
        leaving: false,
        part_of,
        join: None,
    };
    let end = tokio::select! {
        end = page.read(&mut reader) => end,
        end = write(&mut writer, &mut outgoing) => end,
        () = stop.notified() => Disconnect::Superseded,
    };
    debug!(?end, "the connection of a page ends");
    if let Some(joined) = page.joined.take() {
        match end.is_for_good(page.leaving) {
            true => page.service.leave_for_good(&joined).await,
            false => page.service.leave(&joined),
        }
    }
    let frame = end.frame();
    // What was queued before the end (an error that says why) still goes out, if the page takes it.
    let last_words = async {
        while let Ok(message) = outgoing.try_recv() {
            writer.send(Message::Text(message.into_text())).await?;
        }
        let Some(frame) = frame else {
            // Answers the page's own close frame, if that is how it ended.
            return writer.close().await;
        };
        writer.send(Message::Close(Some(frame))).await?;
        // A socket that is closed with something unread is reset, and the reset overtakes the reason (RFC 6455 section
        // 7.1.1): so what the page still says is taken off until it has answered.
        while reader.next().await.is_some_and(|message| message.is_ok()) {}
        Ok(())
    };
    let _ = timeout(CLOSE_WITHIN, last_words).await;
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disconnect {
    /// The page's browser closed it, or something on the way did.
    Gone,
    /// The page says that it does not come back.
    Left,
    /// Nothing was heard for too long.
    Silent,
    /// A binary message, or no hello in time.
    Unfit,
    /// Too long, not UTF-8, or no WebSocket frame; or the network broke, and nobody reads why.
    Malformed,
    /// Messages went on after the limit was said.
    Flood,
    /// Its token is over, or the key of it.
    TokenOver,
    /// The page has a newer connection, or does not read what it is sent.
    Superseded,
}

impl Disconnect {
    /// Whether the page does not come back. Of one that was about to be left it is not asked who closed the connection,
    /// and how: a browser may do it in a way that a proxy that restarts does as well.
    fn is_for_good(self, leaving: bool) -> bool {
        match self {
            Disconnect::Left => true,
            Disconnect::Gone | Disconnect::Malformed => leaving,
            _ => false,
        }
    }

    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Disconnect::Gone | Disconnect::Left => return None,
            Disconnect::Silent => (close_code::POLICY, "nothing was heard for 45 s: send a ping every 15 s"),
            Disconnect::Unfit => (close_code::UNSUPPORTED, "send text messages, and hello first within 10 s"),
            Disconnect::Malformed => (close_code::PROTOCOL, "a message was over 64 kB, not UTF-8, or broke RFC 6455"),
            Disconnect::Flood => (close_code::POLICY, "too many messages"),
            Disconnect::TokenOver => (TOKEN_OVER, "the token has expired or was revoked: say hello with a new one"),
            Disconnect::Superseded => {
                (close_code::AGAIN, "a newer connection took over, or messages were not read: resume")
            }
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

struct Page {
    service: Arc<Service>,
    gate: Arc<Gate>,
    caller: Caller,
    queue: PageQueue,
    allowance: Allowance,
    /// Messages beyond the allowance.
    refused: u32,
    joined: Option<Joined>,
    /// When the page was told credentials for the TURN servers.
    told_turn: Instant,
    /// It said that it may be closed now, and no ping came since.
    leaving: bool,
    /// The step of somebody else that its request for the connection named (`traceparent`).
    part_of: Option<String>,
    /// The step in which it joined, where that is traced: its sessions are below it.
    join: Option<TraceContext>,
}

impl Page {
    /// Until the connection ends. Who does not join in time ends it, whatever else is said, and even when what is
    /// answered is not read.
    async fn read(&mut self, reader: &mut SplitStream<WebSocket>) -> Disconnect {
        let deadline = Deadline::now() + HELLO_WITHIN;
        while self.joined.is_none() {
            let hello = match timeout_at(deadline, self.read_hello(reader)).await {
                Ok(Ok(hello)) => hello,
                Ok(Err(end)) => return end,
                Err(_) => return Disconnect::Unfit,
            };
            let mut step = self.service.tracer.request("ws hello", self.part_of.as_deref());
            let joining = dispatch::hello(&self.service, &self.gate, self.caller.clone(), hello, &self.queue);
            let joined = step.cover(joining).await;
            trace::note_joined(&mut step, &joined);
            match joined {
                Ok(joined) => {
                    self.join = step.context();
                    let span = Span::current();
                    span.record("room", field::display(&joined.room));
                    span.record("member", field::display(joined.owner.member));
                    self.joined = Some(joined);
                    self.told_turn = Instant::now();
                }
                Err(text) => {
                    if timeout_at(deadline, self.send(text)).await.is_err() {
                        return Disconnect::Unfit;
                    }
                }
            }
        }
        let mut keys = self.gate.keys();
        let mut known = keys.borrow_and_update().clone();
        loop {
            let (issuer, over) = self.token_end();
            let read = tokio::select! {
                read = timeout(SILENCE_MAX, self.read_message(reader)) => read,
                () = over => return self.end_of_token(TokenError::Expired).await,
                Ok(()) = keys.changed() => {
                    let before = std::mem::replace(&mut known, keys.borrow_and_update().clone());
                    match issuer {
                        Some(issuer) if known.has_revoked(&before, &issuer) => {
                            return self.end_of_token(TokenError::UnknownKey).await;
                        }
                        _ => continue,
                    }
                }
            };
            match read {
                Err(_) => return Disconnect::Silent,
                Ok(Err(end)) => return end,
                Ok(Ok(None)) => {}
                Ok(Ok(Some(ClientRequest { id, message }))) => self.handle(id, message).await,
            }
        }
    }

    /// The first hello; all else is answered meanwhile.
    async fn read_hello(&mut self, reader: &mut SplitStream<WebSocket>) -> Result<(u64, PageHello), Disconnect> {
        loop {
            let text = match self.read_message(reader).await? {
                None => continue,
                Some(ClientRequest { id, message: ClientMessage::Hello(hello) }) => return Ok((id, hello)),
                Some(ClientRequest { id, message: ClientMessage::Ping {} }) => ServerMessage::Pong { id }.to_text(),
                Some(ClientRequest { id, .. }) => {
                    let message = "say hello first";
                    ServerMessage::Error { id: Some(id), error: "not_joined", message, retry_after_ms: None }.to_text()
                }
            };
            self.send(text).await;
        }
    }

    /// The next frame; none if it is no request, or one too many, which is answered here.
    async fn read_message(&mut self, reader: &mut SplitStream<WebSocket>) -> Result<Option<ClientRequest>, Disconnect> {
        let text = match reader.next().await {
            None => return Err(Disconnect::Gone),
            Some(Err(_)) => return Err(Disconnect::Malformed),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return Err(Disconnect::Unfit),
            Some(Ok(Message::Close(Some(frame)))) if frame.code == close_code::NORMAL => return Err(Disconnect::Left),
            Some(Ok(Message::Close(_))) => return Err(Disconnect::Gone),
            // The library answers pings itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
        };
        if !self.allowance.take(Instant::now()) {
            self.refused += 1;
            if self.refused > REFUSED_MESSAGES_MAX {
                return Err(Disconnect::Flood);
            }
            let refusal = Refusal::TooMany(Limit::Messages(MESSAGES_PER_SECOND_MAX));
            self.send(dispatch::error(&self.service, None, &refusal)).await;
            return Ok(None);
        }
        match ClientRequest::parse(&text) {
            Ok(request) => Ok(Some(request)),
            Err(bad) => {
                let (id, message) = (bad.id, bad.message.as_str());
                let error = ServerMessage::Error { id, error: "bad_message", message, retry_after_ms: None };
                self.send(error.to_text()).await;
                Ok(None)
            }
        }
    }

    /// Whose token the page came with, and when it is over; never, where nobody is asked for one.
    fn token_end(&self) -> (Option<String>, impl Future<Output = ()> + use<>) {
        let access = self.joined.as_ref().and_then(|joined| joined.caller.access());
        let left = access.map(|access| Duration::from_millis(access.expires_ms.saturating_sub(unix_ms())));
        let end = async move {
            match left.filter(|left| *left < FAR_AHEAD) {
                Some(left) => sleep(left).await,
                None => std::future::pending().await,
            }
        };
        (access.map(|access| access.issuer.clone()), end)
    }

    async fn end_of_token(&self, error: TokenError) -> Disconnect {
        let refusal = self.service.refuse_token(error);
        // A page that reads nothing has its queue full, and then it is told by the close alone.
        let _ = timeout(CLOSE_WITHIN, self.send(dispatch::error(&self.service, None, &refusal))).await;
        Disconnect::TokenOver
    }

    async fn handle(&mut self, id: u64, message: ClientMessage) {
        match message {
            ClientMessage::Leaving {} => self.leaving = true,
            // What else it says may be its last words.
            ClientMessage::Ping {} => self.leaving = false,
            _ => {}
        }
        let text = match (message, &mut self.joined) {
            (ClientMessage::Hello(_), _) | (_, None) => {
                let message = "hello was said already: open another connection to join another room";
                ServerMessage::Error { id: Some(id), error: "bad_message", message, retry_after_ms: None }.to_text()
            }
            (ClientMessage::Renew { token }, Some(joined)) => {
                dispatch::renew(&self.service, &self.gate, joined, id, &token).await
            }
            (message, Some(joined)) => {
                let service = (&self.service, self.gate.rates());
                dispatch::request(service, (joined, self.join), id, message).await
            }
        };
        self.send(text).await;
        self.renew_turn().await;
    }

    /// A page may have to connect anew at any time. It is heard every 15 s, so that this is soon enough.
    async fn renew_turn(&mut self) {
        let Some(joined) = self.joined.as_ref().filter(|_| self.told_turn.elapsed() > TurnServers::LIFETIME / 2) else {
            return;
        };
        self.told_turn = Instant::now();
        if let Some(server) = self.service.turn_for_member(joined.owner.member) {
            self.send(ServerMessage::IceServers { ice_servers: &[server] }.to_text()).await;
        }
    }

    /// Waits while the queue is full: a page that does not read is not read from either.
    async fn send(&self, text: Utf8Bytes) {
        self.queue.reply(text).await;
    }
}

async fn write(writer: &mut SplitSink<WebSocket, Message>, outgoing: &mut mpsc::Receiver<Queued>) -> Disconnect {
    while let Some(message) = outgoing.recv().await {
        match timeout(WRITE_WITHIN, writer.send(Message::Text(message.into_text()))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Disconnect::Gone,
        }
    }
    Disconnect::Gone
}

/// Longest message in either direction, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Messages waiting for a page that reads slowly.
const QUEUE_MESSAGES_MAX: usize = 512;

/// Messages refused for their number before the connection ends.
const REFUSED_MESSAGES_MAX: u32 = 100;

const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// In the range that RFC 6455 section 7.4.2 leaves to applications.
const TOKEN_OVER: u16 = 4401;
/// A timer can't be set for any time; the loop comes round before.
const FAR_AHEAD: Duration = Duration::from_secs(3_600);

/// A page pings every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);

const WRITE_WITHIN: Duration = Duration::from_secs(15);
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

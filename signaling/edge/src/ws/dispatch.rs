//! Owns turning a page's messages into calls of the service, and what comes back into replies.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use chappe_sfu_api::{AliveMs, SessionId};
use chappe_signaling_chat::SayError;
use chappe_signaling_rooms::{ResumeSecret, RoomError, RoomName, StreamName};
use chappe_signaling_sdp::{LINES_MAX, Offer};
use chappe_signaling_service::{
    Answered, Caller, Join, Joined, Limit, PublishRequest, Refusal, Service, WatchRequest, Watched,
};
use chappe_signaling_traces::TraceContext;
use serde_json::Value;

use crate::access::gate::Gate;
use crate::access::rates::Rates;
use crate::refusal::{code, counted, retry_after_ms};
use crate::ws::message::{ClientMessage, PageHello, ServerMessage, SlotRequest, SlotText};
use crate::ws::queue::PageQueue;
use crate::ws::trace;

/// A message with its number.
pub struct ClientRequest {
    pub id: u64,
    pub message: ClientMessage,
}

/// Not a message of the protocol; the number if there is one.
pub struct BadMessage {
    pub id: Option<u64>,
    pub message: String,
}

impl ClientRequest {
    pub fn parse(text: &str) -> Result<ClientRequest, BadMessage> {
        let bad = |id, message: String| BadMessage { id, message };
        let value: Value =
            serde_json::from_str(text).map_err(|error| bad(None, format!("this is not JSON: {error}")))?;
        let Some(id) = value.get("id") else {
            return Err(bad(None, "a request is an object with a `type` and a number `id`".to_owned()));
        };
        let id = id.as_u64().ok_or_else(|| bad(None, "`id` must be a whole number, 0 or more".to_owned()))?;
        match serde_json::from_value(value) {
            Ok(message) => Ok(ClientRequest { id, message }),
            Err(error) => Err(bad(Some(id), error.to_string())),
        }
    }
}

/// Joins the room; the welcome is sent from inside. Otherwise the error to send.
pub async fn hello(
    service: &Arc<Service>,
    gate: &Gate,
    caller: Caller,
    (id, hello): (u64, PageHello),
    queue: &PageQueue,
) -> Result<Joined, Utf8Bytes> {
    if hello.version != VERSION {
        let message = format!("this server speaks version {VERSION} of the protocol: load the page again");
        let error = ServerMessage::Error {
            id: Some(id),
            error: "unsupported_version",
            message: &message,
            retry_after_ms: None,
        };
        return Err(error.to_text());
    }
    let refused = |refusal: Refusal| error(service, Some(id), &refusal);
    let pass = gate.judge(&caller, hello.token.as_deref()).await.map_err(refused)?;
    let caller = Caller { pass, ..caller };
    gate.rates().check_join(&caller).map_err(refused)?;
    let room = RoomName::parse(&hello.room).map_err(|bad| refused(bad.into()))?;
    // A secret or session that is not ours is as good as one that has expired: the page starts anew.
    let resume = hello.resume.and_then(|text| ResumeSecret::try_from(text).ok());
    let living: Vec<SessionId> = hello.sessions.iter().filter_map(|text| text.parse().ok()).collect();
    let name = hello.name.map(|name| shown_name(&name)).filter(|name| !name.is_empty());
    let join = Join { id, room, name, resume, living, caller };
    service.join(join, Box::new(queue.clone())).await.map_err(refused)
}

/// A page has a new token.
pub async fn renew(service: &Arc<Service>, gate: &Gate, joined: &mut Joined, id: u64, token: &str) -> Utf8Bytes {
    let renewed = match gate.judge(&joined.caller, Some(token)).await {
        Ok(Some(pass)) => service.renew(joined, *pass).await,
        // Nobody is asked for one.
        Ok(None) => Ok(()),
        Err(refusal) => Err(refusal),
    };
    match renewed {
        Ok(()) => ServerMessage::Done { id }.to_text(),
        Err(refusal) => error(service, Some(id), &refusal),
    }
}

/// Carries out one request of a page that has joined, in the step `join` of a trace; returns the reply.
pub async fn request(
    (service, rates): (&Arc<Service>, &Rates),
    (joined, join): (&Joined, Option<TraceContext>),
    id: u64,
    message: ClientMessage,
) -> Utf8Bytes {
    let refused = |refusal: Refusal| error(service, Some(id), &refusal);
    if let Err(refusal) = check_rate(rates, &joined.caller, &message) {
        return refused(refusal);
    }
    let mut step = trace::begin(&service.tracer, join, joined, &message);
    let member = joined.owner.member;
    let done = |result: Result<(), Refusal>| match result {
        Ok(()) => ServerMessage::Done { id }.to_text(),
        Err(refusal) => refused(refusal),
    };
    match message {
        ClientMessage::Publish { stream, sdp, session, instead_of, listed, alive_ms } => {
            let terms = Terms { instead_of, listed, alive_ms };
            let result = step.cover(publish(service, joined, &stream, &sdp, session, terms)).await;
            trace::note_answer(&mut step, &result);
            result.map_or_else(refused, |answered| answer(id, &answered, false))
        }
        ClientMessage::Watch { sdp, slots, session, instead_of, alive_ms } => {
            let terms = Terms { instead_of, listed: false, alive_ms };
            let result = step.cover(watch(service, joined, &sdp, slots, session, terms)).await;
            trace::note_answer(&mut step, &result);
            result.map_or_else(refused, |answered| answer(id, &answered, true))
        }
        ClientMessage::Unpublish { session } => done(service.end_own(session, member, true).await),
        ClientMessage::Unwatch { session } => done(service.end_own(session, member, false).await),
        ClientMessage::Mute { session, mid, muted } => done(service.mute_own(session, member, &mid, muted).await),
        ClientMessage::View { session, tiles } => done(service.show_own(session, member, tiles).await),
        ClientMessage::Say { text } => match service.say(joined, &text) {
            Ok(Ok(())) => ServerMessage::Done { id }.to_text(),
            Ok(Err(error)) => say_error(service, id, &error),
            Err(refusal) => refused(refusal),
        },
        ClientMessage::Typing { typing } if !typing || rates.takes_typing(&joined.caller) => {
            done(service.typing(joined, typing))
        }
        ClientMessage::Typing { .. } => done(Ok(())),
        ClientMessage::Stats { session } => match service.stats_own(session, member).await {
            Ok(stats) => ServerMessage::Stats { id, session, stats: &stats }.to_text(),
            Err(refusal) => refused(refusal),
        },
        ClientMessage::Ping {} => ServerMessage::Pong { id }.to_text(),
        // The connection keeps it in mind.
        ClientMessage::Leaving {} => ServerMessage::Done { id }.to_text(),
        // The connection answers these itself.
        ClientMessage::Hello(_) | ClientMessage::Renew { .. } => refused(RoomError::NoSuchSession.into()),
    }
}

/// Beside what each page may say in a second. A page was counted as a join when it entered the room.
fn check_rate(rates: &Rates, caller: &Caller, message: &ClientMessage) -> Result<(), Refusal> {
    match message {
        ClientMessage::Publish { .. } | ClientMessage::Mute { .. } => rates.check_change(caller),
        ClientMessage::Watch { .. } => rates.check_watch(caller),
        ClientMessage::Say { .. } => rates.check_say(caller),
        _ => Ok(()),
    }
}

/// What a page says of a new session beside its offer.
struct Terms {
    instead_of: Option<SessionId>,
    listed: bool,
    alive_ms: Option<AliveMs>,
}

async fn publish(
    service: &Arc<Service>,
    joined: &Joined,
    stream: &str,
    sdp: &str,
    session: Option<SessionId>,
    Terms { instead_of, listed, alive_ms }: Terms,
) -> Result<Answered, Refusal> {
    let stream = StreamName::parse(stream)?;
    let offer = Offer::parse(sdp)?;
    match session {
        Some(session) => service.republish(session, joined, &stream, &offer).await,
        None => {
            let (room, owner) = (joined.room.clone(), Some(joined.owner.clone()));
            let (caller, takes_over) = (Some(joined.caller.clone()), false);
            let request =
                PublishRequest { room, stream, offer, owner, instead_of, listed, takes_over, alive_ms, caller };
            service.publish(request).await
        }
    }
}

async fn watch(
    service: &Arc<Service>,
    joined: &Joined,
    sdp: &str,
    slots: Vec<SlotRequest>,
    session: Option<SessionId>,
    Terms { instead_of, alive_ms, .. }: Terms,
) -> Result<Answered, Refusal> {
    if slots.len() > LINES_MAX {
        return Err(Refusal::TooMany(Limit::Watched(LINES_MAX)));
    }
    let offer = Offer::parse(sdp)?;
    let slots = slots.into_iter().map(SlotRequest::parse).collect::<Result<Vec<_>, _>>()?;
    match session {
        Some(session) => service.rewatch(session, joined, &offer, slots).await,
        None => {
            let (room, owner) = (joined.room.clone(), Some(joined.owner.clone()));
            let (slots, caller) = (Watched::Chosen(slots), Some(joined.caller.clone()));
            service.watch(WatchRequest { room, slots, offer, owner, instead_of, alive_ms, caller }).await
        }
    }
}

fn answer(id: u64, answered: &Answered, watches: bool) -> Utf8Bytes {
    let slots = watches.then(|| answered.slots.iter().map(SlotText::from).collect());
    let Answered { session, sdp, alive_ms, .. } = answered;
    ServerMessage::Answer { id, session: *session, sdp, slots, alive_ms: *alive_ms }.to_text()
}

/// Counts the refusal that it tells.
pub fn error(service: &Service, id: Option<u64>, refusal: &Refusal) -> Utf8Bytes {
    counted(refusal).into_iter().for_each(|counted| service.refusals.note(counted));
    let (error, retry_after_ms) = (code(refusal), retry_after_ms(refusal));
    ServerMessage::Error { id, error, message: &refusal.to_string(), retry_after_ms }.to_text()
}

/// Counts who says too much.
fn say_error(service: &Service, id: u64, said: &SayError) -> Utf8Bytes {
    if matches!(said, SayError::TooFast { .. }) {
        service.refusals.access.count("chat_rate");
    }
    let (code, retry_after_ms) = match said {
        SayError::TooFast { retry_after } => {
            ("too_many", Some(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX)))
        }
        SayError::NotHere => ("not_joined", None),
        SayError::TooLong { .. } | SayError::Empty => ("bad_message", None),
    };
    ServerMessage::Error { id: Some(id), error: code, message: &said.to_string(), retry_after_ms }.to_text()
}

/// Without control characters, and no longer than others have to bear.
pub fn shown_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN_NAME_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Of `web/PROTOCOL.md`.
const VERSION: u32 = 1;

const SHOWN_NAME_CHARS_MAX: usize = 64;

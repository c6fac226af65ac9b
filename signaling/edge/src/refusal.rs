//! Owns how a client is told why its request is refused: the code (`web/PROTOCOL.md`), the HTTP status, and when to ask
//! again. Never decides that it is.

use std::time::Duration;

use axum::http::StatusCode;
use chappe_sfu_api::ErrorCode;
use chappe_signaling_access::TokenError;
use chappe_signaling_rooms::{RoomError, RoomLimit};
use chappe_signaling_sdp::SdpError;
use chappe_signaling_service::{Counted, Limit, Refusal, RemoteRefusal};

/// Code for machines, from the table in `web/PROTOCOL.md`; `no_such_stream` and `conflict` are HTTP's own.
pub fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::BadName(_) => "bad_name",
        Refusal::Sdp(error) => error.code(),
        Refusal::NoSuchStream(_) => "no_such_stream",
        Refusal::Rooms(error) => room_code(error),
        Refusal::Conflict(_) => "conflict",
        Refusal::BadView(_) => "bad_message",
        Refusal::NotDecodable(_) => "no_codec",
        Refusal::Token(TokenError::Expired) => "token_expired",
        Refusal::Token(_) => "unauthorized",
        Refusal::Denied(_) => "forbidden",
        Refusal::TooMany(_) => "too_many",
        Refusal::NoWorker
        | Refusal::WorkersFull(_)
        | Refusal::WorkerGone
        | Refusal::WorkerSilent
        | Refusal::NodeSilent => "unavailable",
        Refusal::Elsewhere(remote) => CODES.iter().find(|code| **code == remote.code).copied().unwrap_or("internal"),
        Refusal::Worker(error) => match error.code {
            ErrorCode::Limit | ErrorCode::Draining => "unavailable",
            ErrorCode::NotFound => "no_such_session",
            ErrorCode::Invalid => "bad_sdp",
            ErrorCode::Exists | ErrorCode::StaleEpoch => "internal",
        },
    }
}

/// When it makes sense to ask again without changing anything.
pub fn retry_after(refusal: &Refusal) -> Option<Duration> {
    match refusal {
        Refusal::Elsewhere(remote) => remote.retry_after_ms.map(Duration::from_millis),
        Refusal::NoWorker | Refusal::WorkerGone | Refusal::WorkerSilent | Refusal::NodeSilent => Some(RETRY_SOON),
        Refusal::WorkersFull(_) => Some(RETRY_LATER),
        Refusal::Worker(error) if matches!(error.code, ErrorCode::Limit | ErrorCode::Draining) => Some(RETRY_LATER),
        Refusal::NoSuchStream(_) | Refusal::Rooms(RoomError::StreamExists(_)) => Some(RETRY_LATER),
        Refusal::Rooms(RoomError::TooMany(RoomLimit::Connecting(_) | RoomLimit::MembersOfAddress(_))) => {
            Some(RETRY_LATER)
        }
        Refusal::TooMany(
            Limit::Messages(_)
            | Limit::Connections(..)
            | Limit::Requests(_)
            | Limit::Joins(_)
            | Limit::Changes(_)
            | Limit::Says(_)
            | Limit::WrongTokens(_),
        ) => Some(RETRY_SOON),
        _ => None,
    }
}

pub fn retry_after_ms(refusal: &Refusal) -> Option<u64> {
    retry_after(refusal).map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// As what operators find it counted. What another node refused is counted there.
pub fn counted(refusal: &Refusal) -> Option<Counted> {
    match refusal {
        Refusal::WorkersFull(_) => Some(Counted::Cap("sessions-per-worker")),
        Refusal::Rooms(RoomError::StreamExists(_)) => Some(Counted::Access("name_in_use")),
        Refusal::TooMany(limit) => access_limit(limit).map(Counted::Access),
        Refusal::Rooms(RoomError::TooMany(limit)) => match limit {
            RoomLimit::Rooms(_) => Some(Counted::Cap("rooms-max")),
            RoomLimit::Streams(_) => Some(Counted::Cap("streams-per-room")),
            RoomLimit::Members(_) => Some(Counted::Cap("members-per-room")),
            RoomLimit::AllMembers(_) => Some(Counted::Cap("members-max")),
            RoomLimit::Connecting(_) | RoomLimit::MembersOfAddress(_) => Some(Counted::Cap("per-address")),
            RoomLimit::SessionsOfMember => None,
        },
        _ => None,
    }
}

fn access_limit(limit: &Limit) -> Option<&'static str> {
    match limit {
        Limit::Connections(..) => Some("connections"),
        Limit::Requests(_) => Some("requests"),
        Limit::Messages(_) => Some("message_rate"),
        Limit::Joins(_) => Some("join_rate"),
        Limit::Changes(_) => Some("change_rate"),
        Limit::Says(_) => Some("chat_rate"),
        Limit::WrongTokens(_) => Some("wrong_token_rate"),
        Limit::Watched(_) => None,
    }
}

/// As another node passes it on to its client.
pub fn to_remote(refusal: &Refusal) -> RemoteRefusal {
    RemoteRefusal {
        code: code(refusal).to_owned(),
        message: refusal.to_string(),
        status: status(refusal).as_u16(),
        retry_after_ms: retry_after_ms(refusal),
    }
}

/// As HTTP says it.
pub fn status(refusal: &Refusal) -> StatusCode {
    match (refusal, code(refusal)) {
        (Refusal::Elsewhere(remote), _) => {
            StatusCode::from_u16(remote.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        (Refusal::Sdp(SdpError::TooLong), _) => StatusCode::PAYLOAD_TOO_LARGE,
        (Refusal::Sdp(error), _) => sdp_status(error),
        (_, "bad_name") => StatusCode::BAD_REQUEST,
        (_, "unauthorized" | "token_expired") => StatusCode::UNAUTHORIZED,
        (_, "forbidden") => StatusCode::FORBIDDEN,
        (_, "no_codec") => StatusCode::NOT_ACCEPTABLE,
        (_, "bad_sdp") => StatusCode::UNPROCESSABLE_ENTITY,
        (_, "stream_exists" | "conflict" | "moderated") => StatusCode::CONFLICT,
        (_, "no_such_stream" | "no_such_session" | "not_found") => StatusCode::NOT_FOUND,
        (Refusal::Rooms(RoomError::NoteTooLong), _) => StatusCode::UNPROCESSABLE_ENTITY,
        // It is this client who asks for too much, and not the server that is short of it.
        (Refusal::Rooms(RoomError::TooMany(RoomLimit::Connecting(_) | RoomLimit::MembersOfAddress(_))), _)
        | (Refusal::TooMany(Limit::Joins(_) | Limit::Changes(_) | Limit::WrongTokens(_)), _) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        (_, "too_many" | "unavailable") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 400 for what is not an offer, 406 for codecs that don't meet, 422 for an offer that makes sense to
/// others and can't be served here (RFC 9725 sections 4.2 and 4.4).
fn sdp_status(error: &SdpError) -> StatusCode {
    match error {
        SdpError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        SdpError::NoCommonCodec { .. } | SdpError::NotDecodable(_) => StatusCode::NOT_ACCEPTABLE,
        SdpError::Malformed(_)
        | SdpError::BadMid { .. }
        | SdpError::DuplicateMid { .. }
        | SdpError::BadIceCredentials
        | SdpError::BadFingerprint
        | SdpError::BadSetup(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn room_code(error: &RoomError) -> &'static str {
    match error {
        RoomError::StreamExists(_) => "stream_exists",
        RoomError::NoSuchSession => "no_such_session",
        RoomError::NoSuchMid(_) => "bad_sdp",
        RoomError::Moderated => "moderated",
        RoomError::PublishesNothing => "conflict",
        RoomError::NoSuchTrack(_) => "not_found",
        RoomError::TooMany(_) | RoomError::NoteTooLong => "too_many",
    }
}

/// All codes, to recognise another node's.
const CODES: &[&str] = &[
    "bad_name",
    "bad_sdp",
    "bad_message",
    "no_codec",
    "stream_exists",
    "no_such_stream",
    "no_such_session",
    "conflict",
    "moderated",
    "unauthorized",
    "token_expired",
    "forbidden",
    "too_many",
    "unavailable",
    "bad_request",
    "not_found",
    "refused",
    "no_supervisor",
    "not_supported",
];

/// A worker that died is back well within this; HTTP knows only whole seconds.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// Time for someone else to leave or to start publishing.
const RETRY_LATER: Duration = Duration::from_secs(2);

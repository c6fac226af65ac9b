//! Owns the way of a page's message up to the service, for the fuzz target: everything that reads what the page wrote.
//! Never reaches a service.

use chappe_sfu_api::SessionId;
use chappe_signaling_rooms::{ResumeSecret, RoomName, StreamName};
use chappe_signaling_sdp::Offer;

use super::dispatch::{ClientRequest, shown_name};
use crate::ws::message::{ClientMessage, SlotRequest};

/// Whether it is a message.
pub fn page_message(bytes: &[u8]) -> bool {
    let Ok(request) = ClientRequest::parse(&String::from_utf8_lossy(bytes)) else { return false };
    match request.message {
        ClientMessage::Hello(hello) => {
            let _ = (RoomName::parse(&hello.room), hello.resume.map(ResumeSecret::try_from));
            let _: Vec<Option<SessionId>> = hello.sessions.iter().map(|text| text.parse().ok()).collect();
            let _ = hello.name.map(|name| shown_name(&name));
        }
        ClientMessage::Publish { stream, sdp, .. } => {
            let _ = (StreamName::parse(&stream), Offer::parse(&sdp));
        }
        ClientMessage::Watch { sdp, slots, .. } => {
            let _ = Offer::parse(&sdp);
            slots.into_iter().map(SlotRequest::parse).for_each(drop);
        }
        _ => {}
    }
    true
}

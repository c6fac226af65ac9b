//! Owns the messages of STUN and TURN that doors are asked with, and what their answers mean.

use std::io;

use turn_types::attribute::RequestedTransport;
use turn_types::message::ALLOCATE;
use turn_types::stun::attribute::{AttributeWrite, ErrorCode, Software};
use turn_types::stun::message::{
    BINDING, Message, MessageClass, MessageHeader, MessageWrite as _, MessageWriteExt as _, MessageWriteVec, Method,
    TransactionId,
};

use super::heard::Heard;
use super::patient::Conversation;

#[derive(Debug, Clone)]
pub struct StunRequest {
    pub bytes: Vec<u8>,
    method: Method,
    id: TransactionId,
}

impl StunRequest {
    pub fn binding() -> StunRequest {
        StunRequest::of(BINDING, &[])
    }

    /// Of a relay for UDP.
    pub fn allocation() -> StunRequest {
        StunRequest::of(ALLOCATE, &[&RequestedTransport::new(RequestedTransport::UDP)])
    }

    fn of(method: Method, attributes: &[&dyn AttributeWrite]) -> StunRequest {
        let mut message = Message::builder_request(method, MessageWriteVec::new());
        // A worker answers with no more bytes than it was asked with, and so has room for its reason.
        let software = Software::new("chappe doctor looks here").expect("it is short");
        for attribute in attributes.iter().copied().chain([&software as &dyn AttributeWrite]) {
            message.add_attribute(attribute).expect("each attribute is there once, and none ends the message");
        }
        StunRequest { id: message.transaction_id(), method, bytes: message.finish() }
    }

    /// None: this is no answer to it.
    pub fn answered(&self, message: &[u8]) -> Option<Heard> {
        let answer = Message::from_bytes(message).ok()?;
        if !answer.is_response() || answer.transaction_id() != self.id {
            return None;
        }
        // Yes or no: somebody is there who speaks STUN.
        if self.method == BINDING {
            return Some(Heard::Answer(None));
        }
        let code = answer.attribute::<ErrorCode>().map(|error| error.code());
        Some(match (answer.class(), code) {
            _ if !answer.has_method(self.method) => Heard::Refusal(NO_TURN.to_owned()),
            (MessageClass::Success, _) | (_, Ok(ErrorCode::UNAUTHORIZED | ErrorCode::TRY_ALTERNATE)) => {
                Heard::Answer(None)
            }
            (_, Ok(code)) => Heard::Refusal(format!("it relays for nobody (error {code})")),
            (_, Err(_)) => Heard::Refusal(NO_TURN.to_owned()),
        })
    }
}

pub fn ask_over_stream(stream: &mut dyn Conversation, request: &StunRequest) -> io::Result<Heard> {
    stream.write_all(&request.bytes)?;
    stream.flush()?;
    let mut message = vec![0; MessageHeader::LENGTH];
    stream.read_exact(&mut message)?;
    let length = MessageHeader::from_bytes(&message).map_or(usize::MAX, |header| header.data_length().into());
    if length > ANSWER_BYTES_MAX {
        return Ok(Heard::Refusal(NO_TURN.to_owned()));
    }
    message.resize(MessageHeader::LENGTH + length, 0);
    stream.read_exact(&mut message[MessageHeader::LENGTH..])?;
    Ok(request.answered(&message).unwrap_or(Heard::Refusal(NO_TURN.to_owned())))
}

const ANSWER_BYTES_MAX: usize = 1_024;
const NO_TURN: &str = "it does not speak TURN";

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 8489 section 5 draws it.
    fn answer(request: &StunRequest, kind: u8, attributes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(attributes.len()).unwrap();
        [&[1, kind, 0, length][..], &request.bytes[4..20], attributes].concat()
    }

    #[test]
    fn a_turn_server_asks_for_credentials_and_others_are_none() {
        let request = StunRequest::allocation();
        let asked = |message: &[u8]| request.answered(message);
        let wants = answer(&request, 0x13, b"\x80\x22\x00\x01x\0\0\0\x00\x09\x00\x04\0\0\x04\x01");
        assert_eq!(asked(&wants), Some(Heard::Answer(None)));
        let full = answer(&request, 0x13, b"\x00\x09\x00\x04\0\0\x05\x08");
        assert_eq!(asked(&full), Some(Heard::Refusal("it relays for nobody (error 508)".to_owned())));
        let refuses = answer(&request, 0x13, b"");
        assert_eq!(asked(&refuses), Some(Heard::Refusal(NO_TURN.to_owned())), "an error without its code");
        let other = answer(&request, 0x01, b"");
        assert_eq!(asked(&other), Some(Heard::Refusal(NO_TURN.to_owned())), "an answer to another method");
        assert_eq!(asked(&request.bytes), None, "an echo");
        assert_eq!(StunRequest::allocation().answered(&wants), None, "an answer to somebody else");
        let binding = StunRequest::binding();
        assert_eq!(binding.answered(&answer(&binding, 0x11, b"")), Some(Heard::Answer(None)));
        for length in 0..wants.len() {
            assert_eq!(asked(&wants[..length]), None, "the first {length} bytes of one");
        }
    }

    #[test]
    fn a_door_is_asked_as_the_standards_write_it() {
        let (binding, allocation) = (StunRequest::binding().bytes, StunRequest::allocation().bytes);
        assert_eq!(binding[..8], *b"\x00\x01\x00\x1c\x21\x12\xa4\x42");
        assert_eq!(binding[20..], *b"\x80\x22\x00\x18chappe doctor looks here");
        // RFC 8656 section 7.1, with REQUESTED-TRANSPORT (section 18.7).
        assert_eq!(allocation[..8], *b"\x00\x03\x00\x24\x21\x12\xa4\x42");
        assert_eq!(allocation[20..28], *b"\x00\x19\x00\x04\x11\x00\x00\x00");
        assert_ne!(binding[8..20], StunRequest::binding().bytes[8..20], "each has an id of its own");
    }
}

//! Owns the messages of STUN and TURN that doors are asked with, and the reading of their answers.

use std::io;

use super::heard::Heard;
use super::patient::Conversation;

#[derive(Debug, Clone, Copy)]
pub struct StunRequest {
    pub bytes: &'static [u8],
}

impl StunRequest {
    /// RFC 8489 section 5, with SOFTWARE: a worker answers with no more bytes than it was asked with.
    pub const BINDING: StunRequest =
        StunRequest { bytes: b"\x00\x01\x00\x1c\x21\x12\xa4\x42chappedoctor\x80\x22\x00\x18chappe doctor looks here" };
    /// RFC 8656 section 7.1: of a relay for UDP.
    pub const ALLOCATION: StunRequest = StunRequest {
        bytes: b"\x00\x03\x00\x24\x21\x12\xa4\x42chappedoctor\x00\x19\x00\x04\x11\x00\x00\x00\
                 \x80\x22\x00\x18chappe doctor looks here",
    };

    /// None: this is no answer to it.
    pub fn answered(self, message: &[u8]) -> Option<Heard> {
        let (kind, id) = (message.first_chunk::<2>()?, message.get(8..HEADER_BYTES)?);
        if id != self.bytes.get(8..HEADER_BYTES)? || kind[0] != 1 {
            return None;
        }
        // Yes or no: somebody is there who speaks STUN.
        if self.bytes.get(1) == StunRequest::BINDING.bytes.get(1) {
            return Some(Heard::Answer(None));
        }
        Some(match (kind[1], error_code(message)) {
            (0x03, _) | (0x13, Some(UNAUTHENTICATED | TRY_ALTERNATE)) => Heard::Answer(None),
            (0x13, Some(code)) => Heard::Refusal(format!("it relays for nobody (error {code})")),
            _ => Heard::Refusal(NO_TURN.to_owned()),
        })
    }
}

pub fn ask_over_stream(stream: &mut dyn Conversation, request: StunRequest) -> io::Result<Heard> {
    stream.write_all(request.bytes)?;
    stream.flush()?;
    let mut message = vec![0; HEADER_BYTES];
    stream.read_exact(&mut message)?;
    // RFC 8489 section 5: the first two bits are zero, and the length is of what follows the header.
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    if message[0] != 1 || length > ANSWER_BYTES_MAX {
        return Ok(Heard::Refusal(NO_TURN.to_owned()));
    }
    message.resize(HEADER_BYTES + length, 0);
    stream.read_exact(&mut message[HEADER_BYTES..])?;
    Ok(request.answered(&message).unwrap_or(Heard::Refusal(NO_TURN.to_owned())))
}

/// RFC 8489 section 14.8.
fn error_code(message: &[u8]) -> Option<u16> {
    let mut rest = message.get(HEADER_BYTES..)?;
    while let Some((&[kind, kind_low, length, length_low], value)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([length, length_low]));
        if u16::from_be_bytes([kind, kind_low]) == ERROR_CODE {
            return Some(u16::from(value.get(2)? & 7) * 100 + u16::from(*value.get(3)?));
        }
        rest = value.get(length.next_multiple_of(4)..)?;
    }
    None
}

const HEADER_BYTES: usize = 20;
const ANSWER_BYTES_MAX: usize = 1_024;
const ERROR_CODE: u16 = 0x0009;
const UNAUTHENTICATED: u16 = 401;
const TRY_ALTERNATE: u16 = 300;
const NO_TURN: &str = "it does not speak TURN";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u8, attributes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(attributes.len()).unwrap();
        [&[1, kind, 0, length, 0x21, 0x12, 0xa4, 0x42], &b"chappedoctor"[..], attributes].concat()
    }

    #[test]
    fn a_turn_server_asks_for_credentials_and_others_are_none() {
        let asked = |message: &[u8]| StunRequest::ALLOCATION.answered(message);
        let wants = answer(0x13, b"\x80\x22\x00\x01x\0\0\0\x00\x09\x00\x04\0\0\x04\x01");
        assert_eq!(asked(&wants), Some(Heard::Answer(None)));
        let full = answer(0x13, b"\x00\x09\x00\x04\0\0\x05\x08");
        assert_eq!(asked(&full), Some(Heard::Refusal("it relays for nobody (error 508)".to_owned())));
        assert_eq!(asked(&answer(0x01, b"")), Some(Heard::Refusal(NO_TURN.to_owned())), "an answer to another method");
        let mut foreign = wants.clone();
        foreign[19] ^= 1;
        assert_eq!(asked(&foreign), None, "an answer to somebody else");
        assert_eq!(StunRequest::BINDING.answered(&answer(0x11, b"")), Some(Heard::Answer(None)));
        for length in 0..wants.len() {
            let _ = asked(&wants[..length]);
        }
    }
}

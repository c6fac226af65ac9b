//! Owns the refusals that the protocol has no words for: a peer that is no media port of ours (403) and a user who has
//! all allocations that one may have (486). Says them to nobody who has not proved to be the user.

use std::fmt;

use turn_server_proto::types::message::ALLOCATE;
use turn_server_proto::types::stun::attribute::ErrorCode;
use turn_server_proto::types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageIntegrityCredentials, MessageType,
    MessageWrite as _, MessageWriteExt as _, MessageWriteVec,
};

/// Whose credentials were good when they were shown. They are what the allocation is refreshed with.
#[derive(Clone)]
pub struct User {
    pub name: String,
    credentials: MessageIntegrityCredentials,
}

impl User {
    pub fn new(name: String, password: String) -> User {
        let credentials = LongTermKeyCredentials::new(name.clone(), password, REALM.to_owned()).into();
        User { name, credentials }
    }

    /// Answers a request for a peer that is none of ours (RFC 8656 sections 10.2 and 12.2). None: it is not this user's.
    pub fn forbid(&self, request: &[u8]) -> Option<Vec<u8>> {
        let request = Message::from_bytes(request).ok().filter(|request| request.has_class(MessageClass::Request))?;
        let algorithm = request.validate_integrity(&self.credentials).ok()?;
        let answer = Message::builder_error(&request, MessageWriteVec::new());
        self.refusal(answer, ErrorCode::FORBIDDEN, algorithm)
    }

    /// What an answer for want of capacity becomes where it is this user's quota that is used up (section 7.2).
    pub fn over_quota(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let answer = Message::from_bytes(answer).ok()?;
        let code = answer.attribute::<ErrorCode>().ok()?.code();
        if answer.method() != ALLOCATE || code != ErrorCode::INSUFFICIENT_CAPACITY {
            return None;
        }
        // The protocol signs with what the client has chosen.
        let algorithm = answer.validate_integrity(&self.credentials).ok()?;
        let kind = MessageType::from_class_method(MessageClass::Error, ALLOCATE);
        let told = Message::builder(kind, answer.transaction_id(), MessageWriteVec::new());
        self.refusal(told, ErrorCode::ALLOCATION_QUOTA_REACHED, algorithm)
    }

    fn refusal(&self, mut answer: MessageWriteVec, code: u16, algorithm: IntegrityAlgorithm) -> Option<Vec<u8>> {
        answer.add_attribute(&ErrorCode::builder(code).build().ok()?).ok()?;
        answer.add_message_integrity(&self.credentials, algorithm).ok()?;
        Some(answer.finish())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

pub const REALM: &str = "chappe";

//! Owns how a consumer's messages are read. Never keeps anything between two of them.

use async_nats::header::NATS_LAST_CONSUMER;
use async_nats::{Message, StatusCode};

use crate::engine::Revision;
use crate::nats::bucket::{MARKER_HEADER, OPERATION_HEADER, is_deletion};

/// What a message to a watch's inbox says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Change {
        /// Counts this consumer's deliveries from 1.
        number: u64,
        revision: Revision,
        /// What is still to come of all there was.
        pending: u64,
        deleted: bool,
    },
    Heartbeat {
        /// The number of the last delivery; a flow control request says none.
        last_delivered: Option<u64>,
        /// Where an empty message is waited for.
        answer_to: Option<String>,
    },
}

impl Delivery {
    pub(super) fn parse(message: &Message) -> Option<Delivery> {
        let header = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str());
        match message.status {
            Some(StatusCode::IDLE_HEARTBEAT) => {
                let last = message.headers.as_ref().and_then(|headers| headers.get(NATS_LAST_CONSUMER));
                let reply = message.reply.as_ref().map(|reply| reply.to_string());
                Some(Delivery::Heartbeat {
                    last_delivered: last.and_then(|last| last.as_str().parse().ok()),
                    answer_to: reply.or_else(|| header(STALLED_HEADER).map(str::to_owned)),
                })
            }
            Some(_) => None,
            None => {
                let (revision, number, pending) = parse_ack_subject(message.reply.as_ref()?)?;
                let marked = |name: &str| header(name).is_some_and(|value| is_deletion(name, value));
                let deleted = marked(OPERATION_HEADER) || marked(MARKER_HEADER);
                Some(Delivery::Change { number, revision: Revision(revision), pending, deleted })
            }
        }
    }
}

/// In a heartbeat: the answer to a flow control request has not arrived, and is waited for here.
const STALLED_HEADER: &str = "Nats-Consumer-Stalled";

/// Reads `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.NUMBER.TIME.PENDING` or the longer form, which has a domain and an
/// account before the stream and may have more at the end.
fn parse_ack_subject(subject: &str) -> Option<(u64, u64, u64)> {
    let tokens: Vec<&str> = subject.strip_prefix("$JS.ACK.")?.split('.').collect();
    let before = match tokens.len() {
        7 => 0,
        9.. => 2,
        _ => return None,
    };
    let number = |index: usize| tokens.get(before + index)?.parse().ok();
    Some((number(3)?, number(4)?, number(6)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_ack_subject_are_read() {
        assert_eq!(parse_ack_subject("$JS.ACK.KV_c.name.1.77.5.1700000000.3"), Some((77, 5, 3)));
        assert_eq!(parse_ack_subject("$JS.ACK.hub.hash.KV_c.name.1.77.5.1700000000.3"), Some((77, 5, 3)));
        assert_eq!(parse_ack_subject("$JS.ACK._.hash.KV_c.name.1.77.5.1700000000.3.token.more"), Some((77, 5, 3)));
        for bad in ["", "$JS.ACK.", "$JS.ACK.KV_c.name.1.x.5.17.3", "$JS.ACK.a.b.1.2.3.4.5.6", "_INBOX.1.2.3.4.5.6.7"] {
            assert_eq!(parse_ack_subject(bad), None, "{bad}");
        }
    }
}

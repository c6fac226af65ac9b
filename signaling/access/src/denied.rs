//! Owns why a good token does not permit what is asked.

/// The words never tell whether a room or a stream exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this token is not for this room")]
    Room,
    #[error("this token is not for this stream")]
    Stream,
    #[error("this token does not permit joining (roomJoin)")]
    Join,
    #[error("this token does not permit publishing (canPublish)")]
    Publish,
    #[error("this token does not permit what is offered: canPublishSources leaves it out")]
    Source,
    #[error("this token does not permit watching (canSubscribe)")]
    Subscribe,
    #[error("this token does not permit the chat (canPublishData)")]
    Data,
}

impl Denied {
    /// For metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Denied::Room => "room",
            Denied::Stream => "stream",
            Denied::Join => "join",
            Denied::Publish => "publish",
            Denied::Source => "source",
            Denied::Subscribe => "subscribe",
            Denied::Data => "data",
        }
    }
}

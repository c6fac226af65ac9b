//! Owns what a token permits, and the judgement of one action. Never looks at what exists.

use serde::{Deserialize, Serialize};

use crate::denied::Denied;
use crate::pattern::Pattern;

/// By the names of the field: LiveKit's `video` grant, and the names of streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    pub room: Pattern,
    /// Empty: every stream of the room.
    pub streams: Vec<Pattern>,
    pub join: bool,
    pub publish: bool,
    pub sources: Sources,
    pub subscribe: bool,
    pub data: bool,
    /// May take over the streams of others.
    pub admin: bool,
    /// Is not shown to the others in the room.
    pub hidden: bool,
}

/// Which kinds of media may be published. A camera can't be told from a screen by what is offered, nor a microphone
/// from the sound of a screen, so each pair is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    pub audio: bool,
    pub video: bool,
}

/// What somebody is about to do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// To be there: hears who is there, what is published, and what is said.
    Join,
    /// With an offer that sends these.
    Publish {
        stream: &'a str,
        offered: Sources,
    },
    Watch {
        stream: &'a str,
    },
    /// Says something to the others.
    Say,
}

impl Grants {
    pub fn check(&self, room: &str, action: Action<'_>) -> Result<(), Denied> {
        let require = |permitted: bool, denied: Denied| if permitted { Ok(()) } else { Err(denied) };
        require(self.room.covers(room), Denied::Room)?;
        require(self.join, Denied::Join)?;
        match action {
            Action::Join => Ok(()),
            Action::Publish { stream, offered } => {
                require(self.publish, Denied::Publish)?;
                require(self.covers_stream(stream), Denied::Stream)?;
                let permits = |wanted: bool, permitted: bool| !wanted || permitted;
                let sources = self.sources;
                let fits = permits(offered.audio, sources.audio) && permits(offered.video, sources.video);
                require(fits, Denied::Source)
            }
            Action::Watch { stream } => {
                require(self.subscribe, Denied::Subscribe)?;
                require(self.covers_stream(stream), Denied::Stream)
            }
            Action::Say => require(self.data, Denied::Data),
        }
    }

    fn covers_stream(&self, stream: &str) -> bool {
        self.streams.is_empty() || self.streams.iter().any(|pattern| pattern.covers(stream))
    }
}

impl Sources {
    pub const ALL: Sources = Sources { audio: true, video: true };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Grants {
        Grants {
            room: Pattern::parse("demo*").unwrap(),
            streams: Vec::new(),
            join: true,
            publish: true,
            sources: Sources::ALL,
            subscribe: true,
            data: true,
            admin: false,
            hidden: false,
        }
    }

    #[test]
    fn each_grant_is_needed_for_its_own_action_and_for_no_other() {
        let publish = Action::Publish { stream: "cam", offered: Sources::ALL };
        let actions = [Action::Join, publish, Action::Watch { stream: "cam" }, Action::Say];
        type Change = fn(&mut Grants);
        let none: [Result<(), Denied>; 4] = [Ok(()); 4];
        let with = |index: usize, denied: Denied| {
            let mut expected = none;
            expected[index] = Err(denied);
            expected
        };
        let cases: [(Change, [Result<(), Denied>; 4]); 8] = [
            (|_| {}, none),
            (|grants| grants.room = Pattern::parse("other").unwrap(), [Err(Denied::Room); 4]),
            (|grants| grants.join = false, [Err(Denied::Join); 4]),
            (|grants| grants.publish = false, with(1, Denied::Publish)),
            (|grants| grants.sources.video = false, with(1, Denied::Source)),
            (|grants| grants.subscribe = false, with(2, Denied::Subscribe)),
            (|grants| grants.data = false, with(3, Denied::Data)),
            (
                |grants| grants.streams = vec![Pattern::parse("other").unwrap()],
                [Ok(()), Err(Denied::Stream), Err(Denied::Stream), Ok(())],
            ),
        ];
        for (change, expected) in cases {
            let mut grants = all();
            change(&mut grants);
            assert_eq!(actions.map(|action| grants.check("demo-1", action)), expected, "{grants:?}");
        }
    }
}

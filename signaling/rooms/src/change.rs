//! Owns changes of a session that goes on: new offers, muting, ICE restarts.

use chappe_sfu_api::{Command, IceCredentials, Media, SessionId};

use crate::effect::{Effect, StreamNotice};
use crate::error::RoomError;
use crate::moderation::keep_moderated;
use crate::note::{Note, Role};
use crate::registry::Registry;
use crate::session::SlotState;

/// The credentials of a session from before an ICE restart that its worker has not confirmed.
#[derive(Debug)]
pub struct IceBefore {
    session: SessionId,
    local: IceCredentials,
    remote: IceCredentials,
    /// Ours that the restart brought.
    attempted: IceCredentials,
}

impl Registry {
    /// A publisher's or viewer's new offer was answered: its m-lines are these from now on. The command for its
    /// worker comes apart, because the client waits for its outcome; it goes before the effects.
    pub fn renegotiate(
        &mut self,
        id: SessionId,
        mut media: Media,
        note: Note,
        mut shown: Vec<SlotState>,
    ) -> Result<(Command, Vec<Effect>), RoomError> {
        let before = self.sessions.get(&id).ok_or(RoomError::NoSuchSession)?;
        self.keep_unheard(before, &mut media, &mut shown);
        let note = keep_moderated(before, &mut media, note);
        let (epoch, publishes) = (before.epoch, before.publishes());
        let text = note.to_text()?;
        self.sessions.renegotiate(&id, media.clone(), note, shown);
        let set = Command::SetMedia { session: id, epoch, media, note: text };
        let mut effects = Vec::new();
        if !publishes {
            return Ok((set, effects));
        }
        if let Some((room, name, stream)) = self.published_by(id) {
            let active = stream.active();
            if let Some(stream) = self.stream_of(id, &active) {
                self.put_stream(&room, &name, stream);
            }
            effects.push(Effect::Announce(room.clone(), name.clone()));
            effects.push(Effect::TellRoom(room.clone(), StreamNotice::Changed(name.clone())));
            effects.extend(self.reattach(&room, &name));
        }
        Ok((set, effects))
    }

    /// RFC 9725 section 4.3.2: both sides have new credentials. The command for the worker comes with the way
    /// back, for when it is refused.
    pub fn restart_ice(
        &mut self,
        id: SessionId,
        local_ice: IceCredentials,
        remote_ice: IceCredentials,
    ) -> Result<(Command, IceBefore), RoomError> {
        let session = self.sessions.get_mut(&id).ok_or(RoomError::NoSuchSession)?;
        let note = session.note.to_text()?;
        let before = IceBefore {
            session: id,
            local: std::mem::replace(&mut session.local_ice, local_ice.clone()),
            remote: std::mem::replace(&mut session.remote_ice, remote_ice.clone()),
            attempted: local_ice.clone(),
        };
        Ok((Command::RestartIce { session: id, epoch: session.epoch, local_ice, remote_ice, note }, before))
    }

    /// The worker did not restart: the old credentials and the old ETag hold, so that the client's next attempt
    /// is a restart again. A later restart that is under way already stays.
    pub fn undo_restart_ice(&mut self, before: IceBefore) {
        if let Some(session) = self.sessions.get_mut(&before.session)
            && session.local_ice == before.attempted
        {
            (session.local_ice, session.remote_ice) = (before.local, before.remote);
        }
    }

    /// A publisher mutes or unmutes one of its tracks. The note remembers it, so that it survives signaling.
    pub fn mute(&mut self, id: SessionId, mid: &str, muted: bool) -> Result<Vec<Effect>, RoomError> {
        let Some((room, name, stream)) = self.published_by(id) else {
            return Err(RoomError::NoSuchSession);
        };
        let Some(track) = stream.tracks.iter_mut().find(|track| track.mid == mid) else {
            return Err(RoomError::NoSuchMid(mid.to_owned()));
        };
        if track.moderated && !muted {
            return Err(RoomError::Moderated);
        }
        if std::mem::replace(&mut track.muted, muted) == muted && !track.moderated {
            return Ok(Vec::new());
        }
        let session = self.sessions.get_mut(&id).ok_or(RoomError::NoSuchSession)?;
        if let Role::Publish { muted: list, .. } = &mut session.note.role {
            list.retain(|known| known != mid);
            if muted {
                list.push(mid.to_owned());
            }
        }
        let (epoch, media, note) = (session.epoch, session.media.clone(), session.note.to_text()?);
        let set = Command::SetMedia { session: id, epoch, media, note };
        let announce = Effect::Announce(room.clone(), name.clone());
        Ok(vec![Effect::Command(session.worker, set), announce, Effect::TellRoom(room, StreamNotice::Changed(name))])
    }
}

//! Owns what a viewer gets of what it watches, as its page shows it. Never numbers or seals a packet.

use crate::keys::{SenderKey, SessionKey};
use crate::readers::{Parts, Readers};

impl Readers {
    /// Something new is known of a viewer's page.
    pub(super) fn adapt(&mut self, session: SessionKey, parts: &mut Parts<'_>) {
        let count = parts.clients.get(session).map_or(0, |session| session.delivery.senders.len());
        for line in 0..count {
            let viewer = SenderKey::of(session, line);
            let Some(sender) = parts.clients.sender(viewer) else { continue };
            let (is_hidden, is_fed, has_source) =
                (sender.is_hidden(), sender.layer.is_some(), sender.spec.source.is_some());
            if is_hidden && is_fed {
                self.hide(viewer, parts);
            } else if !is_hidden && !is_fed && has_source {
                let spec = sender.spec.clone();
                self.follow(viewer, spec, parts);
            }
        }
    }
}

//! Owns what a page says of how it shows what it watches: whether that is sensible, and its way to the worker. Keeps
//! nothing of it: a page says it again with each session.

use chappe_sfu_api::{Command, SessionId, Tile};
use chappe_signaling_rooms::{MemberId, Role, RoomError, Slot};

use crate::cluster::message::NodeRequest;
use crate::refusal::{BadView, Refusal, TILE_EDGE_MAX};
use crate::service::Service;

impl Service {
    /// How a page shows what one of its own sessions watches.
    pub async fn show_own(&self, id: SessionId, member: MemberId, tiles: Vec<Tile>) -> Result<(), Refusal> {
        match self.elsewhere(id) {
            Some(node) => self.ask(&node, NodeRequest::View { session: id, member, tiles }).await.map(drop),
            None => self.show_here(id, member, tiles).await,
        }
    }

    pub(crate) async fn show_here(&self, id: SessionId, member: MemberId, tiles: Vec<Tile>) -> Result<(), Refusal> {
        let waiting = {
            let state = self.state();
            self.own_session(&state, id, member)?;
            let session = state.registry.session(id).ok_or(RoomError::NoSuchSession)?;
            let Role::Watch { slots, .. } = &session.note.role else { return Err(BadView::Publishes.into()) };
            check(&tiles, slots)?;
            self.link(session.worker)?.request(Command::SetView { session: id, epoch: session.epoch, tiles })
        };
        waiting.reply().await?;
        Ok(())
    }
}

/// Each tile is of an m-line that is watched, once, and of a size that a screen has.
fn check(tiles: &[Tile], slots: &[Slot]) -> Result<(), BadView> {
    for (at, tile) in tiles.iter().enumerate() {
        let mid = || tile.mid.clone();
        if !slots.iter().any(|slot| slot.mid == tile.mid) {
            return Err(BadView::UnknownMid(mid()));
        }
        if tiles.iter().take(at).any(|other| other.mid == tile.mid) {
            return Err(BadView::Twice(mid()));
        }
        if tile.width > TILE_EDGE_MAX || tile.height > TILE_EDGE_MAX {
            return Err(BadView::TooLarge { mid: mid(), width: tile.width, height: tile.height });
        }
        if tile.priority == 0 {
            return Err(BadView::NoPriority(mid()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chappe_signaling_rooms::{StreamName, TrackChoice};

    use super::*;

    fn tile(mid: &str) -> Tile {
        let priority = Tile::PRIORITY_USUAL;
        Tile { mid: mid.to_owned(), width: 640, height: 360, visible: true, pinned: false, priority }
    }

    #[test]
    fn a_view_that_is_not_sensible_says_what_is_wrong() {
        let stream = StreamName::parse("camera").expect("a name");
        let slots = [Slot { mid: "0".to_owned(), stream, track: TrackChoice::Video(0), height_max: None }];
        let said = |tiles: &[Tile]| check(tiles, &slots).map_err(|bad| bad.to_string());
        assert_eq!(said(&[tile("0")]), Ok(()));
        assert_eq!(said(&[]), Ok(()));
        let unknown = "tile `7` is none of the m-lines that this session watches";
        assert_eq!(said(&[tile("7")]), Err(unknown.to_owned()));
        assert_eq!(said(&[tile("0"), tile("0")]), Err("tile `0` is there twice".to_owned()));
        let large = Tile { width: 20_000, ..tile("0") };
        let message = "tile `0` is 20000x360 pixels: at most 16384 each are believed";
        assert_eq!(said(&[large]), Err(message.to_owned()));
        let unimportant = Tile { priority: 0, ..tile("0") };
        assert!(said(&[unimportant]).is_err_and(|message| message.contains("visible: false")));
    }
}

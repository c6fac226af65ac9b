//! Owns the way of a command from the control socket to the core, for the fuzz target: cut into lines, parsed, judged,
//! translated and carried out. Never answers.

use std::sync::OnceLock;

use chappe_sfu_api::{Boot, Command, LINE_BYTES_MAX, Request};
use chappe_sfu_core::{Certificate, DropReason, LOUDEST_DEFAULT, Sfu, SfuConfig};

use crate::control::LineReader;
use crate::media::read_clock;
use crate::validate::Objection;
use crate::{translate, validate};

/// Panics if the core contained a panic.
pub fn control_lines(bytes: &[u8]) {
    static CERTIFICATE: OnceLock<Option<Certificate>> = OnceLock::new();
    let Some(certificate) = CERTIFICATE.get_or_init(|| Certificate::generate().ok()).clone() else { return };
    let mut core = Sfu::new(SfuConfig { certificate, sessions_max: 8, loudest: LOUDEST_DEFAULT, seed: 1 });
    let mut reader = LineReader::default();
    for piece in bytes.chunks(PIECE_BYTES) {
        reader.push(piece);
        while let Ok(Some(line)) = reader.next_line(LINE_BYTES_MAX) {
            if let Ok(Request { command, .. }) = serde_json::from_slice(line) {
                let _ = execute(&mut core, command);
            }
            core.handle_timeout(read_clock());
            core.flush(read_clock());
            core.egress().clear();
        }
    }
    assert_eq!(core.counters().dropped(DropReason::SessionFault), 0, "a panic was contained");
}

fn execute(core: &mut Sfu, command: Command) -> Result<(), Objection> {
    let now = read_clock();
    let done = match command {
        Command::OpenSession(spec) => {
            validate::session(&spec)?;
            core.open_session(now, translate::spec_to_core(&spec)?)
        }
        Command::SetMedia { session, epoch, media, note } => {
            validate::media(&media)?;
            validate::note(&note)?;
            let (id, epoch) = (translate::session_to_core(session), translate::epoch_to_core(epoch));
            core.set_media(now, id, epoch, translate::media_to_core(&media))
        }
        Command::RestartIce { session, epoch, local_ice, remote_ice, .. } => {
            validate::ice("local_ice", &local_ice)?;
            validate::ice("remote_ice", &remote_ice)?;
            let (id, epoch) = (translate::session_to_core(session), translate::epoch_to_core(epoch));
            core.restart_ice(now, id, epoch, translate::ice_to_core(&local_ice), translate::ice_to_core(&remote_ice))
        }
        Command::CloseSession { session, epoch, reason } => {
            let (id, epoch) = (translate::session_to_core(session), translate::epoch_to_core(epoch));
            core.close_session(now, id, epoch, translate::close_reason_to_core(reason))
        }
        Command::SetView { session, epoch, tiles } => {
            validate::tiles(&tiles)?;
            let (id, epoch) = (translate::session_to_core(session), translate::epoch_to_core(epoch));
            core.set_view(now, id, epoch, tiles.iter().map(translate::tile_to_core))
        }
        Command::RequestKeyframe { track } => core.request_keyframe(now, translate::track_to_core(track)),
        Command::SetPeer(spec) => core.set_peer(now, translate::peer_to_core(&spec, OWN)),
        Command::RemovePeer { peer } => {
            core.remove_peer(now, translate::boot_to_core(peer));
            Ok(())
        }
        Command::SetOrigin(spec) => core.set_origin(now, translate::origin_to_core(spec)),
        Command::RemoveOrigin { track } => {
            core.remove_origin(now, translate::track_to_core(track));
            Ok(())
        }
        Command::ReleaseRelays => {
            core.release_children(now);
            Ok(())
        }
        Command::SessionStats { session } => {
            let stats = core.session_stats(translate::session_to_core(session));
            let _ = stats.map(|stats| translate::stats_to_api(stats, None));
            Ok(())
        }
        // Sets media that was judged before, with other sources.
        Command::PointTracks { .. }
        | Command::Snapshot
        | Command::Relays
        | Command::Drain { .. }
        | Command::CancelDrain => Ok(()),
    };
    done.map_err(|error| translate::error_to_api(error).message)
}

const OWN: Boot = Boot(1);
/// What a read may give.
const PIECE_BYTES: usize = 100;

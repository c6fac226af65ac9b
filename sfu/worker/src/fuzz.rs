//! Owns the way of a command from the control socket to the core, for the fuzz target: cut into lines, parsed, judged,
//! translated and carried out. Never answers.

use std::sync::OnceLock;

use chappe_sfu_api::{Boot, Command, LINE_BYTES_MAX, WorkerRequest};
use chappe_sfu_core::{Certificate, DropReason, LOUDEST_DEFAULT, Sfu, SfuConfig};

use crate::control::LineReader;
use crate::media::read_clock;
use crate::translate::{IntoApi as _, ToCore as _};
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
            if let Ok(WorkerRequest { command, .. }) = serde_json::from_slice(line) {
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
            let (id, epoch) = (session.to_core(), epoch.to_core());
            core.set_media(now, id, epoch, media.to_core())
        }
        Command::RestartIce { session, epoch, local_ice, remote_ice, .. } => {
            validate::ice("local_ice", &local_ice)?;
            validate::ice("remote_ice", &remote_ice)?;
            let (id, epoch) = (session.to_core(), epoch.to_core());
            core.restart_ice(now, id, epoch, local_ice.to_core(), remote_ice.to_core())
        }
        Command::CloseSession { session, epoch, reason } => {
            let (id, epoch) = (session.to_core(), epoch.to_core());
            core.close_session(now, id, epoch, reason.to_core())
        }
        Command::SetView { session, epoch, tiles } => {
            validate::tiles(&tiles)?;
            let (id, epoch) = (session.to_core(), epoch.to_core());
            core.set_view(now, id, epoch, tiles.iter().map(translate::tile_to_core))
        }
        Command::RequestKeyframe { track } => core.request_keyframe(now, track.to_core()),
        Command::SetPeer(spec) => core.set_peer(now, translate::peer_to_core(&spec, OWN)),
        Command::RemovePeer { peer } => {
            core.remove_peer(now, peer.to_core());
            Ok(())
        }
        Command::SetOrigin(spec) => core.set_origin(now, spec.to_core()),
        Command::RemoveOrigin { track } => {
            core.remove_origin(now, track.to_core());
            Ok(())
        }
        Command::ReleaseRelays => {
            core.release_children(now);
            Ok(())
        }
        Command::SessionStats { session } => {
            let stats = core.session_stats(session.to_core());
            let _ = stats.into_api();
            Ok(())
        }
        // Sets media that was judged before, with other sources.
        Command::PointTracks { .. }
        | Command::Snapshot
        | Command::Relays
        | Command::Drain { .. }
        | Command::CancelDrain => Ok(()),
    };
    done.map_err(|error| error.into_api().message)
}

const OWN: Boot = Boot(1);
/// What a read may give.
const PIECE_BYTES: usize = 100;

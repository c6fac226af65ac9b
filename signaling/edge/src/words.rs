//! Owns the words of our protocols for what sessions are and show. Never decides what is said.

use chappe_signaling_rooms::{LostReason, Showing, TrackChoice};

pub fn lost_reason(reason: LostReason) -> &'static str {
    match reason {
        LostReason::WorkerDied => "worker_died",
        LostReason::Expired => "expired",
        LostReason::Failed => "failed",
        LostReason::Moved => "moved",
        LostReason::TakenOver => "taken_over",
        LostReason::Ended => "ended",
        LostReason::TokenExpired => "token_expired",
        LostReason::TokenRevoked => "token_revoked",
    }
}

pub fn showing(showing: &Showing) -> &'static str {
    match showing {
        Showing::Live => "live",
        Showing::Waiting => "waiting",
        Showing::Unsupported(_) => "unsupported",
    }
}

pub fn track_choice(choice: &TrackChoice) -> &str {
    match choice {
        TrackChoice::Audio(_) => "audio",
        TrackChoice::Video(_) => "video",
        TrackChoice::Mid(mid) => mid,
    }
}

pub fn parse_track_choice(text: &str) -> TrackChoice {
    match text {
        "audio" => TrackChoice::Audio(0),
        "video" => TrackChoice::Video(0),
        mid => TrackChoice::Mid(mid.to_owned()),
    }
}

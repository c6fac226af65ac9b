
pub mod sdp;

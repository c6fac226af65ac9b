//! How much there may be of what clients can make, as far as the operator says it; in the plan of a node and among the
//! arguments of its signaling process.

/// None: as much as signaling chooses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub struct Caps {
    #[arg(long)]
    pub rooms_max: Option<u32>,
    #[arg(long)]
    pub members_max: Option<u32>,
    #[arg(long)]
    pub members_per_room: Option<u32>,
    #[arg(long)]
    pub streams_per_room: Option<u32>,
}

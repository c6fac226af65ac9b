//! Owns the shape of the tree in which a track spreads: who of those that ask is served here and who is sent
//! on to a child. A pure decision. Never sends.

use crate::spec::PeerId;

/// A worker that gets the track from here, as far as it matters to the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    pub peer: PeerId,
    /// Workers that were sent on to it.
    pub redirected: u32,
    /// It lives, is served, and is to stay.
    pub takes_more: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// We are.
    Here,
    /// The child at this place.
    Child(usize),
    /// Nobody can be.
    None,
}

/// Where `joiner` gets the track. Whoever was sent the fewest gets the next, the first among equals, so that
/// the children fill up in turn. A joiner is never sent to itself, nor back to whom it `leaves`.
pub fn decide_parent(children: &[Child], joiner: PeerId, leaves: Option<PeerId>) -> Parent {
    if children.len() < CHILDREN_MAX {
        return Parent::Here;
    }
    let may = |child: &&(usize, &Child)| child.1.takes_more && child.1.peer != joiner && Some(child.1.peer) != leaves;
    let children = children.iter().enumerate();
    let fewest = children.filter(|child| may(&child)).min_by_key(|(_, child)| child.redirected);
    fewest.map_or(Parent::None, |(at, _)| Parent::Child(at))
}

/// Workers that get one track from here: with 1,200 packets/s of a good picture that is a fifth of what one
/// core forwards.
pub const CHILDREN_MAX: usize = 16;
/// Hops from the publisher's worker to the last one: 16 + 16² + 16³ + 16⁴ workers.
pub const DEPTH_MAX: u8 = 4;

#[cfg(test)]
mod tests;

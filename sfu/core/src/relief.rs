//! Owns what a worker gives up of what its viewers get while it has more to send than its core can. Never decides that it
//! has, and never holds back sound.

/// Layers that nobody gets, of those sources that send several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Relief {
    #[default]
    None,
    NotTheTop,
    LowestOnly,
}

impl Relief {
    /// How many of the layers that a viewer could have it may have.
    pub(crate) fn layers_of(self, count: usize) -> usize {
        match self {
            Relief::None => count,
            Relief::NotTheTop => count.saturating_sub(1).max(count.min(1)),
            Relief::LowestOnly => count.min(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_one_layer_keeps_it() {
        let of = |relief: Relief| [0, 1, 2, 3].map(|count| relief.layers_of(count));
        assert_eq!(of(Relief::None), [0, 1, 2, 3]);
        assert_eq!(of(Relief::NotTheTop), [0, 1, 1, 2]);
        assert_eq!(of(Relief::LowestOnly), [0, 1, 1, 1]);
    }
}

//! Owns the target of HTTP: a request of anybody's at a door of a node that has no worker. What it says of its client, of
//! the names that it is for and of what it takes is read as the listeners read it.

use chappe_signaling_edge::FuzzDoors;
use chappe_signaling_service::harness::lone_node;

pub(crate) fn run(bytes: &[u8]) {
    answered(bytes);
}

/// The status of the answer. None: hyper would have refused it, or it waits.
fn answered(bytes: &[u8]) -> Option<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (service, _) = lone_node(0);
        FuzzDoors::of(&service).knock(bytes).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::corpus;

    /// Or changes of it would never come past the first line.
    #[test]
    fn the_corpus_is_answered_in_every_way_that_the_doors_know() {
        let corpus = corpus(&crate::target("doors").expect("a target")).expect("a corpus");
        let answered: Vec<u16> = corpus.iter().filter_map(|input| answered(input)).collect();
        assert_eq!(answered.len(), corpus.len(), "{answered:?}");
        for status in [200, 202, 204, 304, 308, 400, 401, 403, 404, 415] {
            assert!(answered.contains(&status), "{status} is not in {answered:?}");
        }
    }
}

//! What an engine promises, asked of both. Each claim gets two nodes: one engine that two share, or two connections to
//! a server that the test starts.

mod messages;
mod store;
mod watches;

use std::sync::Arc;

use crate::support;
use crate::support::server::Server;
use chappe_engine::{Embedded, Engine};

/// Two nodes of one cluster.
pub struct Nodes {
    pub a: Arc<dyn Engine>,
    pub b: Arc<dyn Engine>,
    _server: Option<Server>,
}

impl Nodes {
    fn embedded() -> Nodes {
        let engine = Embedded::new();
        Nodes { a: engine.clone(), b: engine, _server: None }
    }

    async fn nats() -> Nodes {
        let server = Server::start();
        let (a, b) = (support::connected(&server.url()).await, support::connected(&server.url()).await);
        Nodes { a, b, _server: Some(server) }
    }
}

macro_rules! for_both_engines {
    ($($group:ident: $($claim:ident)*;)*) => {
        mod embedded {
            $($(#[tokio::test] async fn $claim() { super::$group::$claim(super::Nodes::embedded()).await; })*)*
        }
        mod nats {
            $($(#[tokio::test] async fn $claim() { super::$group::$claim(super::Nodes::nats().await).await; })*)*
        }
    };
}

for_both_engines! {
    store:
        what_was_created_is_read_by_all
        a_key_is_created_once
        an_update_needs_the_revision_it_replaces
        a_later_write_has_a_higher_revision
        what_was_deleted_can_be_created_again
        a_deletion_may_expect_a_revision
        of_many_who_create_one_key_one_does
        of_many_who_update_one_revision_one_does
        names_that_look_alike_are_different_keys
        a_value_may_be_empty_or_large_but_not_too_large;
    watches:
        a_watch_begins_with_all_there_is_and_goes_on_in_order
        a_watch_of_nothing_is_synced_at_once
        a_watch_sees_what_is_below_its_prefix_only
        a_watch_of_everything_sees_every_key
        deletions_are_told_and_not_remembered
        a_deletion_of_nothing_is_told_to_nobody
        a_slow_watcher_is_told_the_last_of_each_key
        a_watch_ends_with_its_receiver
        a_bad_prefix_is_refused;
    messages:
        a_request_to_nobody_fails_at_once
        a_request_is_answered_by_the_node_it_names
        many_requests_are_answered_each_by_its_own
        requests_to_a_name_that_two_serve_go_to_one_of_them
        an_unanswered_request_ends_in_time
        whoever_stops_serving_is_not_there
        large_requests_and_replies_arrive
        a_subscriber_gets_what_is_published_in_order
        a_subscriber_gets_its_own_messages
        messages_go_to_their_subject_only
        a_subscription_ends_with_its_receiver
        a_subscriber_that_sleeps_loses_the_oldest_which_are_counted
        what_is_too_large_is_refused
        bad_names_are_refused
        an_engine_with_servers_is_up;
}

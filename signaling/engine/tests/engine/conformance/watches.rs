//! Claims about watches.

use std::collections::BTreeMap;

use chappe_engine::{BadStoreName, Change, EngineError, KeyValue};

use super::Nodes;
use crate::support::{bytes, key, next, soon, until_synced};

pub async fn a_watch_begins_with_all_there_is_and_goes_on_in_order(nodes: Nodes) {
    let mut expected = Vec::new();
    for name in ["s/b", "s/a", "s/c"] {
        let revision = nodes.a.create(&key(name), bytes(name)).await.unwrap();
        expected.push(Change::Put(KeyValue { key: key(name), value: bytes(name), revision }));
    }
    expected.push(Change::Synced);
    let mut watch = nodes.b.watch("s").await.unwrap();
    for change in expected {
        assert_eq!(next("what was there", &mut watch).await, change);
    }
    // One after the other, so that none takes the place of another.
    let mut last = None;
    for number in 0..20 {
        let name = key(&format!("s/{}", number % 3));
        let value = bytes(number.to_string());
        let revision = match nodes.a.get(&name).await.unwrap() {
            None => nodes.a.create(&name, value.clone()).await.unwrap(),
            Some(entry) => nodes.a.update(&name, value.clone(), entry.revision).await.unwrap(),
        };
        let change = next("a change", &mut watch).await;
        assert_eq!(change, Change::Put(KeyValue { key: name, value, revision }));
        assert!(last < Some(revision));
        last = Some(revision);
    }
}

pub async fn a_watch_of_nothing_is_synced_at_once(nodes: Nodes) {
    let mut watch = nodes.a.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, []);
    nodes.b.create(&key("s/a"), bytes("v")).await.unwrap();
    assert!(matches!(next("the first value", &mut watch).await, Change::Put(_)));
}

pub async fn a_watch_sees_what_is_below_its_prefix_only(nodes: Nodes) {
    for name in ["s/room/a", "s/room", "s/room2/a", "s/roo", "t/room/a", "s/room/b/c"] {
        nodes.a.create(&key(name), bytes(name)).await.unwrap();
    }
    let below = vec![("s/room/a".to_owned(), bytes("s/room/a")), ("s/room/b/c".to_owned(), bytes("s/room/b/c"))];
    let mut watch = nodes.b.watch("s/room").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, below);
    assert_eq!(until_synced(&mut nodes.b.watch("s/room/").await.unwrap()).await, below);
    for name in ["s/room3", "u", "s/room/new"] {
        nodes.a.create(&key(name), bytes("v")).await.unwrap();
    }
    match next("the new key", &mut watch).await {
        Change::Put(entry) => assert_eq!(entry.key, key("s/room/new")),
        other => panic!("{other:?}"),
    }
}

pub async fn a_watch_of_everything_sees_every_key(nodes: Nodes) {
    for name in ["a", "b/c", "d.e"] {
        nodes.a.create(&key(name), bytes(name)).await.unwrap();
    }
    assert_eq!(until_synced(&mut nodes.b.watch("").await.unwrap()).await.len(), 3);
}

pub async fn deletions_are_told_and_not_remembered(nodes: Nodes) {
    let first = nodes.a.create(&key("s/a"), bytes("v")).await.unwrap();
    nodes.a.create(&key("s/b"), bytes("v")).await.unwrap();
    let mut watch = nodes.b.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await.len(), 2);
    nodes.a.delete(&key("s/a"), None).await.unwrap();
    match next("the deletion", &mut watch).await {
        Change::Deleted { key: name, revision } => assert!(name == key("s/a") && revision > first),
        other => panic!("{other:?}"),
    }
    let left = until_synced(&mut nodes.b.watch("s").await.unwrap()).await;
    assert_eq!(left, [("s/b".to_owned(), bytes("v"))]);
}

pub async fn a_deletion_of_nothing_is_told_to_nobody(nodes: Nodes) {
    let mut watch = nodes.b.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, []);
    nodes.a.delete(&key("s/a"), None).await.unwrap();
    nodes.a.create(&key("s/b"), bytes("v")).await.unwrap();
    assert!(matches!(next("the value", &mut watch).await, Change::Put(_)));
}

/// More writes than wait anywhere: the store keeps what the watcher has not taken.
pub async fn a_slow_watcher_is_told_the_last_of_each_key(nodes: Nodes) {
    let mut watch = nodes.b.watch("s").await.unwrap();
    assert_eq!(until_synced(&mut watch).await, []);
    let names = ["s/0", "s/1", "s/2"].map(key);
    let mut revisions = Vec::new();
    for name in &names {
        revisions.push(nodes.a.create(name, bytes("first")).await.unwrap());
    }
    for number in 0..600 {
        let which = number % 3;
        let value = bytes(number.to_string());
        revisions[which] = nodes.a.update(&names[which], value, revisions[which]).await.unwrap();
    }
    nodes.a.create(&key("s/last"), bytes("last")).await.unwrap();
    let mut known = BTreeMap::new();
    let mut last_revision = None;
    while !known.contains_key("s/last") {
        match next("the last key", &mut watch).await {
            Change::Put(entry) => {
                assert!(last_revision < Some(entry.revision), "out of order");
                last_revision = Some(entry.revision);
                known.insert(entry.key.to_string(), entry.value);
            }
            other => panic!("{other:?}"),
        }
    }
    let values: Vec<_> = known.into_values().collect();
    assert_eq!(values, ["597", "598", "599", "last"].map(bytes));
}

pub async fn a_watch_ends_with_its_receiver(nodes: Nodes) {
    let watch = nodes.a.watch("s").await.unwrap();
    drop(watch);
    // The engine is as it was.
    nodes.a.create(&key("s/a"), bytes("v")).await.unwrap();
    let mut watch = nodes.a.watch("s").await.unwrap();
    assert_eq!(soon("the value", until_synced(&mut watch)).await.len(), 1);
}

pub async fn a_bad_prefix_is_refused(nodes: Nodes) {
    for (prefix, why) in [
        ("/", BadStoreName::EmptySegment),
        ("a//b", BadStoreName::EmptySegment),
        (">", BadStoreName::Character { found: '>' }),
    ] {
        match nodes.a.watch(prefix).await {
            // A slash at the end changes nothing: this is everything.
            Ok(_) => assert_eq!(prefix, "/"),
            Err(error) => assert_eq!(error, EngineError::BadStoreName(why)),
        }
    }
}

//! Claims about the store.

use std::collections::BTreeSet;

use bytes::Bytes;
use chappe_engine::EngineError::{Conflict, Exists, TooLarge};
use chappe_engine::{KeyValue, PAYLOAD_BYTES_MAX, Revision};

use super::Nodes;
use crate::support::{bytes, key};

pub async fn what_was_created_is_read_by_all(nodes: Nodes) {
    let name = key("streams/room/camera.1");
    assert_eq!(nodes.a.get(&name).await, Ok(None));
    let revision = nodes.a.create(&name, bytes("v")).await.unwrap();
    let entry = KeyValue { key: name.clone(), value: bytes("v"), revision };
    assert_eq!(nodes.a.get(&name).await, Ok(Some(entry.clone())));
    assert_eq!(nodes.b.get(&name).await, Ok(Some(entry)));
}

pub async fn a_key_is_created_once(nodes: Nodes) {
    nodes.a.create(&key("k"), bytes("first")).await.unwrap();
    assert_eq!(nodes.b.create(&key("k"), bytes("second")).await, Err(Exists));
    assert_eq!(nodes.a.get(&key("k")).await.unwrap().unwrap().value, bytes("first"));
}

pub async fn an_update_needs_the_revision_it_replaces(nodes: Nodes) {
    let name = key("k");
    assert_eq!(nodes.a.update(&name, bytes("v"), Revision(1)).await, Err(Conflict));
    assert_eq!(nodes.a.update(&name, bytes("v"), Revision(0)).await, Err(Conflict));
    let first = nodes.a.create(&name, bytes("1")).await.unwrap();
    let second = nodes.b.update(&name, bytes("2"), first).await.unwrap();
    assert_eq!(nodes.a.update(&name, bytes("late"), first).await, Err(Conflict));
    assert_eq!(nodes.a.get(&name).await.unwrap().unwrap(), KeyValue { key: name, value: bytes("2"), revision: second });
}

pub async fn a_later_write_has_a_higher_revision(nodes: Nodes) {
    let mut last = Revision(0);
    for number in 0..5 {
        let created = nodes.a.create(&key(&format!("a/{number}")), bytes("1")).await.unwrap();
        let updated = nodes.b.update(&key(&format!("a/{number}")), bytes("2"), created).await.unwrap();
        assert!(last < created && created < updated);
        last = updated;
    }
}

pub async fn what_was_deleted_can_be_created_again(nodes: Nodes) {
    let name = key("k");
    nodes.a.delete(&name, None).await.unwrap();
    for round in ["1", "2", "3"] {
        let revision = nodes.a.create(&name, bytes(round)).await.unwrap();
        nodes.b.delete(&name, None).await.unwrap();
        assert_eq!(nodes.a.get(&name).await, Ok(None));
        assert_eq!(nodes.a.update(&name, bytes("late"), revision).await, Err(Conflict));
        nodes.b.delete(&name, None).await.unwrap();
    }
}

pub async fn a_deletion_may_expect_a_revision(nodes: Nodes) {
    let name = key("k");
    assert_eq!(nodes.a.delete(&name, Some(Revision(1))).await, Err(Conflict));
    let first = nodes.a.create(&name, bytes("1")).await.unwrap();
    let second = nodes.a.update(&name, bytes("2"), first).await.unwrap();
    assert_eq!(nodes.b.delete(&name, Some(first)).await, Err(Conflict));
    assert!(nodes.a.get(&name).await.unwrap().is_some());
    assert_eq!(nodes.b.delete(&name, Some(second)).await, Ok(()));
    assert_eq!(nodes.a.get(&name).await, Ok(None));
    assert_eq!(nodes.b.delete(&name, Some(second)).await, Err(Conflict));
}

pub async fn of_many_who_create_one_key_one_does(nodes: Nodes) {
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let engine = if number % 2 == 0 { nodes.a.clone() } else { nodes.b.clone() };
            tokio::spawn(async move { engine.create(&key("k"), bytes(number.to_string())).await })
        })
        .collect();
    let mut created = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(revision) => created.push((number, revision)),
            Err(error) => assert_eq!(error, Exists),
        }
    }
    let entry = nodes.a.get(&key("k")).await.unwrap().unwrap();
    assert_eq!(created.len(), 1);
    assert_eq!((bytes(created[0].0.to_string()), created[0].1), (entry.value, entry.revision));
}

pub async fn of_many_who_update_one_revision_one_does(nodes: Nodes) {
    let first = nodes.a.create(&key("k"), bytes("first")).await.unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let engine = if number % 2 == 0 { nodes.a.clone() } else { nodes.b.clone() };
            tokio::spawn(async move { engine.update(&key("k"), bytes(number.to_string()), first).await })
        })
        .collect();
    let mut updated = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => updated += 1,
            Err(error) => assert_eq!(error, Conflict),
        }
    }
    assert_eq!(updated, 1);
}

pub async fn names_that_look_alike_are_different_keys(nodes: Nodes) {
    let names =
        ["a/b", "a.b", "a-b", "a_b", "ab", "A/b", "a/b.", "a/.b", "a/b/c", "a.b/c", "a/b.c", "a..b", "a", "-", "."];
    for name in names {
        nodes.a.create(&key(name), bytes(name)).await.unwrap();
    }
    for name in names {
        assert_eq!(nodes.b.get(&key(name)).await.unwrap().unwrap().value, bytes(name));
    }
    let mut watch = nodes.b.watch("").await.unwrap();
    let told: BTreeSet<String> =
        crate::support::until_synced(&mut watch).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(told, names.map(str::to_owned).into());
}

pub async fn a_value_may_be_empty_or_large_but_not_too_large(nodes: Nodes) {
    let empty = nodes.a.create(&key("k"), Bytes::new()).await.unwrap();
    assert_eq!(nodes.b.get(&key("k")).await.unwrap().unwrap().value, Bytes::new());
    let large = Bytes::from(vec![0xC7; PAYLOAD_BYTES_MAX]);
    let revision = nodes.a.update(&key("k"), large.clone(), empty).await.unwrap();
    assert_eq!(nodes.b.get(&key("k")).await.unwrap().unwrap().value, large);
    let too_large = Bytes::from(vec![0; PAYLOAD_BYTES_MAX + 1]);
    let refusal = TooLarge { bytes: PAYLOAD_BYTES_MAX + 1, bytes_max: PAYLOAD_BYTES_MAX };
    assert_eq!(nodes.a.update(&key("k"), too_large.clone(), revision).await, Err(refusal.clone()));
    assert_eq!(nodes.a.create(&key("other"), too_large).await, Err(refusal));
    assert_eq!(nodes.b.get(&key("k")).await.unwrap().unwrap().revision, revision);
}

//! Owns the agreement of all nodes on the secret that relays between them are keyed with. Never derives a key.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chappe_engine::{Change, EngineError, Key};
use chappe_signaling_service::{RelaySecret, Service};
use tracing::{debug, info};

/// Keeps to the secret that the store has, for as long as the process lives. The first node draws it. A store that lost
/// it, such as one that came back empty, is given it back by whoever knows it, so that nodes and signaling processes
/// that start later have the one that relays are keyed with. If two secrets were drawn, the one that is stored holds.
pub async fn agree_on_secret(service: Arc<Service>) {
    if service.cluster.alone {
        return;
    }
    let key = Key::parse("relay/secret").expect("a name of ours");
    let mut own: Option<Bytes> = None;
    let mut pause = PAUSE_MIN;
    loop {
        match follow(&service, &key, &mut own).await {
            Ok(()) => pause = PAUSE_MIN,
            Err(error) => debug!(%error, "the secret for relays between nodes is not settled yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Until the watch ends, or the store fails.
async fn follow(service: &Service, key: &Key, own: &mut Option<Bytes>) -> Result<(), EngineError> {
    let mut changes = service.cluster.engine.watch("relay").await?;
    let mut is_stored = false;
    while let Some(change) = changes.recv().await {
        match change {
            Change::Put(entry) if entry.key == *key => {
                is_stored = true;
                adopt(service, own, entry.value);
            }
            Change::Reset => is_stored = false,
            Change::Synced if !is_stored => store(service, key, own.as_ref()).await?,
            Change::Deleted { key: gone, .. } if gone == *key => store(service, key, own.as_ref()).await?,
            Change::Put(_) | Change::Synced | Change::Deleted { .. } => {}
        }
    }
    Ok(())
}

fn adopt(service: &Service, own: &mut Option<Bytes>, secret: Bytes) {
    if own.as_ref() == Some(&secret) {
        return;
    }
    info!("the cluster's relays have their secret");
    service.set_relay_secret(RelaySecret::new(&secret));
    *own = Some(secret);
}

/// What is stored in the end is told by the watch.
async fn store(service: &Service, key: &Key, own: Option<&Bytes>) -> Result<(), EngineError> {
    let secret = match own {
        Some(own) => own.clone(),
        None => {
            tokio::time::sleep(OTHERS_FIRST).await;
            Bytes::from(rand::random::<[u8; SECRET_BYTES]>().to_vec())
        }
    };
    match service.cluster.engine.create(key, secret).await {
        Ok(_) | Err(EngineError::Exists) => Ok(()),
        Err(error) => Err(error),
    }
}

const SECRET_BYTES: usize = 32;
/// In an empty store those who know the secret put it back within milliseconds; a new one is for a new cluster.
const OTHERS_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use chappe_engine::{Embedded, Engine};
    use chappe_sfu_api::{Boot, RelayKey};

    use super::*;
    use chappe_signaling_service::harness;

    fn node(name: &str, engine: &Arc<Embedded>) -> Arc<Service> {
        let service = harness::node(name, 1, engine);
        tokio::spawn(agree_on_secret(Arc::clone(&service)));
        service
    }

    async fn key(service: &Service) -> RelayKey {
        loop {
            if let Some(secret) = service.cluster.secret() {
                return secret.key(Boot(1), Boot(2));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn stored(engine: &Arc<Embedded>) -> Bytes {
        engine.get(&Key::parse("relay/secret").unwrap()).await.unwrap().expect("it is stored").value
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_lost_the_secret_is_given_it_back() {
        let engine = Embedded::new();
        let (a, b) = (node("a", &engine), node("b", &engine));
        let before = key(&a).await;
        assert!(before == key(&b).await);
        let secret = stored(&engine).await;
        engine.delete(&Key::parse("relay/secret").unwrap(), None).await.unwrap();
        let late = node("c", &engine);
        assert!(before == key(&late).await, "who comes later has the same");
        assert_eq!(stored(&engine).await, secret);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_secrets_the_stored_one_holds() {
        let engine = Embedded::new();
        let a = node("a", &engine);
        let before = key(&a).await;
        let name = Key::parse("relay/secret").unwrap();
        let entry = engine.get(&name).await.unwrap().unwrap();
        engine.update(&name, Bytes::from_static(b"of the other half"), entry.revision).await.unwrap();
        let theirs = RelaySecret::new(b"of the other half").key(Boot(1), Boot(2));
        while key(&a).await == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(theirs == key(&a).await);
    }
}

//! Owns the making of the bucket and in how many copies the servers keep it. Never has fewer copies than it could for
//! longer than a minute.

use std::sync::Weak;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Bucket;
use crate::engine::Health;
use crate::error::EngineError;
use crate::nats::jetstream::{Failure, codes};

impl Bucket {
    /// Makes the bucket if it is not there.
    pub(in crate::nats) async fn ensure(&self) -> Result<(), EngineError> {
        let _making = self.making.lock().await;
        match self.describe().await {
            Ok(_) => return Ok(()),
            Err(failure) if failure.code() == Some(codes::STREAM_NOT_FOUND) => {}
            Err(failure) => return Err(failure.as_unavailable()),
        }
        for copies in copies_to_try(self.replicas) {
            match self.make(copies).await {
                Ok(Made {}) => {
                    tracing::info!(bucket = self.stream, copies, wanted = self.replicas, "made the cluster's store");
                    return Ok(());
                }
                // Somebody else was faster.
                Err(failure) if failure.code() == Some(codes::STREAM_NAME_EXISTS) => return Ok(()),
                Err(failure) if is_for_want_of_servers(&failure) => {}
                Err(failure) => return Err(failure.as_unavailable()),
            }
        }
        Err(EngineError::Unavailable("JetStream has no room for the store".to_owned()))
    }

    async fn make(&self, copies: u8) -> Result<Made, Failure> {
        let config = json!({
            "name": self.stream,
            "description": "What the nodes of a Chappe cluster share",
            "subjects": [format!("{}>", self.subjects)],
            "retention": "limits",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msg_size": -1,
            "max_consumers": -1,
            "storage": "file",
            "num_replicas": copies,
            "allow_rollup_hdrs": true,
            "deny_delete": true,
            // Reads by any replica would be faster and could be stale; whoever re-reads must see its own write.
            "allow_direct": false,
            "allow_msg_ttl": true,
            "first_seq": first_revision(SystemTime::now()),
        });
        self.jetstream.call(&format!("STREAM.CREATE.{}", self.stream), &config).await
    }

    /// Has the servers keep as many copies as are wanted, if they keep fewer and can.
    async fn add_copies(&self) -> Result<(), Failure> {
        let Described { mut config } = self.describe().await?;
        let copies = config["num_replicas"].as_u64().unwrap_or(u64::from(self.replicas));
        if copies >= u64::from(self.replicas) {
            return Ok(());
        }
        config["num_replicas"] = json!(self.replicas);
        let Made {} = self.jetstream.call(&format!("STREAM.UPDATE.{}", self.stream), &config).await?;
        tracing::info!(bucket = self.stream, copies = self.replicas, before = copies, "the store has more copies now");
        Ok(())
    }

    async fn describe(&self) -> Result<Described, Failure> {
        self.jetstream.call(&format!("STREAM.INFO.{}", self.stream), &json!({})).await
    }
}

/// A store that was made while servers were missing gets its copies when they are there.
pub(in crate::nats) async fn keep_up(bucket: Weak<Bucket>, mut health: watch::Receiver<Health>) {
    let mut pause = CHECK_AFTER_MIN;
    while health.wait_for(|health| *health == Health::Up).await.is_ok() {
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.75..=1.0))).await;
        pause = (2 * pause).min(CHECK_AFTER_MAX);
        let Some(bucket) = bucket.upgrade() else { return };
        // A server without a cluster keeps one copy, and says so each time it is asked for more.
        if bucket.replicas > 1
            && bucket.jetstream.is_clustered()
            && let Err(failure) = bucket.add_copies().await
        {
            tracing::debug!(?failure, "the store has no more copies than before");
        }
    }
}

const CHECK_AFTER_MIN: Duration = Duration::from_secs(2);
const CHECK_AFTER_MAX: Duration = Duration::from_secs(60);

/// As many as are wanted, else fewer; of an even number none more may be lost than of the odd one below.
fn copies_to_try(wanted: u8) -> impl Iterator<Item = u8> {
    (1..=wanted).rev().filter(move |copies| *copies == wanted || copies % 2 == 1)
}

/// Where revisions begin: at a number that no bucket before can have reached, because none takes a write each
/// microsecond. So a revision from before the data was lost is never mistaken for one of now.
fn first_revision(now: SystemTime) -> u64 {
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_micros()).unwrap_or(1).max(1)
}

fn is_for_want_of_servers(failure: &Failure) -> bool {
    matches!(failure.code(), Some(codes::REPLICAS_NOT_SUPPORTED | codes::NO_PEERS | codes::INSUFFICIENT_RESOURCES))
}

/// That it is no error is all that matters.
#[derive(Deserialize)]
struct Made {}

#[derive(Deserialize)]
struct Described {
    config: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_begin_higher_each_time_and_fit_into_json() {
        let day = Duration::from_secs(86_400);
        let (now, later) = (SystemTime::UNIX_EPOCH + day * 20_000, SystemTime::UNIX_EPOCH + day * 50_000);
        assert!(first_revision(now) < first_revision(now + Duration::from_millis(1)));
        assert!(first_revision(later) < 1 << 53);
        assert_eq!(first_revision(SystemTime::UNIX_EPOCH), 1);
    }

    #[test]
    fn fewer_copies_are_an_odd_number() {
        let tried = |wanted| copies_to_try(wanted).collect::<Vec<_>>();
        assert_eq!((tried(1), tried(3), tried(4), tried(5)), (vec![1], vec![3, 1], vec![4, 3, 1], vec![5, 3, 1]));
    }
}

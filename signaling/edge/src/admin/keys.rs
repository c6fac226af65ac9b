//! Owns API keys in the store of the cluster, as operators make and revoke them. Never checks a token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chappe_engine::{Change, EngineError, Key};
use chappe_signaling_access::{ApiKey, KeyId};
use chappe_signaling_service::Service;
use serde_json::json;

use crate::error::HttpError;

/// `GET /api/v1/keys`: their ids. A secret is shown once, when it is made.
pub async fn list(State(service): State<Arc<Service>>) -> Result<Response, HttpError> {
    let mut changes = store(&service)?.watch(KEYS_STORED_BELOW).await.map_err(out_of_reach)?;
    let mut ids = Vec::new();
    while let Some(change) = changes.recv().await {
        match change {
            Change::Put(entry) => ids.extend(serde_json::from_slice::<ApiKey>(&entry.value).map(|key| key.id).ok()),
            Change::Synced => break,
            Change::Reset => ids.clear(),
            Change::Deleted { .. } => {}
        }
    }
    let list: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    Ok(Json(list).into_response())
}

/// `POST /api/v1/keys`: makes one.
pub async fn add(State(service): State<Arc<Service>>) -> Result<Response, HttpError> {
    let store = store(&service)?;
    let key = ApiKey::from_random(rand::random(), rand::random());
    let value = serde_json::to_vec(&key).expect("a key has only string keys");
    store.create(&stored_under(&key.id), value.into()).await.map_err(out_of_reach)?;
    let body = json!({ "id": key.id, "secret": key.secret.expose() });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// `DELETE /api/v1/keys/{id}`: its tokens are void, and what was made with them ends.
pub async fn revoke(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Result<StatusCode, HttpError> {
    let store = store(&service)?;
    let missing = || {
        let message =
            "there is no such key in the store of the cluster (`chappe keys list` and GET /api/v1/keys list them)";
        HttpError::new(StatusCode::NOT_FOUND, "no_such_key", message)
    };
    let key = stored_under(&KeyId::parse(&id).map_err(|_| missing())?);
    store.get(&key).await.map_err(out_of_reach)?.ok_or_else(missing)?;
    store.delete(&key, None).await.map_err(out_of_reach)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The store of a node that runs alone ends with its process.
fn store(service: &Service) -> Result<&dyn chappe_engine::Engine, HttpError> {
    if service.cluster.alone {
        let message =
            "this node runs alone and keeps no keys: name their file with --keys, and chappe keys add --keys FILE";
        return Err(HttpError::new(StatusCode::CONFLICT, "no_store", message));
    }
    Ok(&*service.cluster.engine)
}

fn stored_under(id: &KeyId) -> Key {
    // A dot would part the name in two.
    let name = id.as_str().replace('.', "=");
    Key::parse(&format!("{KEYS_STORED_BELOW}/{name}")).expect("an id is a name")
}

fn out_of_reach(error: EngineError) -> HttpError {
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", format!("the store of the cluster: {error}"))
}

/// Of the names in the store.
pub const KEYS_STORED_BELOW: &str = "keys";

//! Making, checking and ending API keys.

use crate::{
    error::StoreError,
    id::{KeyId, TenantId, UserId},
    key::{ApiKey, KeyGrant, KeyHash, KeySecret, NewApiKey, Principal, Scope},
    ports::{ApiKeyRepository, Clock},
};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// The use cases of API keys.
pub struct Keys {
    keys: Arc<dyn ApiKeyRepository>,
    clock: Arc<dyn Clock>,
    built_in: Option<KeyHash>,
}

/// Why a key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// The system gave no randomness.
    #[error("no randomness to make a key of")]
    Randomness(#[from] getrandom::Error),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Keys {
    /// The use cases over these ports.
    pub fn new(keys: Arc<dyn ApiKeyRepository>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock, built_in: None }
    }

    /// Also accepts `secret`, with every scope, as the default user; for
    /// development only.
    #[must_use]
    pub fn with_built_in(self, secret: &KeySecret) -> Self {
        Self { built_in: Some(secret.hash()), ..self }
    }

    /// Tells who calls with this key; `None` for a key that is malformed,
    /// unknown, expired or revoked.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn authenticate(&self, secret: &KeySecret) -> Result<Option<Principal>, StoreError> {
        let hash = secret.hash();
        if self.built_in == Some(hash) {
            return Ok(Some(Principal {
                tenant: TenantId::DEFAULT,
                user: UserId::DEFAULT,
                key: KeyId(Uuid::nil()),
                scopes: BTreeSet::from([Scope::Admin]),
                projects: None,
            }));
        }
        if !secret.is_well_formed() {
            return Ok(None);
        }
        let now = self.clock.now();
        let key = self.keys.find_key(hash).await?;
        Ok(key.filter(|key| key.is_valid_at(now)).map(|key| key.principal))
    }

    /// Makes a key and returns its secret, which is not kept.
    ///
    /// # Errors
    /// [`CreateKeyError`] when the key was not stored.
    pub async fn create(&self, grant: KeyGrant) -> Result<(KeySecret, ApiKey), CreateKeyError> {
        let secret = KeySecret::generate()?;
        let id = KeyId(Uuid::new_v4());
        let key = NewApiKey { id, hash: secret.hash(), hint: secret.hint(), grant };
        Ok((secret, self.keys.create_key(key).await?))
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.keys.list_keys().await
    }

    /// Ends a key's validity; false when there is no such key or it was
    /// revoked before.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn revoke(&self, id: KeyId) -> Result<bool, StoreError> {
        self.keys.revoke_key(id).await
    }
}

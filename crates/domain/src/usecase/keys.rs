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
    /// The id of the [built-in key](Self::with_built_in); no stored key has it.
    pub const BUILT_IN: KeyId = KeyId(Uuid::nil());

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
                key: Self::BUILT_IN,
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
        let (secret, key) = generate(grant)?;
        Ok((secret, self.keys.create_key(key).await?))
    }

    /// Makes another key with the rights of the caller's own, which stops
    /// working at the same time. `None` when the caller shows no key that is
    /// stored, or one that was revoked a moment ago.
    ///
    /// # Errors
    /// [`CreateKeyError`] when nothing was changed.
    pub async fn rotate(
        &self,
        caller: &Principal,
    ) -> Result<Option<(KeySecret, ApiKey)>, CreateKeyError> {
        let Some(old) = self.of(caller).await?.into_iter().find(|key| key.is(caller.key)) else {
            return Ok(None);
        };
        let (secret, new) = generate(old.grant())?;
        let stored = self.keys.replace_key(caller.key, new).await?;
        Ok(stored.map(|key| (secret, key)))
    }

    /// Every key, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn list(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.keys.list_keys(None).await
    }

    /// The keys of the caller's user that are for no scope that the caller's
    /// own is not for, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn of(&self, caller: &Principal) -> Result<Vec<ApiKey>, StoreError> {
        let mut keys = self.keys.list_keys(Some(caller.user)).await?;
        keys.retain(|key| key.principal.scopes.iter().all(|scope| caller.may(*scope)));
        Ok(keys)
    }

    /// Ends a key's validity; false when there is no such key or it was
    /// revoked before.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn revoke(&self, id: KeyId) -> Result<bool, StoreError> {
        self.keys.revoke_key(id).await
    }

    /// As [`revoke`](Self::revoke), of the keys that the caller [sees](Self::of)
    /// alone.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn revoke_own(&self, caller: &Principal, id: KeyId) -> Result<bool, StoreError> {
        let own = self.of(caller).await?.iter().any(|key| key.is(id));
        if own { self.revoke(id).await } else { Ok(false) }
    }
}

fn generate(grant: KeyGrant) -> Result<(KeySecret, NewApiKey), getrandom::Error> {
    let secret = KeySecret::generate()?;
    let id = KeyId(Uuid::new_v4());
    let key = NewApiKey { id, hash: secret.hash(), hint: secret.hint(), grant };
    Ok((secret, key))
}

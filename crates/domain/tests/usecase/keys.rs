//! Which keys are accepted.

use chrono::{DateTime, TimeDelta, Utc};
use mockall::predicate::eq;
use std::{collections::BTreeSet, sync::Arc};
use taskgate_domain::{
    error::StoreError,
    id::{KeyId, TenantId, UserId},
    key::{ApiKey, KeyGrant, KeyOwner, KeySecret, Principal, Scope},
    ports::{MockApiKeyRepository, MockClock},
    usecase::keys::Keys,
};
use uuid::Uuid;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn principal() -> Principal {
    Principal {
        tenant: TenantId(Uuid::from_u128(20)),
        user: UserId(Uuid::from_u128(10)),
        key: KeyId(Uuid::from_u128(40)),
        scopes: BTreeSet::from([Scope::Research]),
        projects: None,
    }
}

fn key() -> ApiKey {
    ApiKey {
        principal: principal(),
        name: "ci".to_owned(),
        description: None,
        tenant: "tenant".to_owned(),
        user: "ada".to_owned(),
        hint: "sk_live_abcd".to_owned(),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
    }
}

fn keys(store: MockApiKeyRepository) -> Keys {
    let mut clock = MockClock::new();
    clock.expect_now().return_const(NOW);
    Keys::new(Arc::new(store), Arc::new(clock))
}

/// Who calls with a well-formed key of which the store says this.
async fn authenticated(known: Option<ApiKey>) -> Option<Principal> {
    let secret = KeySecret::generate().unwrap();
    let mut store = MockApiKeyRepository::new();
    store.expect_find_key().with(eq(secret.hash())).times(1).return_once(|_| Ok(known));
    keys(store).authenticate(&secret).await.unwrap()
}

#[tokio::test]
async fn a_valid_key_tells_who_calls() {
    assert_eq!(authenticated(Some(key())).await, Some(principal()));
    let tomorrow = Some(NOW + TimeDelta::days(1));
    assert_eq!(
        authenticated(Some(ApiKey { expires_at: tomorrow, ..key() })).await,
        Some(principal())
    );
}

#[tokio::test]
async fn an_unknown_expired_or_revoked_key_is_nobodys() {
    let expired = ApiKey { expires_at: Some(NOW), ..key() };
    let revoked = ApiKey { revoked_at: Some(NOW - TimeDelta::days(1)), ..key() };
    for known in [None, Some(expired), Some(revoked)] {
        assert_eq!(authenticated(known.clone()).await, None, "{known:?}");
    }
}

#[tokio::test]
async fn a_malformed_key_never_reaches_the_store() {
    let good = KeySecret::generate().unwrap();
    let truncated = &good.reveal()[..good.reveal().len() - 1];
    for text in ["", "sk_test_123456", truncated] {
        // The mock has no expectation: any call fails the test.
        let keys = keys(MockApiKeyRepository::new());
        assert_eq!(keys.authenticate(&KeySecret::new(text)).await.unwrap(), None, "{text}");
    }
}

#[tokio::test]
async fn a_built_in_key_may_do_everything_as_the_default_user() {
    let secret = KeySecret::new("sk_test_123456");
    let keys = keys(MockApiKeyRepository::new()).with_built_in(&secret);
    let caller = keys.authenticate(&secret).await.unwrap().unwrap();
    assert_eq!((caller.tenant, caller.user), (TenantId::DEFAULT, UserId::DEFAULT));
    assert!(Scope::ALL.into_iter().all(|scope| caller.may(scope)));
    assert_eq!(caller.projects, None);
    assert_eq!(keys.authenticate(&KeySecret::new("sk_test_123457")).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_that_fails_is_not_an_unknown_key() {
    let mut store = MockApiKeyRepository::new();
    store.expect_find_key().returning(|_| Err(StoreError::Busy));
    let answer = keys(store).authenticate(&KeySecret::generate().unwrap()).await;
    assert!(matches!(answer, Err(StoreError::Busy)), "{answer:?}");
}

#[tokio::test]
async fn a_made_key_is_stored_by_its_hash_and_hint_alone() {
    let (send, receive) = std::sync::mpsc::channel();
    let mut store = MockApiKeyRepository::new();
    store.expect_create_key().times(1).returning(move |new| {
        send.send(new).unwrap();
        Ok(key())
    });
    let scopes = BTreeSet::from([Scope::Gateway]);
    let owner = KeyOwner::Named { tenant: None, user: None };
    let grant = KeyGrant::new("ci".to_owned(), owner, scopes, BTreeSet::new(), None).unwrap();
    let (secret, made) = keys(store).create(grant.clone()).await.unwrap();
    let stored = receive.recv().unwrap();
    assert_eq!((stored.hash, stored.grant), (secret.hash(), grant));
    assert!(secret.is_well_formed() && secret.reveal().starts_with(&stored.hint));
    assert!(stored.hint.len() * 3 < secret.reveal().len(), "the hint gives little away");
    assert_eq!(made, key());
}

//! Keys of users that exist, and keys in the place of others.

use crate::{
    id::{KeyId, UserId},
    key::{ApiKey, KeyGrant, KeyOwner, KeySecret, NewApiKey, Scope},
    testkit::{Ports, build},
};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use uuid::Uuid;

fn grant(owner: KeyOwner) -> KeyGrant {
    let scopes = BTreeSet::from([Scope::Gateway]);
    let grant = KeyGrant::new("key".to_owned(), owner, scopes, BTreeSet::new(), None);
    grant.expect("the grant is valid")
}

fn new_key(grant: KeyGrant) -> (KeySecret, NewApiKey) {
    let secret = KeySecret::generate().expect("the system has randomness");
    let (hash, hint) = (secret.hash(), secret.hint());
    (secret, NewApiKey { id: KeyId(Uuid::new_v4()), hash, hint, grant })
}

async fn find(ports: &Ports, secret: &KeySecret) -> Option<ApiKey> {
    ports.keys.find_key(secret.hash()).await.expect("the key is looked up")
}

async fn list(ports: &Ports, user: Option<UserId>) -> Vec<ApiKey> {
    ports.keys.list_keys(user).await.expect("the keys are listed")
}

async fn replace(ports: &Ports, old: KeyId, new: NewApiKey) -> Option<ApiKey> {
    ports.keys.replace_key(old, new).await.expect("the replacement is answered")
}

pub async fn a_user_that_exists_gets_another_key(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await;
    for user in [ada.user, UserId::DEFAULT] {
        let (secret, key) = ports.key(grant(KeyOwner::User(user))).await;
        assert_eq!(key.principal.user, user);
        assert_eq!(find(ports, &secret).await, Some(key));
    }
    let (_, key) = ports.key(grant(KeyOwner::User(ada.user))).await;
    assert_eq!(key.principal.tenant, ada.tenant);
    assert_eq!((key.tenant.as_str(), key.user.as_str()), ("tenant", "ada"));
}

pub async fn a_description_reads_back(ports: &Ports) {
    for description in [None, Some(String::new()), Some("語".repeat(500))] {
        let grant = grant(KeyOwner::User(UserId::DEFAULT)).with_description(description.clone());
        let (secret, key) = ports.key(grant.expect("the description is valid")).await;
        assert_eq!(key.description, description);
        assert_eq!(find(ports, &secret).await, Some(key));
    }
}

pub async fn keys_are_listed_by_their_user(ports: &Ports) {
    let ada = ports.user("tenant", "ada").await;
    let bob = ports.user("tenant", "bob").await;
    let (_, second) = ports.key(grant(KeyOwner::User(ada.user))).await;
    ports.keys.revoke_key(ada.key).await.expect("it is answered");
    let ids = |keys: Vec<ApiKey>| keys.iter().map(|key| key.principal.key).collect::<Vec<_>>();
    let hers = list(ports, Some(ada.user)).await;
    assert!(hers[0].revoked_at.is_some(), "revoked keys are listed too");
    assert_eq!(ids(hers), [ada.key, second.principal.key]);
    assert_eq!(ids(list(ports, Some(bob.user)).await), [bob.key]);
    assert!(list(ports, Some(UserId::DEFAULT)).await.is_empty());
    assert_eq!(list(ports, None).await.len(), 3);
}

pub async fn a_key_takes_the_place_of_another(ports: &Ports) {
    let end = DateTime::from_timestamp_micros(4_102_444_799_123_456).expect("it is valid");
    let granted = KeyGrant::new(
        "鍵".to_owned(),
        KeyOwner::Named { tenant: Some("tenant".to_owned()), user: Some("ada".to_owned()) },
        BTreeSet::from([Scope::Gateway, Scope::Research]),
        BTreeSet::from([build::project(3)]),
        Some(end),
    );
    let granted = granted.expect("the grant is valid").with_description(Some("why".to_owned()));
    let (secret, old) = ports.key(granted.expect("the description is valid")).await;
    assert_eq!(find(ports, &secret).await, Some(old.clone()), "it is looked up before");
    let (new_secret, new) = new_key(old.grant());
    let key = replace(ports, old.principal.key, new.clone()).await.expect("it is replaced");
    assert_eq!((key.principal.key, &key.hint), (new.id, &new.hint));
    assert_eq!((key.grant(), key.revoked_at), (old.grant(), None));
    assert_eq!((&key.tenant, &key.user), (&old.tenant, &old.user));
    assert_eq!(find(ports, &new_secret).await, Some(key.clone()));
    let revoked = find(ports, &secret).await.expect("the old key is still found");
    assert!(!revoked.is_valid_at(Utc::now()), "though it no longer works");
    assert_eq!(revoked, ApiKey { revoked_at: revoked.revoked_at, ..old });
    assert_eq!(list(ports, None).await, [revoked, key]);
}

pub async fn what_does_not_work_is_not_replaced(ports: &Ports) {
    let (_, key) = ports.key(grant(KeyOwner::User(UserId::DEFAULT))).await;
    ports.keys.revoke_key(key.principal.key).await.expect("it is answered");
    let before = list(ports, None).await;
    for old in [key.principal.key, KeyId(Uuid::new_v4())] {
        let (secret, new) = new_key(key.grant());
        assert_eq!(replace(ports, old, new).await, None);
        assert_eq!(find(ports, &secret).await, None, "nothing is stored");
    }
    assert_eq!(list(ports, None).await, before, "nothing changes");
}

pub async fn a_refused_replacement_leaves_no_trace(ports: &Ports) {
    let owner = KeyOwner::Named { tenant: None, user: Some("nobody".to_owned()) };
    let (secret, new) = new_key(grant(owner));
    assert_eq!(replace(ports, KeyId(Uuid::new_v4()), new.clone()).await, None);
    // The same id and secret are still free.
    let key = ports.keys.create_key(new).await.expect("the key is stored");
    assert_eq!(find(ports, &secret).await, Some(key));
}

pub async fn of_concurrent_replacements_one_takes_the_place(ports: &Ports) {
    for _ in 0..3 {
        let user = ports.user("tenant", &Uuid::new_v4().to_string()).await;
        let new = || new_key(grant(KeyOwner::User(user.user))).1;
        let made = join_all((0..8).map(|_| replace(ports, user.key, new()))).await;
        let made: Vec<ApiKey> = made.into_iter().flatten().collect();
        assert_eq!(made.len(), 1, "{made:?}");
        let keys = list(ports, Some(user.user)).await;
        assert_eq!(keys.len(), 2);
        assert!(keys[0].revoked_at.is_some());
        assert_eq!(keys[1..], made);
    }
}

//! API keys, and the tenants and users that they name.

use crate::{
    id::{KeyId, TenantId, UserId},
    key::{ApiKey, KeyGrant, KeyOwner, KeySecret, NewApiKey, Scope},
    testkit::{Ports, build},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use uuid::Uuid;

fn grant(tenant: Option<&str>, user: Option<&str>) -> KeyGrant {
    let (tenant, user) = (tenant.map(str::to_owned), user.map(str::to_owned));
    let scopes = BTreeSet::from([Scope::Gateway]);
    let owner = KeyOwner::Named { tenant, user };
    let grant = KeyGrant::new("key".to_owned(), owner, scopes, BTreeSet::new(), None);
    grant.expect("the grant is valid")
}

async fn find(ports: &Ports, secret: &KeySecret) -> Option<ApiKey> {
    ports.keys.find_key(secret.hash()).await.expect("the key is looked up")
}

async fn list(ports: &Ports) -> Vec<ApiKey> {
    ports.keys.list_keys(None).await.expect("the keys are listed")
}

pub async fn a_key_reads_back_whole(ports: &Ports) {
    let expires_at = DateTime::from_timestamp_micros(4_102_444_799_123_456).expect("it is valid");
    for (scopes, projects, expires_at) in [
        (Scope::ALL.to_vec(), Vec::new(), None),
        (vec![Scope::Research, Scope::Worker], vec![1, 7, i64::MAX], Some(expires_at)),
        (vec![Scope::Gateway], (1..=100).collect(), Some(DateTime::UNIX_EPOCH)),
    ] {
        let scopes: BTreeSet<_> = scopes.into_iter().collect();
        let projects: BTreeSet<_> = projects.into_iter().map(build::project).collect();
        let names = ("鍵 №1".to_owned(), "テナント".to_owned(), "利用者 \"a\"".to_owned());
        let grant = KeyGrant::new(
            names.0.clone(),
            KeyOwner::Named { tenant: Some(names.1.clone()), user: Some(names.2.clone()) },
            scopes.clone(),
            projects.clone(),
            expires_at,
        );
        let (secret, key) = ports.key(grant.expect("the grant is valid")).await;
        assert_eq!((&key.name, &key.tenant, &key.user), (&names.0, &names.1, &names.2));
        assert_eq!(key.principal.scopes, scopes);
        assert_eq!(key.principal.projects, (!projects.is_empty()).then_some(projects));
        assert_eq!((key.expires_at, key.revoked_at), (expires_at, None));
        assert_eq!(key.hint, secret.hint());
        assert!((Utc::now() - key.created_at).abs() < TimeDelta::minutes(10));
        assert_eq!(find(ports, &secret).await, Some(key));
    }
}

pub async fn an_unknown_key_is_not_found(ports: &Ports) {
    ports.key(grant(None, None)).await;
    let other = KeySecret::generate().expect("the system has randomness");
    assert_eq!(find(ports, &other).await, None);
}

pub async fn a_key_is_found_though_it_was_looked_for_before(ports: &Ports) {
    let secret = KeySecret::generate().expect("the system has randomness");
    assert_eq!(find(ports, &secret).await, None);
    let id = KeyId(Uuid::new_v4());
    let hint = secret.hint();
    let key = NewApiKey { id, hash: secret.hash(), hint, grant: grant(None, None) };
    let key = ports.keys.create_key(key).await.expect("the key is stored");
    assert_eq!(key.principal.key, id);
    assert_eq!(find(ports, &secret).await, Some(key));
}

pub async fn keys_are_listed_with_the_oldest_first(ports: &Ports) {
    assert!(list(ports).await.is_empty());
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(ports.key(grant(Some("tenant"), Some(&format!("user {n}")))).await.1);
    }
    assert_eq!(list(ports).await, made);
}

pub async fn a_key_is_revoked_once(ports: &Ports) {
    let (secret, key) = ports.key(grant(None, None)).await;
    let (other, other_key) = ports.key(grant(None, None)).await;
    assert_eq!(find(ports, &secret).await, Some(key.clone()));
    let revoke = |id| async move { ports.keys.revoke_key(id).await.expect("it is answered") };
    assert!(revoke(key.principal.key).await);
    assert!(!revoke(key.principal.key).await);
    assert!(!revoke(KeyId(Uuid::new_v4())).await);
    let revoked = find(ports, &secret).await.expect("a revoked key is still found");
    let at = revoked.revoked_at.expect("it says when");
    assert!(at >= key.created_at);
    assert_eq!(revoked, ApiKey { revoked_at: Some(at), ..key });
    assert_eq!(find(ports, &other).await, Some(other_key.clone()));
    assert_eq!(list(ports).await, [revoked, other_key]);
}

pub async fn equal_names_are_one_tenant_and_one_user(ports: &Ports) {
    let first = ports.user("one", "ada").await;
    let again = ports.user("one", "ada").await;
    assert_eq!((first.tenant, first.user), (again.tenant, again.user));
    assert_ne!(first.key, again.key);
    let colleague = ports.user("one", "bob").await;
    assert_eq!(colleague.tenant, first.tenant);
    assert_ne!(colleague.user, first.user);
}

pub async fn equal_user_names_of_two_tenants_are_two_users(ports: &Ports) {
    let one = ports.user("one", "ada").await;
    let two = ports.user("two", "ada").await;
    assert_ne!(one.tenant, two.tenant);
    assert_ne!(one.user, two.user);
}

pub async fn names_differ_by_case(ports: &Ports) {
    let lower = ports.user("one", "ada").await;
    let upper = ports.user("One", "ada").await;
    let other = ports.user("one", "Ada").await;
    assert_ne!(lower.tenant, upper.tenant);
    assert_ne!(lower.user, other.user);
}

pub async fn a_grant_without_names_is_the_default_users(ports: &Ports) {
    let (_, key) = ports.key(grant(None, None)).await;
    let principal = &key.principal;
    assert_eq!((principal.tenant, principal.user), (TenantId::DEFAULT, UserId::DEFAULT));
    let (_, named) = ports.key(grant(None, Some("default"))).await;
    assert_eq!(named.principal.user, UserId::DEFAULT);
    let (_, named) = ports.key(grant(Some(&key.tenant), Some(&key.user))).await;
    assert_eq!(named.principal.tenant, TenantId::DEFAULT);
    assert_eq!(named.principal.user, UserId::DEFAULT);
}

pub async fn a_grant_with_one_name_has_the_other_by_default(ports: &Ports) {
    let (_, user) = ports.key(grant(None, Some("ada"))).await;
    assert_eq!(user.principal.tenant, TenantId::DEFAULT);
    assert_ne!(user.principal.user, UserId::DEFAULT);
    let (_, tenant) = ports.key(grant(Some("tenant"), None)).await;
    assert_ne!(tenant.principal.tenant, TenantId::DEFAULT);
    assert_ne!(tenant.principal.user, UserId::DEFAULT);
    assert_eq!(tenant.user, "default");
    let (_, again) = ports.key(grant(Some("tenant"), Some("default"))).await;
    assert_eq!(again.principal.user, tenant.principal.user);
}

pub async fn concurrent_grants_to_one_name_share_it(ports: &Ports) {
    for tenant in ["one", "two", "three"] {
        let users = join_all((0..8).map(|_| ports.user(tenant, "ada"))).await;
        for user in &users {
            assert_eq!((user.tenant, user.user), (users[0].tenant, users[0].user));
        }
    }
}

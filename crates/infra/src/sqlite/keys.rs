//! API keys, and the tenants and users that they belong to.

use super::columns::{At, Id};
use crate::{encode, error::unreadable, statement::sql};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    result::Error::NotFound,
    sql_types::{BigInt, Binary, Nullable, SmallInt, Text},
};
use std::collections::BTreeSet;
use taskgate_domain::{
    id::{KeyId, ProjectId, TenantId, UserId},
    key::{ApiKey, KeyHash, KeyOwner, NewApiKey, Principal},
};
use uuid::Uuid;

/// The name of the tenant, and in each tenant of the user, of keys that name
/// none.
const DEFAULT: &str = "default";

const KEYS: &str = "
    SELECT k.id, k.user_id, u.tenant_id, k.name, k.description, t.name AS tenant, u.name AS user, k.hint,
           k.scopes, k.projects, k.created_at, k.expires_at, k.revoked_at
    FROM api_keys AS k JOIN users AS u ON u.id = k.user_id JOIN tenants AS t ON t.id = u.tenant_id
    ";

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Binary)]
    id: Id,
    #[diesel(sql_type = Binary)]
    user_id: Id,
    #[diesel(sql_type = Binary)]
    tenant_id: Id,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Text)]
    user: String,
    #[diesel(sql_type = Text)]
    hint: String,
    #[diesel(sql_type = SmallInt)]
    scopes: i16,
    #[diesel(sql_type = Nullable<Text>)]
    projects: Option<String>,
    #[diesel(sql_type = BigInt)]
    created_at: At,
    #[diesel(sql_type = Nullable<BigInt>)]
    expires_at: Option<At>,
    #[diesel(sql_type = Nullable<BigInt>)]
    revoked_at: Option<At>,
}

impl KeyRow {
    fn key(self) -> QueryResult<ApiKey> {
        Ok(ApiKey {
            principal: Principal {
                tenant: TenantId(self.tenant_id.0),
                user: UserId(self.user_id.0),
                key: KeyId(self.id.0),
                scopes: encode::scopes(self.scopes),
                projects: self.projects.as_deref().map(projects).transpose()?,
            },
            name: self.name,
            description: self.description,
            tenant: self.tenant,
            user: self.user,
            hint: self.hint,
            created_at: self.created_at.into(),
            expires_at: self.expires_at.map(Into::into),
            revoked_at: self.revoked_at.map(Into::into),
        })
    }
}

fn projects(text: &str) -> QueryResult<BTreeSet<ProjectId>> {
    let numbers: Vec<i64> = serde_json::from_str(text).map_err(unreadable)?;
    numbers.into_iter().map(|number| ProjectId::new(number).map_err(unreadable)).collect()
}

/// Stores a key, and its tenant and user when they are new.
pub(super) fn create(connection: &mut SqliteConnection, new: &NewApiKey) -> QueryResult<ApiKey> {
    let grant = &new.grant;
    let user = match grant.owner() {
        KeyOwner::User(user) => Id(user.0),
        KeyOwner::Named { tenant, user } => {
            let tenant = tenant_of(connection, tenant.as_deref().unwrap_or(DEFAULT))?;
            user_of(connection, tenant, user.as_deref().unwrap_or(DEFAULT))?
        }
    };
    let projects = grant.projects().map(|projects| {
        let numbers: Vec<i64> = projects.iter().map(|project| project.get()).collect();
        serde_json::to_string(&numbers).map_err(unreadable)
    });
    sql("INSERT INTO api_keys (id, hash, user_id, name, description, hint, scopes, projects,
             created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .bind::<Binary, _>(Id(new.id.0))
    .bind::<Binary, _>(new.hash.as_bytes().as_slice())
    .bind::<Binary, _>(user)
    .bind::<Text, _>(grant.name())
    .bind::<Nullable<Text>, _>(grant.description())
    .bind::<Text, _>(new.hint.as_str())
    .bind::<SmallInt, _>(encode::scope_bits(grant.scopes()))
    .bind::<Nullable<Text>, _>(projects.transpose()?)
    .bind::<BigInt, _>(At::now())
    .bind::<Nullable<BigInt>, _>(grant.expires_at().map(At::from))
    .execute(connection)?;
    find(connection, new.hash)?.ok_or(NotFound)
}

/// Stores a key in the place of another; `None` when that is not valid any more.
pub(super) fn replace(
    connection: &mut SqliteConnection,
    old: KeyId,
    new: &NewApiKey,
) -> QueryResult<Option<ApiKey>> {
    if revoke(connection, old)? { create(connection, new).map(Some) } else { Ok(None) }
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = Binary)]
    id: Id,
}

fn tenant_of(connection: &mut SqliteConnection, name: &str) -> QueryResult<Id> {
    sql("INSERT INTO tenants (id, name) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        .bind::<Binary, _>(Id(Uuid::new_v4()))
        .bind::<Text, _>(name)
        .execute(connection)?;
    let row: IdRow = sql("SELECT id FROM tenants WHERE name = ?")
        .bind::<Text, _>(name)
        .get_result(connection)?;
    Ok(row.id)
}

fn user_of(connection: &mut SqliteConnection, tenant: Id, name: &str) -> QueryResult<Id> {
    sql("INSERT INTO users (id, tenant_id, name) VALUES (?, ?, ?)
         ON CONFLICT (tenant_id, name) DO NOTHING")
    .bind::<Binary, _>(Id(Uuid::new_v4()))
    .bind::<Binary, _>(tenant)
    .bind::<Text, _>(name)
    .execute(connection)?;
    let row: IdRow = sql("SELECT id FROM users WHERE tenant_id = ? AND name = ?")
        .bind::<Binary, _>(tenant)
        .bind::<Text, _>(name)
        .get_result(connection)?;
    Ok(row.id)
}

/// Finds a key by its secret's hash.
pub(super) fn find(
    connection: &mut SqliteConnection,
    hash: KeyHash,
) -> QueryResult<Option<ApiKey>> {
    let row: Option<KeyRow> = sql(format!("{KEYS} WHERE k.hash = ?"))
        .bind::<Binary, _>(hash.as_bytes().as_slice())
        .get_result(connection)
        .optional()?;
    row.map(KeyRow::key).transpose()
}

/// Reads a user's keys, or everybody's, the oldest first.
pub(super) fn list(
    connection: &mut SqliteConnection,
    user: Option<UserId>,
) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = match user {
        Some(user) => sql(format!("{KEYS} WHERE k.user_id = ? ORDER BY k.number"))
            .bind::<Binary, _>(Id(user.0))
            .load(connection),
        None => sql(format!("{KEYS} ORDER BY k.number")).load(connection),
    }?;
    rows.into_iter().map(KeyRow::key).collect()
}

/// Ends a key's validity; false when nothing changed.
pub(super) fn revoke(connection: &mut SqliteConnection, id: KeyId) -> QueryResult<bool> {
    sql("UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
        .bind::<BigInt, _>(At::now())
        .bind::<Binary, _>(Id(id.0))
        .execute(connection)
        .map(|changed| changed > 0)
}

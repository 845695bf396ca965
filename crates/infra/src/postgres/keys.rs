//! API keys, their users and tenants.

use super::row::row;
use crate::{
    encode::{scope_bits, scopes},
    error::unreadable,
    statement::sql,
};
use chrono::{DateTime, Utc};
use diesel::{
    Connection, OptionalExtension, PgConnection, QueryResult, RunQueryDsl,
    result::Error as QueryError,
    sql_types::{Array, BigInt, Binary, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use taskgate_domain::{
    id::{KeyId, ProjectId, TenantId, UserId},
    key::{ApiKey, KeyHash, KeyOwner, NewApiKey, Principal},
};
use uuid::Uuid;

/// The name of the tenant, and of each tenant's user, that a key has which
/// names none.
const DEFAULT_NAME: &str = "default";

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, t.id, u.id, k.scopes, k.projects, k.name, k.description, t.name, u.name, k.hint,
                k.created_at, k.expires_at, k.revoked_at
             FROM api_keys k JOIN users u ON u.id = k.user_id JOIN tenants t ON t.id = u.tenant_id ",
            $rest
        )
    };
}

row! {
    KeyRow {
        id: SqlUuid => Uuid,
        tenant_id: SqlUuid => Uuid,
        user_id: SqlUuid => Uuid,
        scopes: SmallInt => i16,
        projects: Nullable<Array<BigInt>> => Option<Vec<i64>>,
        name: Text => String,
        description: Nullable<Text> => Option<String>,
        tenant: Text => String,
        user: Text => String,
        hint: Text => String,
        created_at: Timestamptz => DateTime<Utc>,
        expires_at: Nullable<Timestamptz> => Option<DateTime<Utc>>,
        revoked_at: Nullable<Timestamptz> => Option<DateTime<Utc>>,
    }
}

impl KeyRow {
    fn key(self) -> QueryResult<ApiKey> {
        let projects = self.projects.map(|numbers| {
            numbers.into_iter().map(|number| ProjectId::new(number).map_err(unreadable)).collect()
        });
        Ok(ApiKey {
            principal: Principal {
                tenant: TenantId(self.tenant_id),
                user: UserId(self.user_id),
                key: KeyId(self.id),
                scopes: scopes(self.scopes),
                projects: projects.transpose()?,
            },
            name: self.name,
            description: self.description,
            tenant: self.tenant,
            user: self.user,
            hint: self.hint,
            created_at: self.created_at,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        })
    }
}

/// Stores a key, and its tenant and user when their names are new.
pub(super) fn create(connection: &mut PgConnection, new: &NewApiKey) -> QueryResult<ApiKey> {
    connection.transaction(|connection| store(connection, new))
}

/// Stores a key in the place of another; `None` when that is not valid any more.
pub(super) fn replace(
    connection: &mut PgConnection,
    old: KeyId,
    new: &NewApiKey,
) -> QueryResult<Option<ApiKey>> {
    connection.transaction(|connection| {
        if revoke(connection, old)? { store(connection, new).map(Some) } else { Ok(None) }
    })
}

fn store(connection: &mut PgConnection, new: &NewApiKey) -> QueryResult<ApiKey> {
    let grant = &new.grant;
    let user = owner(connection, grant.owner())?;
    let projects: Option<Vec<i64>> =
        grant.projects().map(|projects| projects.iter().map(|project| project.get()).collect());
    sql("INSERT INTO api_keys (id, hash, hint, name, description, user_id, scopes, projects,
            expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .bind::<SqlUuid, _>(new.id.0)
    .bind::<Binary, _>(new.hash.as_bytes().as_slice())
    .bind::<Text, _>(&new.hint)
    .bind::<Text, _>(grant.name())
    .bind::<Nullable<Text>, _>(grant.description())
    .bind::<SqlUuid, _>(user)
    .bind::<SmallInt, _>(scope_bits(grant.scopes()))
    .bind::<Nullable<Array<BigInt>>, _>(projects)
    .bind::<Nullable<Timestamptz>, _>(grant.expires_at())
    .execute(connection)?;
    find(connection, new.hash)?.ok_or(QueryError::NotFound)
}

row! {
    UserRow {
        id: SqlUuid => Uuid,
    }
}

/// The user whose a key is to be, made when the name is new.
fn owner(connection: &mut PgConnection, owner: &KeyOwner) -> QueryResult<Uuid> {
    let (tenant, user) = match owner {
        KeyOwner::User(user) => return Ok(user.0),
        KeyOwner::Named { tenant, user } => {
            (tenant.as_deref().unwrap_or(DEFAULT_NAME), user.as_deref().unwrap_or(DEFAULT_NAME))
        }
    };
    sql("INSERT INTO tenants (name) VALUES (?) ON CONFLICT DO NOTHING")
        .bind::<Text, _>(tenant)
        .execute(connection)?;
    sql("INSERT INTO users (tenant_id, name) SELECT id, ? FROM tenants WHERE name = ?
         ON CONFLICT DO NOTHING")
    .bind::<Text, _>(user)
    .bind::<Text, _>(tenant)
    .execute(connection)?;
    let row: UserRow = sql("SELECT u.id FROM users u JOIN tenants t ON t.id = u.tenant_id
         WHERE u.name = ? AND t.name = ?")
    .bind::<Text, _>(user)
    .bind::<Text, _>(tenant)
    .get_result(connection)?;
    Ok(row.id)
}

/// Finds a key by its secret's hash.
pub(super) fn find(connection: &mut PgConnection, hash: KeyHash) -> QueryResult<Option<ApiKey>> {
    let row: Option<KeyRow> = sql(select_keys!("WHERE k.hash = ?"))
        .bind::<Binary, _>(hash.as_bytes().as_slice())
        .get_result(connection)
        .optional()?;
    row.map(KeyRow::key).transpose()
}

/// Reads a user's keys, or everybody's, the oldest first.
pub(super) fn list(
    connection: &mut PgConnection,
    user: Option<UserId>,
) -> QueryResult<Vec<ApiKey>> {
    let rows: Vec<KeyRow> = match user {
        None => sql(select_keys!("ORDER BY k.created_at, k.id")).load(connection)?,
        Some(user) => sql(select_keys!("WHERE k.user_id = ? ORDER BY k.created_at, k.id"))
            .bind::<SqlUuid, _>(user.0)
            .load(connection)?,
    };
    rows.into_iter().map(KeyRow::key).collect()
}

/// Ends a key's validity; false when it had ended so before.
pub(super) fn revoke(connection: &mut PgConnection, id: KeyId) -> QueryResult<bool> {
    let revoked = sql("UPDATE api_keys SET revoked_at = now() WHERE id = ? AND revoked_at IS NULL")
        .bind::<SqlUuid, _>(id.0)
        .execute(connection)?;
    Ok(revoked > 0)
}

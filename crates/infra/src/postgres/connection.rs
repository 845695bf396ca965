//! How a connection is made.

use crate::{error::DbError, pool::establish};
use diesel::{PgConnection, connection::SimpleConnection};
use std::borrow::Cow;

/// Parameters of the connection that the URL does not already have: a server
/// that went away is noticed within seconds, on connecting and afterwards.
const PARAMETERS: [(&str, &str); 6] = [
    ("application_name", "taskgate"),
    ("connect_timeout", "3"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "2"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// Settings of the session.
///
/// A statement ends before its caller gives up. Several look at a row again
/// that they had to wait for, which only works at this level of isolation,
/// whatever the database's default is. Every statement here goes
/// through indexes in one way only, whatever the tables hold, so it is planned
/// once, and the planner is kept from judging by statistics, which lag far
/// behind tables as restless as these.
const SETTINGS: &str = "
    SET statement_timeout = '4s';
    SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_isolation = 'read committed';
    SET timezone = 'UTC';
    SET plan_cache_mode = force_generic_plan;
    SET jit = off;
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET work_mem = '16MB';
";

/// Connects to `url`, ready for statements.
pub(super) fn connect(url: &str) -> Result<PgConnection, DbError> {
    let mut connection = open(url)?;
    connection.batch_execute(SETTINGS)?;
    Ok(connection)
}

/// Connects to `url`, for what may take longer than any statement of the ports.
pub(crate) fn open(url: &str) -> Result<PgConnection, DbError> {
    establish(&with_parameters(url))
}

fn with_parameters(url: &str) -> Cow<'_, str> {
    // A `?` before the last `@` belongs to the password.
    let host = url.rfind('@').unwrap_or(0);
    let query = url.get(host..).and_then(|rest| rest.split_once('?')).map(|(_, query)| query);
    let given: Vec<&str> = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|parameter| parameter.split('=').next())
        .collect();
    let mut complete = Cow::Borrowed(url);
    let mut separator = match query {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    for (name, value) in PARAMETERS.iter().filter(|(name, _)| !given.contains(name)) {
        complete.to_mut().extend([separator, name, "=", value]);
        separator = "&";
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::with_parameters;

    #[test]
    fn parameters_of_the_url_win() {
        let complete =
            with_parameters("postgres://me:a?b@host/db?connect_timeout=9&sslmode=prefer");
        assert!(complete.starts_with(
            "postgres://me:a?b@host/db?connect_timeout=9&sslmode=prefer&application_name=taskgate"
        ));
        assert_eq!(complete.matches("connect_timeout").count(), 1);
    }

    #[test]
    fn a_bare_url_gets_parameters() {
        assert_eq!(with_parameters("postgres://host?"), with_parameters("postgres://host"));
        let complete = with_parameters("postgres://host");
        assert!(
            complete.starts_with("postgres://host?application_name=taskgate&connect_timeout=3")
        );
    }
}

//! Which part of a list a query string asks for.

use crate::http::{error::ApiError, query::Query};

/// Reads `limit`, which is `default` when absent and `most` at most, and
/// `offset`.
///
/// # Errors
/// [`ApiError::Invalid`] when either is out of range or no integer.
pub(super) fn part(query: &Query, default: u16, most: u16) -> Result<(u16, i64), ApiError> {
    let no_limit = || ApiError::invalid("Invalid limit parameter");
    let no_offset = || ApiError::invalid("Invalid offset parameter");
    let limit = query.integer("limit", no_limit())?.unwrap_or(default.into());
    let offset = query.integer("offset", no_offset())?.unwrap_or(0);
    let limit = u16::try_from(limit).ok().filter(|limit| (1..=most).contains(limit));
    let limit = limit.ok_or_else(no_limit)?;
    if offset < 0 { Err(no_offset()) } else { Ok((limit, offset)) }
}

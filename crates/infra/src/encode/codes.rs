//! Codes of the domain's fixed choices. They are part of the stored format and
//! never change.

use crate::error::unreadable;
use diesel::QueryResult;
use std::collections::BTreeSet;
use taskgate_domain::{
    key::Scope,
    task::{
        status::{FinalStatus, LiveStatus, TaskStatus},
        work::{Kind, Mode, TaskType},
    },
};

/// What a user's sessions are counted under, beside the statuses of tasks.
pub(crate) const SESSIONS: i16 = 0;

/// The code of a status.
pub(crate) const fn status_code(status: TaskStatus) -> i16 {
    match status {
        TaskStatus::Queued => 1,
        TaskStatus::Running => 2,
        TaskStatus::Paused => 3,
        TaskStatus::Completed => 4,
        TaskStatus::Failed => 5,
        TaskStatus::Cancelled => 6,
        TaskStatus::TimedOut => 7,
    }
}

/// The status of a code.
pub(crate) fn status(code: i16) -> QueryResult<TaskStatus> {
    decode("status", code, &TaskStatus::ALL, status_code)
}

/// The status of a code that must be a live one.
pub(crate) fn live_status(code: i16) -> QueryResult<LiveStatus> {
    match status(code)? {
        TaskStatus::Queued => Ok(LiveStatus::Queued),
        TaskStatus::Running => Ok(LiveStatus::Running),
        TaskStatus::Paused => Ok(LiveStatus::Paused),
        other => Err(unreadable(format_args!("a live task is {other}"))),
    }
}

/// The status of a code that must be a final one.
pub(crate) fn final_status(code: i16) -> QueryResult<FinalStatus> {
    match status(code)? {
        TaskStatus::Completed => Ok(FinalStatus::Completed),
        TaskStatus::Failed => Ok(FinalStatus::Failed),
        TaskStatus::Cancelled => Ok(FinalStatus::Cancelled),
        TaskStatus::TimedOut => Ok(FinalStatus::TimedOut),
        other => Err(unreadable(format_args!("a finished task is {other}"))),
    }
}

/// The codes of these statuses as the inside of an SQL `IN (…)`.
pub(crate) fn status_list(statuses: &[LiveStatus]) -> String {
    let codes: Vec<String> =
        statuses.iter().map(|&status| status_code(status.into()).to_string()).collect();
    codes.join(", ")
}

/// The code of a kind.
pub(crate) const fn kind_code(kind: Kind) -> i16 {
    match kind {
        Kind::Agent => 1,
        Kind::Research(TaskType::Search) => 2,
        Kind::Research(TaskType::Dedup) => 3,
        Kind::Research(TaskType::Crawl) => 4,
        Kind::Research(TaskType::Ocr) => 5,
        Kind::Research(TaskType::Index) => 6,
        Kind::Research(TaskType::KeywordExpand) => 7,
    }
}

/// The kind of a code.
pub(crate) fn kind(code: i16) -> QueryResult<Kind> {
    decode("kind", code, &Kind::ALL, kind_code)
}

/// The code of a mode.
pub(crate) const fn mode_code(mode: Mode) -> i16 {
    match mode {
        Mode::Simple => 1,
        Mode::Standard => 2,
        Mode::Complex => 3,
        Mode::Supervisor => 4,
    }
}

/// The mode of a code.
pub(super) fn mode(code: i16) -> QueryResult<Mode> {
    decode("mode", code, &Mode::ALL, mode_code)
}

pub(super) fn decode<T: Copy>(
    name: &str,
    code: i16,
    all: &[T],
    encode: fn(T) -> i16,
) -> QueryResult<T> {
    let found = all.iter().copied().find(|value| encode(*value) == code);
    found.ok_or_else(|| unreadable(format_args!("unknown {name} {code}")))
}

/// A key's scopes as a set of bits.
pub(crate) fn scope_bits(scopes: &BTreeSet<Scope>) -> i16 {
    scopes.iter().map(|scope| scope_bit(*scope)).sum()
}

/// The scopes of a set of bits.
pub(crate) fn scopes(bits: i16) -> BTreeSet<Scope> {
    Scope::ALL.into_iter().filter(|scope| bits & scope_bit(*scope) != 0).collect()
}

const fn scope_bit(scope: Scope) -> i16 {
    match scope {
        Scope::Gateway => 1,
        Scope::Research => 2,
        Scope::Worker => 4,
        Scope::Admin => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::{kind, kind_code, scope_bits, scopes, status, status_code};
    use taskgate_domain::{
        key::Scope,
        task::{status::TaskStatus, work::Kind},
    };

    #[test]
    fn codes_read_back() {
        for one in TaskStatus::ALL {
            assert_eq!(status(status_code(one)), Ok(one));
        }
        for one in Kind::ALL {
            assert_eq!(kind(kind_code(one)), Ok(one));
        }
        assert!(status(0).is_err() && kind(99).is_err());
    }

    #[test]
    fn scopes_read_back() {
        for set in [vec![], vec![Scope::Worker], Scope::ALL.to_vec()] {
            let set = set.into_iter().collect();
            assert_eq!(scopes(scope_bits(&set)), set);
        }
    }
}

//! How many files the process may have open, and how many of them connections
//! of clients may be.

use std::io;
use taskgate_api::Face;

/// The most connections that one face takes, where the limit leaves room: ten
/// thousand open streams and as many other callers as keep connections open.
const MAX_CONNECTIONS: u64 = 16_000;
/// The fewest, whatever the limit is.
const MIN_CONNECTIONS: u64 = 16;
/// Listeners, the log, what the runtimes poll with, and some to spare.
const RESERVE: u64 = 64;
/// A connection to SQLite has the database, its log and its index open.
const FILES_OF_A_CONNECTION: u64 = 3;
/// Connections to the store beyond the pool: the writer, the one that answers
/// readiness, and the one that looks out for other processes.
const FURTHER_CONNECTIONS: u64 = 3;

/// Raises the soft limit on open files to the hard one, and returns it.
///
/// # Errors
/// When the system tells no limit or does not let it be raised.
pub(crate) fn raise_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX)
}

/// How many parts of the room a face gets: applications and their users keep
/// streams open, and they come to the gateway.
const fn weight(face: Face) -> u64 {
    match face {
        Face::Gateway => 4,
        Face::Research | Face::Worker => 1,
    }
}

/// How many connections one of these faces may take below this limit on open
/// files, beside a pool of connections to the store.
pub(crate) fn connections(limit: u64, pool_size: u32, faces: &[Face], face: Face) -> usize {
    let store = (u64::from(pool_size) + FURTHER_CONNECTIONS) * FILES_OF_A_CONNECTION;
    let parts: u64 = faces.iter().copied().map(weight).sum();
    let share = limit.saturating_sub(RESERVE + store) / parts.max(1) * weight(face);
    // Within bounds that every `usize` holds.
    usize::try_from(share.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{connections, raise_limit};
    use taskgate_api::Face;

    #[test]
    fn faces_share_what_the_store_leaves() {
        let gateway = |limit, faces: &[Face]| connections(limit, 16, faces, Face::Gateway);
        assert_eq!(gateway(1_024, &Face::ALL), 600);
        assert_eq!(connections(1_024, 16, &Face::ALL, Face::Worker), 150);
        assert_eq!(gateway(1_024, &[Face::Gateway]), 900);
        assert_eq!(gateway(20_000, &Face::ALL), 13_252);
        assert_eq!(gateway(u64::MAX, &Face::ALL), 16_000);
    }

    #[test]
    fn a_small_limit_leaves_a_few() {
        assert_eq!(connections(256, 1_000, &Face::ALL, Face::Gateway), 16);
        assert_eq!(connections(0, 1, &[], Face::Worker), 16);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let limit = raise_limit().unwrap();
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!((soft, hard), (limit, limit));
    }
}

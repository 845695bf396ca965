//! What callers without a key may not do, where none is asked for.

use crate::http::error::ApiError;
use actix_web::http::header::{self, HeaderMap};
use std::net::{IpAddr, Ipv6Addr};

/// Who needs no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyless {
    /// Whoever is on this machine.
    Loopback,
    /// Whoever reaches the face.
    TrustedNetwork,
}

impl Keyless {
    /// Lets a request without a key pass, unless a web page may have made a
    /// browser send it.
    ///
    /// A page of any origin can send a form or plain text anywhere without
    /// being asked, and can have its own host name resolve to this machine.
    /// Browsers tell of both, in `Origin` and `Host`.
    ///
    /// # Errors
    /// [`ApiError::KeyNeeded`]
    pub(crate) fn admit(self, headers: &HeaderMap) -> Result<(), ApiError> {
        let each = |name| headers.get_all(name).map(|value| value.to_str().unwrap_or_default());
        let hosts = || each(header::HOST);
        let (own_origin, own_host) = match self {
            Self::Loopback => {
                (each(header::ORIGIN).all(is_loopback_origin), hosts().all(is_loopback))
            }
            Self::TrustedNetwork => {
                let is_own = |origin| {
                    authority(origin).is_some_and(|page| {
                        hosts().next().is_some_and(|host| page.eq_ignore_ascii_case(host))
                    })
                };
                (each(header::ORIGIN).all(is_own), true)
            }
        };
        if !own_origin {
            return Err(ApiError::KeyNeeded(
                "Without an API key, web pages of another origin are kept out",
            ));
        }
        if !own_host {
            return Err(ApiError::KeyNeeded(
                "Without an API key, call this face as localhost or by its loopback address",
            ));
        }
        Ok(())
    }
}

/// Whether this machine serves the pages of an origin.
pub(crate) fn is_loopback_origin(origin: &str) -> bool {
    authority(origin).is_some_and(is_loopback)
}

/// The host and port of an origin; none for `null`.
fn authority(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, authority)| authority)
}

/// Whether a host, with or without a port, is this machine by a name that
/// nobody can point elsewhere.
fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.split_once(']').map(|(address, _)| address.parse::<Ipv6Addr>());
        return matches!(address, Some(Ok(address)) if address.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn this_machine_has_few_names() {
        for host in ["localhost", "LocalHost:8000", "127.0.0.1", "127.8.9.1:80", "[::1]:8000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:8000",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "10.0.0.1:8000",
            "0.0.0.0",
            "[::2]",
            "[::1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}

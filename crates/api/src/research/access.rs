//! Who may call this face, and what those without a key may not do.

use crate::http::error::ApiError;
use actix_web::http::header::{self, HeaderMap};
use std::{
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Who may call the research face. As text: `loopback`, `keys`,
/// `trusted-network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResearchAccess {
    /// Whoever is on this machine, without a key. Other machines' web pages are
    /// kept out, so a request must name this machine as its host.
    Loopback,
    /// Whoever has a key.
    Keys,
    /// Whoever reaches it, without a key: the operator says that the network
    /// keeps strangers out.
    TrustedNetwork,
}

impl FromStr for ResearchAccess {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "loopback" => Ok(Self::Loopback),
            "keys" => Ok(Self::Keys),
            "trusted-network" => Ok(Self::TrustedNetwork),
            _ => Err("must be loopback, keys or trusted-network"),
        }
    }
}

impl ResearchAccess {
    /// Lets a request without a key pass, unless a web page may have made a
    /// browser send it.
    ///
    /// A page of any origin can send a form or plain text anywhere without
    /// being asked, and can have its own host name resolve to this machine.
    /// Browsers tell of both, in `Origin` and `Host`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] where keys are demanded, else
    /// [`ApiError::KeyNeeded`].
    pub(crate) fn admit_without_key(self, headers: &HeaderMap) -> Result<(), ApiError> {
        let each = |name| headers.get_all(name).map(|value| value.to_str().unwrap_or_default());
        let hosts = || each(header::HOST);
        let (own_origin, own_host) = match self {
            Self::Keys => return Err(ApiError::Unauthorized),
            Self::Loopback => (
                each(header::ORIGIN).all(|origin| authority(origin).is_some_and(is_loopback)),
                hosts().all(is_loopback),
            ),
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
            return Err(ApiError::KeyNeeded("Web pages of another origin need an API key"));
        }
        if !own_host {
            return Err(ApiError::KeyNeeded(
                "Without an API key, call this face as localhost or by its loopback address",
            ));
        }
        Ok(())
    }
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

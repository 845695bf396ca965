//! Where the faces listen, and where they may.

use crate::failure::Failure;
use std::{
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};
use taskgate_api::{Face, ResearchAccess};

/// Where a face listens: `HOST:PORT`, or `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaceAddress {
    /// Nowhere.
    Off,
    /// At this host, a name or an IP address, and port; port 0 is any free one.
    At(String),
}

impl FromStr for FaceAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let host_and_port = text.rsplit_once(':');
        match host_and_port.map(|(host, port)| (host, port.parse::<u16>())) {
            Some((host, Ok(_))) if !host.is_empty() => Ok(Self::At(text.to_owned())),
            _ => Err("must be HOST:PORT, such as 127.0.0.1:8080, or off"),
        }
    }
}

/// Which addresses a face may listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of this machine alone, for this reason and with this way out.
    Loopback(&'static str),
    /// Any.
    Any,
}

impl Reach {
    /// What `taskgate dev` allows every face.
    pub(crate) const DEV: Self =
        Self::Loopback("`taskgate dev` accepts a key that everybody knows; use `taskgate serve`");

    /// What `taskgate dev --no-auth` allows every face.
    pub(crate) const NO_AUTH: Self = Self::Loopback(
        "`taskgate dev --no-auth` lets everybody in; use `taskgate serve`, which asks for keys",
    );

    /// What the research face is allowed.
    pub(crate) const fn of_research(access: ResearchAccess) -> Self {
        match access {
            ResearchAccess::Loopback => Self::Loopback(
                "it asks for no key; demand keys with --research-access keys, or say with \
                 --research-access trusted-network that the network keeps strangers out",
            ),
            ResearchAccess::Keys | ResearchAccess::TrustedNetwork => Self::Any,
        }
    }

    /// Looks a face's host up, and refuses addresses that are out of reach.
    pub(crate) fn resolve(self, face: Face, at: &str) -> Result<Vec<SocketAddr>, Failure> {
        let name = face.as_str();
        let found = at.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let addresses = match found {
            Ok(addresses) if !addresses.is_empty() => addresses,
            _ => {
                return Err(Failure::new(format!(
                    "cannot find the address {at} of the {name} face"
                )));
            }
        };
        match self {
            Self::Loopback(why) if !addresses.iter().all(|address| address.ip().is_loopback()) => {
                Err(Failure::new(format!(
                    "the {name} face may not listen on {at}, which is not a loopback address: {why}"
                )))
            }
            _ => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FaceAddress, Reach};
    use taskgate_api::{Face, ResearchAccess};

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:8080", "[::1]:0", "localhost:65535", "0.0.0.0:80"] {
            assert_eq!(text.parse(), Ok(FaceAddress::At(text.to_owned())));
        }
        assert_eq!("off".parse(), Ok(FaceAddress::Off));
        for text in ["", "8080", ":8080", "localhost", "localhost:", "localhost:65536", "OFF"] {
            assert!(text.parse::<FaceAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn without_keys_the_research_face_stays_on_loopback() {
        let reach = Reach::of_research(ResearchAccess::Loopback);
        for at in ["127.0.0.1:0", "127.8.9.1:0", "[::1]:0"] {
            assert!(reach.resolve(Face::Research, at).is_ok(), "{at}");
        }
        for at in ["0.0.0.0:8000", "[::]:8000", "192.0.2.1:8000"] {
            let refusal = reach.resolve(Face::Research, at).unwrap_err().to_string();
            assert!(
                refusal.contains(at) && refusal.contains("--research-access keys"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn keys_or_a_trusted_network_open_the_research_face() {
        for access in [ResearchAccess::Keys, ResearchAccess::TrustedNetwork] {
            let addresses =
                Reach::of_research(access).resolve(Face::Research, "0.0.0.0:8000").unwrap();
            assert_eq!(addresses, ["0.0.0.0:8000".parse().unwrap()]);
        }
    }

    #[test]
    fn dev_stays_on_loopback_whatever_the_access() {
        let refusal = Reach::DEV.resolve(Face::Gateway, "0.0.0.0:8080").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "the gateway face may not listen on 0.0.0.0:8080, which is not a loopback address: \
             `taskgate dev` accepts a key that everybody knows; use `taskgate serve`"
        );
    }

    #[test]
    fn without_keys_every_face_stays_on_loopback() {
        for face in Face::ALL {
            let refusal = Reach::NO_AUTH.resolve(face, "[::]:1").unwrap_err().to_string();
            assert!(refusal.contains("`taskgate dev --no-auth` lets everybody in"), "{refusal}");
            assert!(Reach::NO_AUTH.resolve(face, "[::1]:1").is_ok());
        }
    }

    #[test]
    fn an_unknown_host_is_said_so() {
        let refusal = Reach::Any.resolve(Face::Worker, "no-such-host.invalid:1").unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "cannot find the address no-such-host.invalid:1 of the worker face"
        );
    }
}

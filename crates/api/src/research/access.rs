//! Who may call this face.

use crate::http::keyless::Keyless;
use std::str::FromStr;

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

impl ResearchAccess {
    /// Who needs no key; none where keys are demanded.
    pub(crate) const fn keyless(self) -> Option<Keyless> {
        match self {
            Self::Loopback => Some(Keyless::Loopback),
            Self::Keys => None,
            Self::TrustedNetwork => Some(Keyless::TrustedNetwork),
        }
    }
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

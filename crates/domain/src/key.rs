//! API keys: who calls.

use crate::{
    error::InvalidValue,
    id::{KeyId, ProjectId, TenantId, UserId},
    text,
};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The gateway face.
    Gateway,
    /// The research face.
    Research,
    /// The worker face.
    Worker,
    /// Every face.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Research, Self::Worker, Self::Admin];

    /// The scope's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Research => "research",
            Self::Worker => "worker",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| InvalidValue::new("scope", "must be gateway, research, worker or admin"))
    }
}

/// Who calls, as an API key proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user's tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The key that was shown.
    pub key: KeyId,
    /// What the key may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The only projects that the key sees on the research face; `None` is
    /// all of the tenant's.
    pub projects: Option<BTreeSet<ProjectId>>,
}

impl Principal {
    /// Whether the key may be used for `scope`.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// The secret text of a key. It is never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(String);

impl KeySecret {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const RANDOM_CHARS: usize = 30;
    const CHECK_CHARS: usize = 6;
    const PREFIX: &str = "sk_live_";

    /// A new secret: `sk_live_`, 30 random characters (178 bits) and a
    /// checksum of 6, by which a mistyped or truncated key is told from an
    /// unknown one without asking the store.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut text = String::from(Self::PREFIX);
        while text.len() < Self::PREFIX.len() + Self::RANDOM_CHARS {
            let mut bytes = [0_u8; Self::RANDOM_CHARS];
            getrandom::fill(&mut bytes)?;
            // 248 = 4 × 62: bytes past it would favour the first characters.
            let chars = bytes.iter().filter(|byte| **byte < 248).map(|byte| Self::char_of(*byte));
            let missing = Self::PREFIX.len() + Self::RANDOM_CHARS - text.len();
            text.extend(chars.take(missing));
        }
        text.push_str(&Self::checksum(&text));
        Ok(Self(text))
    }

    /// Takes the text that a caller sent; whatever it is, it has a hash.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether the text has the form and checksum of a generated key.
    pub fn is_well_formed(&self) -> bool {
        self.0.starts_with(Self::PREFIX)
            && self.0.len() == Self::PREFIX.len() + Self::RANDOM_CHARS + Self::CHECK_CHARS
            && self
                .0
                .split_at_checked(self.0.len() - Self::CHECK_CHARS)
                .is_some_and(|(body, check)| Self::checksum(body) == check)
    }

    /// What the store keeps of the key.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The text itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The beginning of the text, by which people tell their keys apart.
    pub fn hint(&self) -> String {
        self.0.chars().take(Self::PREFIX.len() + 4).collect()
    }

    fn checksum(body: &str) -> String {
        Sha256::digest(body.as_bytes())
            .iter()
            .take(Self::CHECK_CHARS)
            .map(|byte| Self::char_of(*byte))
            .collect()
    }

    fn char_of(byte: u8) -> char {
        Self::ALPHABET.get(usize::from(byte % 62)).copied().unwrap_or(b'0').into()
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// The SHA-256 of a key's text. The text is random, so no salt is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The 256 bits.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A key on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The key's public id.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The first characters of its secret.
    pub hint: String,
    /// What the key is and may do.
    pub grant: KeyGrant,
}

/// Whose a new key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOwner {
    /// A user that exists.
    User(UserId),
    /// A user by name, made when new; the same name is the same tenant, and
    /// within a tenant the same user.
    Named {
        /// The tenant; `None` is [`TenantId::DEFAULT`].
        tenant: Option<String>,
        /// The user; `None` is the tenant's user `default`, which in the
        /// default tenant is [`UserId::DEFAULT`].
        user: Option<String>,
    },
}

/// What a key is and may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    name: String,
    description: Option<String>,
    owner: KeyOwner,
    scopes: BTreeSet<Scope>,
    projects: Option<BTreeSet<ProjectId>>,
    expires_at: Option<DateTime<Utc>>,
}

impl KeyGrant {
    /// A grant. An empty set of projects means all projects.
    ///
    /// # Errors
    /// [`InvalidValue`] when a name is not 1 to 100 characters without control
    /// characters, no scope is given, or there are over 100 projects.
    pub fn new(
        name: String,
        owner: KeyOwner,
        scopes: BTreeSet<Scope>,
        projects: BTreeSet<ProjectId>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Self, InvalidValue> {
        text::check_label("name", &name, 1, 100)?;
        if let KeyOwner::Named { tenant, user } = &owner {
            for (field, name) in [("tenant", tenant), ("user", user)] {
                if let Some(name) = name {
                    text::check_label(field, name, 1, 100)?;
                }
            }
        }
        if scopes.is_empty() {
            return Err(InvalidValue::new("scope", "must be given"));
        }
        if projects.len() > 100 {
            return Err(InvalidValue::new("project", "must be given at most 100 times"));
        }
        let projects = (!projects.is_empty()).then_some(projects);
        Ok(Self { name, description: None, owner, scopes, projects, expires_at })
    }

    /// The same with words on what the key is for.
    ///
    /// # Errors
    /// [`InvalidValue`] when they are over 500 characters or hold control
    /// characters.
    pub fn with_description(self, description: Option<String>) -> Result<Self, InvalidValue> {
        if let Some(description) = &description {
            text::check_label("description", description, 0, 500)?;
        }
        Ok(Self { description, ..self })
    }

    /// The same with another end; `None` is never.
    #[must_use]
    pub fn until(self, expires_at: Option<DateTime<Utc>>) -> Self {
        Self { expires_at, ..self }
    }

    /// What people call the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in words.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Whose it is.
    pub const fn owner(&self) -> &KeyOwner {
        &self.owner
    }

    /// What the key may be used for.
    pub const fn scopes(&self) -> &BTreeSet<Scope> {
        &self.scopes
    }

    /// The only projects that the key sees; `None` is all.
    pub const fn projects(&self) -> Option<&BTreeSet<ProjectId>> {
        self.projects.as_ref()
    }

    /// When the key stops working.
    pub const fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }
}

/// A key as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Who calls with it.
    pub principal: Principal,
    /// What people call it.
    pub name: String,
    /// What it is for, in words.
    pub description: Option<String>,
    /// Its tenant's name.
    pub tenant: String,
    /// Its user's name.
    pub user: String,
    /// The first characters of its secret.
    pub hint: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// Whether this is the key with that id.
    pub fn is(&self, id: KeyId) -> bool {
        self.principal.key == id
    }

    /// What the key is and may do, for another key to be the same.
    pub fn grant(&self) -> KeyGrant {
        KeyGrant {
            name: self.name.clone(),
            description: self.description.clone(),
            owner: KeyOwner::User(self.principal.user),
            scopes: self.principal.scopes.clone(),
            projects: self.principal.projects.clone(),
            expires_at: self.expires_at,
        }
    }

    /// Whether the key works at this time.
    pub fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::KeySecret;

    #[test]
    fn generated_keys_are_well_formed_and_differ() {
        let (a, b) = (KeySecret::generate().unwrap(), KeySecret::generate().unwrap());
        assert!(a.is_well_formed() && b.is_well_formed());
        assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn a_typing_error_is_noticed() {
        let good = KeySecret::generate().unwrap();
        let mut text = good.reveal().to_owned();
        let last = if text.pop() == Some('0') { '1' } else { '0' };
        text.push(last);
        assert!(!KeySecret::new(text).is_well_formed());
        for text in ["", "sk_test_123456", "sk_live_", "sk_live_ééééééééééééééé000000"]
        {
            assert!(!KeySecret::new(text).is_well_formed(), "{text}");
        }
        assert_eq!(format!("{good:?}"), "KeySecret(…)");
    }
}

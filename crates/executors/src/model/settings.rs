//! How a model is reached.

use super::price::Prices;
use crate::answerer::Tier;
use reqwest::{Url, header::HeaderValue};
use std::{fmt, time::Duration};
use taskgate_domain::error::InvalidValue;

/// How a model is reached.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Where the API begins, such as `https://api.openai.com/v1`; the path
    /// `chat/completions` is put behind it.
    pub base_url: BaseUrl,
    /// What the endpoint's owner is called in results and errors; without a
    /// name it is [`BaseUrl::provider`].
    ///
    /// Under the name `openai` an answer's length is bounded by
    /// `max_completion_tokens`, under any other by `max_tokens`: OpenAI's newer
    /// models refuse the older name, Ollama and others ignore the newer.
    pub provider: Option<String>,
    /// The endpoint's key, if it wants one.
    pub api_key: Option<ApiKey>,
    /// The models.
    pub models: Models,
    /// What they cost; a model that is not listed costs nothing.
    pub prices: Prices,
    /// How long and how often the endpoint is tried.
    pub patience: Patience,
}

impl ModelSettings {
    /// An endpoint without a key and without prices.
    pub fn new(base_url: BaseUrl, models: Models) -> Self {
        Self {
            base_url,
            provider: None,
            api_key: None,
            models,
            prices: Prices::default(),
            patience: Patience::default(),
        }
    }
}

/// Where an API begins: a URL of the scheme http or https without a user, a
/// password, a query or a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    const RULE: &str = "must be an http or https URL without a user, a password or a query";

    /// A base URL from its text; a slash at its end makes no difference.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is no such URL.
    pub fn new(text: &str) -> Result<Self, InvalidValue> {
        let invalid = || InvalidValue::new("model_base_url", Self::RULE);
        let url = Url::parse(text).map_err(|_error| invalid())?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(Self(url)) } else { Err(invalid()) }
    }

    /// What the endpoint's owner is called when nobody has named it: `openai`
    /// for `api.openai.com`, `custom` for any other host.
    pub fn provider(&self) -> &'static str {
        if self.0.host_str() == Some("api.openai.com") { "openai" } else { "custom" }
    }

    /// Where chats are completed.
    pub(super) fn completions(&self) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["chat", "completions"]);
        }
        url
    }
}

/// An endpoint's key. It is never printed.
#[derive(Clone)]
pub struct ApiKey {
    key: String,
    header: HeaderValue,
}

impl ApiKey {
    /// A key from its text.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is empty or cannot stand in a header.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidValue> {
        let key = key.into();
        let invalid = || InvalidValue::new("model_api_key", "must be visible ASCII characters");
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid());
        }
        let mut header =
            HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_error| invalid())?;
        header.set_sensitive(true);
        Ok(Self { key, header })
    }

    /// The value of the header `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// A text from outside without the key, should it be quoted there.
    pub(super) fn scrub(&self, text: &str) -> String {
        text.replace(&self.key, "***")
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(***)")
    }
}

/// The model of each tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    small: String,
    medium: String,
    large: String,
}

impl Models {
    /// The models that were named. A tier without one uses that of the next
    /// larger tier that has one, or else of the next smaller.
    ///
    /// # Errors
    /// [`InvalidValue`] when none was named.
    pub fn new(
        small: Option<String>,
        medium: Option<String>,
        large: Option<String>,
    ) -> Result<Self, InvalidValue> {
        let first = |order: [&Option<String>; 3]| {
            order.into_iter().flatten().next().cloned().ok_or_else(|| {
                InvalidValue::new(
                    "model_medium",
                    "must be set, or model_small or model_large, when there is a model_base_url",
                )
            })
        };
        Ok(Self {
            small: first([&small, &medium, &large])?,
            medium: first([&medium, &large, &small])?,
            large: first([&large, &medium, &small])?,
        })
    }

    /// The model of a tier.
    pub(super) fn of(&self, tier: Tier) -> &str {
        match tier {
            Tier::Small => &self.small,
            Tier::Medium => &self.medium,
            Tier::Large => &self.large,
        }
    }
}

/// How long and how often an endpoint is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a connection may take.
    pub connect: Duration,
    /// How long an endpoint may say nothing, before an answer and within it: a
    /// model on a small machine reads a long question for minutes.
    pub silence: Duration,
    /// How often a question is asked, from 1, when the cause of a failure may
    /// pass.
    pub attempts: u32,
    /// What is waited before the second time; it doubles each time, up to
    /// [`LONGEST_WAIT`](Self::LONGEST_WAIT).
    pub backoff: Duration,
}

impl Patience {
    /// The longest wait between two attempts, whatever the endpoint asks for.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

    /// How long to wait after an attempt that has failed, counted from 1. What
    /// the endpoint asks for comes on top, so that those who were turned away
    /// together do not come back together.
    pub(super) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let own = self.backoff.saturating_mul(1 << doublings).min(Self::LONGEST_WAIT);
        let own = own.mul_f64(0.5 + fastrand::f64() / 2.0);
        own.saturating_add(asked.unwrap_or_default()).min(Self::LONGEST_WAIT)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(120),
            attempts: 4,
            backoff: Duration::from_millis(500),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, BaseUrl, Models, Patience};
    use crate::answerer::Tier;
    use std::time::Duration;

    #[test]
    fn a_slash_at_the_end_makes_no_difference() {
        for text in ["http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/"] {
            let url = BaseUrl::new(text).unwrap();
            assert_eq!(url.completions().as_str(), "http://127.0.0.1:11434/v1/chat/completions");
        }
        assert_eq!(
            BaseUrl::new("http://models.internal").unwrap().completions().as_str(),
            "http://models.internal/chat/completions"
        );
    }

    #[test]
    fn a_url_that_holds_a_secret_or_is_none_is_refused() {
        for text in [
            "",
            "api.openai.com/v1",
            "ftp://models.internal/v1",
            "https://user:secret@models.internal/v1",
            "https://models.internal/v1?key=secret",
        ] {
            let error = BaseUrl::new(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_host_names_the_provider() {
        assert_eq!(BaseUrl::new("https://api.openai.com/v1").unwrap().provider(), "openai");
        assert_eq!(BaseUrl::new("http://127.0.0.1:8000/v1").unwrap().provider(), "custom");
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = ApiKey::new("sk-secret").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.header()), "ApiKey(***) Sensitive");
        assert_eq!(key.scrub("wrong key: sk-secret."), "wrong key: ***.");
        for invalid in ["", "two words", "line\nbreak", "ключ"] {
            assert!(ApiKey::new(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn a_tier_without_a_model_uses_the_next_that_has_one() {
        let name = |name: &str| Some(name.to_owned());
        let all = |models: Models| {
            [Tier::Small, Tier::Medium, Tier::Large].map(|tier| models.of(tier).to_owned())
        };
        assert_eq!(all(Models::new(None, name("m"), None).unwrap()), ["m", "m", "m"]);
        assert_eq!(all(Models::new(name("s"), None, name("l")).unwrap()), ["s", "l", "l"]);
        assert_eq!(all(Models::new(name("s"), name("m"), None).unwrap()), ["s", "m", "m"]);
        assert!(Models::new(None, None, None).is_err());
    }

    #[test]
    fn waits_double_and_end_at_a_minute() {
        let patience = Patience { backoff: Duration::from_secs(1), ..Patience::default() };
        for (attempt, most) in [(1, 1), (2, 2), (3, 4), (40, 60)] {
            let most = Duration::from_secs(most);
            let wait = patience.wait(attempt, None);
            assert!((most / 2..=most).contains(&wait), "{attempt}: {wait:?}");
        }
        let asked = patience.wait(1, Some(Duration::from_secs(7)));
        assert!((Duration::from_millis(7500)..=Duration::from_secs(8)).contains(&asked));
        assert_eq!(patience.wait(1, Some(Duration::from_secs(3600))), Patience::LONGEST_WAIT);
    }
}

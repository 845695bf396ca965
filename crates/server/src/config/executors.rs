//! What tasks are run with.

use crate::failure::Failure;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{path::PathBuf, str::FromStr, time::Duration};
use taskgate_domain::error::InvalidValue;
use taskgate_executors::model::{ApiKey, BaseUrl, ModelSettings, Models, Patience, Prices};

/// The settings of whoever runs tasks.
#[derive(Debug, Deserialize)]
pub(crate) struct ExecutorSettings {
    /// A folder of texts to answer by.
    #[serde(deserialize_with = "optional")]
    pub(crate) corpus: Option<PathBuf>,
    /// Where a model answers.
    #[serde(deserialize_with = "base_url")]
    model_base_url: Option<BaseUrl>,
    /// The endpoint's key.
    #[serde(deserialize_with = "api_key")]
    pub(crate) model_api_key: Option<ApiKey>,
    /// What the endpoint's owner is called.
    #[serde(deserialize_with = "optional")]
    model_provider: Option<String>,
    /// The model of the tier small.
    #[serde(deserialize_with = "optional")]
    model_small: Option<String>,
    /// The model of the tier medium.
    #[serde(deserialize_with = "optional")]
    model_medium: Option<String>,
    /// The model of the tier large.
    #[serde(deserialize_with = "optional")]
    model_large: Option<String>,
    /// What models cost.
    #[serde(deserialize_with = "prices")]
    model_prices: Option<Prices>,
    /// How long a model may say nothing.
    #[serde(deserialize_with = "super::from_text")]
    model_timeout: ModelTimeout,
}

/// A number of seconds, 1 to 3600.
#[derive(Debug, Clone, Copy)]
struct ModelTimeout(Duration);

impl FromStr for ModelTimeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(seconds @ 1..=3600) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err("must be a number of seconds from 1 to 3600"),
        }
    }
}

impl ExecutorSettings {
    /// How a model is reached, if there is one.
    pub(crate) fn model(&self) -> Result<Option<ModelSettings>, Failure> {
        let Some(base_url) = self.model_base_url.clone() else { return Ok(None) };
        let [small, medium, large] =
            [&self.model_small, &self.model_medium, &self.model_large].map(Clone::clone);
        let models =
            Models::new(small, medium, large).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Some(ModelSettings {
            provider: self.model_provider.clone(),
            api_key: self.model_api_key.clone(),
            prices: self.model_prices.clone().unwrap_or_default(),
            patience: Patience { silence: self.model_timeout.0, ..Patience::default() },
            ..ModelSettings::new(base_url, models)
        }))
    }
}

/// Reads a setting that need not have a value.
fn optional<'de, D: Deserializer<'de>, T: From<String>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    read(deserializer, |text| Ok(text.to_owned().into()))
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BaseUrl>, D::Error> {
    read(deserializer, BaseUrl::new)
}

fn api_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ApiKey>, D::Error> {
    read(deserializer, |text| ApiKey::new(text))
}

fn prices<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Prices>, D::Error> {
    read(deserializer, str::parse)
}

fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, InvalidValue>,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == super::NONE {
        return Ok(None);
    }
    // The setting is named in the spelling of its source.
    parse(&text).map(Some).map_err(|error| D::Error::custom(error.rule))
}

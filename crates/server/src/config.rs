//! The settings and where they come from: a flag wins over an environment
//! variable, that over a line of the configuration file, that over the default.

mod executors;

pub(crate) use self::executors::ExecutorSettings;

use crate::{
    address::FaceAddress,
    cli::SettingFlags,
    failure::Failure,
    log::{LogFormat, LogLevel},
};
use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    ffi::OsString,
    fmt::Display,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    str::FromStr,
};
use taskgate_api::{CorsOrigins, ResearchAccess};
use taskgate_infra::DatabaseUrl;

/// The directory that the default store lies in.
const DEFAULT_DIRECTORY: &str = ".taskgate";
/// The default store.
const DEFAULT_DATABASE_URL: &str = "sqlite://.taskgate/taskgate.db";

/// How many tasks a process runs at the same time that is there to run some.
pub(crate) const WORKERS: (&str, &str) = ("workers", "4");
/// The text of a setting that has no value.
const NONE: &str = "none";

/// Every setting by its name in a configuration file, with its default. Its
/// environment variable is `TASKGATE_` and the name in capitals, its flag the
/// name with hyphens.
pub(crate) const DEFAULTS: [(&str, &str); 19] = [
    ("database_url", DEFAULT_DATABASE_URL),
    ("gateway_addr", "127.0.0.1:8080"),
    ("research_addr", "127.0.0.1:8000"),
    ("worker_addr", "127.0.0.1:8090"),
    ("research_access", "loopback"),
    ("cors_allowed_origins", "*"),
    ("pool_size", "16"),
    ("workers", "0"),
    ("corpus", NONE),
    ("model_base_url", NONE),
    ("model_api_key", NONE),
    ("model_provider", NONE),
    ("model_small", NONE),
    ("model_medium", NONE),
    ("model_large", NONE),
    ("model_prices", NONE),
    ("model_timeout", "120"),
    ("log_format", "text"),
    // The HTTP server tells of each start of its threads.
    ("log_level", "info,actix_server=warn"),
];

/// The settings in force.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    /// The store.
    #[serde(deserialize_with = "url_from_text")]
    pub(crate) database_url: DatabaseUrl,
    /// Where the gateway face listens.
    #[serde(deserialize_with = "from_text")]
    pub(crate) gateway_addr: FaceAddress,
    /// Where the research face listens.
    #[serde(deserialize_with = "from_text")]
    pub(crate) research_addr: FaceAddress,
    /// Where the worker face listens.
    #[serde(deserialize_with = "from_text")]
    pub(crate) worker_addr: FaceAddress,
    /// Who may call the research face.
    #[serde(deserialize_with = "from_text")]
    pub(crate) research_access: ResearchAccess,
    /// Whose web pages may read the gateway's answers.
    #[serde(deserialize_with = "from_text")]
    pub(crate) cors_allowed_origins: CorsOrigins,
    /// How many connections to the store are kept at most.
    #[serde(deserialize_with = "from_text")]
    pub(crate) pool_size: PoolSize,
    /// How many tasks this process runs at the same time.
    #[serde(deserialize_with = "from_text")]
    pub(crate) workers: WorkerSlots,
    /// The form of the log.
    #[serde(deserialize_with = "from_text")]
    pub(crate) log_format: LogFormat,
    /// What is logged.
    #[serde(deserialize_with = "from_text")]
    pub(crate) log_level: LogLevel,
}

/// The settings in force, and where each comes from.
#[derive(Debug)]
pub(crate) struct Config {
    /// The settings, read.
    pub(crate) settings: Settings,
    /// What tasks are run with.
    pub(crate) executors: ExecutorSettings,
    merged: Figment,
}

/// A number of tasks, 0 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerSlots(pub(crate) u16);

impl FromStr for WorkerSlots {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(slots @ 0..=1000) => Ok(Self(slots)),
            _ => Err("must be a number from 0 to 1000"),
        }
    }
}

/// A number of connections, 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolSize(pub(crate) u32);

impl FromStr for PoolSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(size @ 1..=1000) => Ok(Self(size)),
            _ => Err("must be a number from 1 to 1000"),
        }
    }
}

impl Config {
    /// Reads the settings from everywhere.
    pub(crate) fn load(flags: &dyn SettingFlags) -> Result<Self, Failure> {
        Self::load_over(&[], flags)
    }

    /// Reads the settings of a command that has some defaults of its own.
    pub(crate) fn load_over(
        defaults: &[(&str, &str)],
        flags: &dyn SettingFlags,
    ) -> Result<Self, Failure> {
        Self::load_from(defaults, flags, &|name| std::env::var_os(name))
    }

    fn load_from(
        defaults: &[(&str, &str)],
        flags: &dyn SettingFlags,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Failure> {
        let mut merged = Figment::from(Layer::new(Origin::Default, DEFAULTS))
            .merge(Layer::new(Origin::Default, defaults.iter().copied()));
        let named = environment("TASKGATE_CONFIG").filter(|path| !path.is_empty());
        if let Some(path) = flags.config().or_else(|| named.map(PathBuf::from)) {
            merged = merged.merge(Layer::read_file(&path)?);
        }
        let merged = merged
            .merge(Layer::read_environment(environment)?)
            .merge(Layer::new(Origin::Flag, flags.given()));
        // Two extractions, for within a flattened struct an error would not
        // know which setting it is about.
        let settings = merged.extract().map_err(refusal)?;
        let executors = merged.extract().map_err(refusal)?;
        Ok(Self { settings, executors, merged })
    }

    /// The settings as a configuration file, each with its origin. A database
    /// password is masked.
    pub(crate) fn show(&self) -> String {
        let row = |(name, _): (&str, &str)| {
            let value: String = match name {
                "database_url" => self.settings.database_url.to_string(),
                "model_api_key" if self.executors.model_api_key.is_some() => "***".to_owned(),
                _ => self.merged.extract_inner(name).unwrap_or_default(),
            };
            let metadata = self.merged.find_metadata(name).cloned().unwrap_or_default();
            let origin = metadata.interpolate(&Profile::Default, &[name]);
            // A file may give any number without quotes.
            let quoted = if value.parse::<u64>().is_ok() { value } else { format!("{value:?}") };
            [format!("{name} = {quoted}"), format!("# {origin}")]
        };
        crate::terminal::table(&DEFAULTS.map(row))
    }
}

/// Says what is wrong with which setting, in the spelling of its origin.
fn refusal(error: figment::Error) -> Failure {
    let (profile, metadata) = (Profile::Default, error.metadata.unwrap_or_default());
    let setting = metadata.interpolate(&profile, &error.path);
    Failure::new(format!("{setting} {}", error.kind))
}

/// Makes the directory of the default store, for its owner alone, when that is
/// the store to use. The directory of any other is the operator's to make.
pub(crate) fn make_default_directory(url: &DatabaseUrl) -> Result<(), Failure> {
    if url.to_string() != DEFAULT_DATABASE_URL {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(DEFAULT_DIRECTORY);
    made.map_err(|error| Failure::caused("cannot make the directory .taskgate", &error))
}

/// Reads a setting from its text.
fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Reads the store's URL, whose own error already says what it is.
fn url_from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DatabaseUrl, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("must be sqlite://PATH or postgres://…"))
}

/// The settings of one origin.
struct Layer {
    origin: Origin,
    values: Dict,
}

#[derive(Clone)]
enum Origin {
    Default,
    File(PathBuf),
    Environment,
    Flag,
}

impl Origin {
    /// How this origin spells a setting.
    fn spell(&self, name: &str) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File(path) => format!("{name} in {}", path.display()),
            Self::Environment => format!("TASKGATE_{}", name.to_uppercase()),
            Self::Flag => format!("--{}", name.replace('_', "-")),
        }
    }
}

impl Layer {
    fn new<'a>(origin: Origin, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = values.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text)));
        Self { origin, values: values.collect() }
    }

    /// Reads the variables that are settings. Others are left alone, for a
    /// cluster adds some of its own (`TASKGATE_SERVICE_HOST`). An empty one is
    /// absent: composition files pass on what is not set as empty.
    fn read_environment(environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let origin = Origin::Environment;
        let mut values = Dict::new();
        for (name, _) in DEFAULTS {
            let variable = origin.spell(name);
            let Some(text) = environment(&variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let text = text
                .into_string()
                .map_err(|_| Failure::new(format!("{variable} must be valid UTF-8")))?;
            values.insert(name.to_owned(), Value::from(text));
        }
        Ok(Self { origin, values })
    }

    fn read_file(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::caused(&format!("cannot read {shown}"), &error))?;
        let mut values: Dict = Toml::from_str(&text).map_err(|error| {
            // The error's own text would quote the line, which may hold a password.
            let start = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = start.matches('\n').count() + 1;
            let reason = error.message().replace('\n', ", ");
            Failure::new(format!("cannot read {shown}: line {line} is not valid TOML: {reason}"))
        })?;
        let origin = Origin::File(path.to_owned());
        for (name, value) in &mut values {
            if !DEFAULTS.iter().any(|(known, _)| known == name) {
                let known = DEFAULTS.map(|(known, _)| known).join(", ");
                return Err(Failure::new(format!(
                    "{} is not a setting; the settings are {known}",
                    origin.spell(name)
                )));
            }
            *value = match value {
                Value::String(_, text) => Value::from(text.as_str()),
                Value::Num(_, number) if number.to_i128().is_some() => {
                    Value::from(number.to_i128().unwrap_or_default().to_string())
                }
                _ => {
                    let spelled = origin.spell(name);
                    return Err(Failure::new(format!("{spelled} must be a text or a number")));
                }
            };
        }
        Ok(Self { origin, values })
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let origin = self.origin.clone();
        Metadata::named("settings").interpolater(move |_, path| origin.spell(&path.join(".")))
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

#[cfg(test)]
mod tests;

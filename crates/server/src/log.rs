//! The log: lines on standard error.

use crate::failure::Failure;
use std::{io::IsTerminal, str::FromStr};
use tracing_subscriber::EnvFilter;

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, its fields beside `timestamp`, `level` and
    /// `message`.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json"),
        }
    }
}

/// What is logged: a level, also by module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A word that is no level would be taken for a module, and silence the log.
        let first = text.split(',').next().unwrap_or_default();
        let level_first = first.contains('=') || first.parse::<tracing::Level>().is_ok();
        if !level_first || EnvFilter::builder().parse(text).is_err() {
            return Err("must be error, warn, info, debug or trace, then may go on by module \
                        (info,taskgate_infra=debug)");
        }
        Ok(Self(text.to_owned()))
    }
}

/// What is never logged: actix reports every malformed request as an error of
/// its own, so whoever can connect could fill the log.
const SILENT: &str = "actix_http::h1=off";

/// Starts the log; once in a process.
pub(crate) fn start(format: LogFormat, level: &LogLevel) -> Result<(), Failure> {
    let filter = EnvFilter::builder()
        .parse(format!("{},{SILENT}", level.0))
        .map_err(|error| Failure::caused("cannot start the log", &error))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).try_init(),
    };
    started.map_err(|error| Failure::caused("cannot start the log", error.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::LogLevel;

    #[test]
    fn a_level_stands_first() {
        for text in ["info", "WARN", "info,taskgate_infra=debug", "taskgate=trace"] {
            assert!(text.parse::<LogLevel>().is_ok(), "{text}");
        }
        for text in ["", "loud", "taskgate", "info,taskgate=loud", "="] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}

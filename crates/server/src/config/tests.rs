use super::{Config, PoolSize};
use crate::{address::FaceAddress, cli::SettingFlags};
use std::{ffi::OsString, io::Write, path::PathBuf};
use taskgate_api::CorsOrigins;

/// Sources of settings that no other test sees.
#[derive(Default)]
struct Sources {
    flags: Vec<(&'static str, &'static str)>,
    environment: Vec<(&'static str, &'static str)>,
    file: Option<tempfile::NamedTempFile>,
}

impl SettingFlags for Sources {
    fn config(&self) -> Option<PathBuf> {
        self.file.as_ref().map(|file| file.path().to_owned())
    }

    fn given(&self) -> Vec<(&'static str, &str)> {
        self.flags.clone()
    }
}

impl Sources {
    fn flag(mut self, name: &'static str, value: &'static str) -> Self {
        self.flags.push((name, value));
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    fn file(mut self, text: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.file = Some(file);
        self
    }

    fn load(&self) -> Config {
        Config::load_from(&[], self, &|name| self.value(name)).unwrap()
    }

    /// The refusal, the file's path in it replaced by FILE.
    fn refusal(&self) -> String {
        let refusal =
            Config::load_from(&[], self, &|name| self.value(name)).unwrap_err().to_string();
        match self.config() {
            Some(path) => refusal.replace(&path.display().to_string(), "FILE"),
            None => refusal,
        }
    }

    fn value(&self, name: &str) -> Option<OsString> {
        let found = self.environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    }
}

#[test]
fn without_any_source_the_defaults_hold() {
    let settings = Sources::default().load().settings;
    assert_eq!(settings.gateway_addr, FaceAddress::At("127.0.0.1:8080".to_owned()));
    assert_eq!(settings.pool_size, PoolSize(16));
    assert_eq!(settings.database_url.to_string(), "sqlite://.taskgate/taskgate.db");
}

#[test]
fn the_file_wins_over_the_default() {
    let sources = Sources::default().file("pool_size = 2\nworker_addr = \"off\"\n");
    let settings = sources.load().settings;
    assert_eq!(settings.pool_size, PoolSize(2));
    assert_eq!(settings.worker_addr, FaceAddress::Off);
}

#[test]
fn the_environment_wins_over_the_file() {
    let sources = Sources::default().file("pool_size = 2").variable("TASKGATE_POOL_SIZE", "3");
    assert_eq!(sources.load().settings.pool_size, PoolSize(3));
}

#[test]
fn a_flag_wins_over_the_environment() {
    let sources = Sources::default().variable("TASKGATE_POOL_SIZE", "3").flag("pool_size", "4");
    assert_eq!(sources.load().settings.pool_size, PoolSize(4));
}

#[test]
fn an_empty_or_foreign_variable_is_absent() {
    let sources = Sources::default()
        .variable("TASKGATE_POOL_SIZE", "")
        .variable("TASKGATE_SERVICE_HOST", "10.0.0.1");
    assert_eq!(sources.load().settings.pool_size, PoolSize(16));
}

#[test]
fn the_environment_can_name_the_file() {
    let mut sources = Sources::default().variable("TASKGATE_CONFIG", "/no/such/file.toml");
    assert_eq!(
        sources.refusal(),
        "cannot read /no/such/file.toml: No such file or directory (os error 2)"
    );
    sources = sources.file("pool_size = 5");
    assert_eq!(sources.load().settings.pool_size, PoolSize(5));
}

#[test]
fn a_wrong_value_is_refused_in_the_spelling_of_its_source() {
    let rule = "must be a number from 1 to 1000";
    for (sources, spelling) in [
        (Sources::default().flag("pool_size", "0"), "--pool-size"),
        (Sources::default().variable("TASKGATE_POOL_SIZE", "many"), "TASKGATE_POOL_SIZE"),
        (Sources::default().file("pool_size = 1001"), "pool_size in FILE"),
        (Sources::default().file("pool_size = \"-1\""), "pool_size in FILE"),
    ] {
        assert_eq!(sources.refusal(), format!("{spelling} {rule}"));
    }
    assert_eq!(
        Sources::default().flag("model_timeout", "2 min").refusal(),
        "--model-timeout must be a number of seconds from 1 to 3600"
    );
}

#[test]
fn origins_are_a_list_with_commas() {
    let sources = Sources::default()
        .variable("TASKGATE_CORS_ALLOWED_ORIGINS", "https://a.example, http://localhost:3000");
    let origins = ["https://a.example", "http://localhost:3000"].map(str::to_owned).to_vec();
    assert_eq!(sources.load().settings.cors_allowed_origins, CorsOrigins::These(origins));
    assert_eq!(
        Sources::default().flag("cors_allowed_origins", "https://a.example/").refusal(),
        "--cors-allowed-origins must be * or origins such as https://app.example.com, with \
         commas between them"
    );
}

#[test]
fn an_unknown_line_of_the_file_is_refused() {
    let refusal = Sources::default().file("databse_url = \"sqlite://x\"").refusal();
    assert!(
        refusal.starts_with("databse_url in FILE is not a setting; the settings are database_url,"),
        "{refusal}"
    );
}

#[test]
fn a_line_that_is_no_single_value_is_refused() {
    for line in ["pool_size = true", "pool_size = [1]", "pool_size = 1.5", "[pool_size]"] {
        let refusal = Sources::default().file(line).refusal();
        assert_eq!(refusal, "pool_size in FILE must be a text or a number", "{line}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_without_quoting_it() {
    let refusal = Sources::default()
        .file("pool_size = 2\ndatabase_url = postgres://u:secret@h/db\n")
        .refusal();
    assert!(refusal.starts_with("cannot read FILE: line 2 is not valid TOML: "), "{refusal}");
    assert!(!refusal.contains("secret"), "{refusal}");
}

#[test]
fn the_settings_are_shown_with_their_origin_and_without_a_password() {
    let shown = Sources::default()
        .file("pool_size = 2")
        .variable("TASKGATE_DATABASE_URL", "postgres://u:secret@db.example/tasks")
        .flag("worker_addr", "off")
        .load()
        .show();
    assert!(!shown.contains("secret"), "{shown}");
    let line = |name: &str| {
        let found = shown.lines().find(|line| line.starts_with(name)).unwrap();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(line("database_url").ends_with("# TASKGATE_DATABASE_URL"), "{shown}");
    assert_eq!(line("worker_addr"), "worker_addr = \"off\" # --worker-addr");
    assert_eq!(line("log_format"), "log_format = \"text\" # default");
    assert!(line("pool_size").starts_with("pool_size = 2 # pool_size in "), "{shown}");
}

#[test]
fn a_wrong_database_url_is_refused_without_showing_it() {
    let refusal = Sources::default().flag("database_url", "mysql://u:secret@h/db").refusal();
    assert!(refusal.starts_with("--database-url "), "{refusal}");
    assert!(!refusal.contains("secret"), "{refusal}");
}

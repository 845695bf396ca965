//! The command line.

mod executors;
mod tasks;
mod worker;

pub(crate) use self::{
    executors::ExecutorFlags,
    tasks::{
        ClientFace, ClientFlags, ControlFlags, ListFlags, SubmitFlags, TasksCommand, TasksFlags,
    },
    worker::WorkerFlags,
};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use std::path::PathBuf;
use taskgate_api::Face;
use taskgate_domain::key::Scope;

/// A durable task service: one store, two documented task APIs, and a protocol
/// for the workers that do the tasks.
#[derive(Debug, Parser)]
// A flag given again wins over the earlier one, so that scripts can append.
#[command(name = "taskgate", version, after_help = PRECEDENCE, args_override_self = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const PRECEDENCE: &str = "\
Every setting is a flag (--pool-size 16), an environment variable
(TASKGATE_POOL_SIZE=16) and a line of the file that --config or TASKGATE_CONFIG
names (pool_size = 16). A flag wins over the environment, the environment over
the file, the file over the default.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine, with the embedded store under
    /// ./.taskgate and the key sk_test_123456
    Dev {
        /// Ask for no API keys: whoever is on this machine may do everything,
        /// as the default user; web pages of other origins are kept out
        #[arg(long)]
        no_auth: bool,
        #[command(flatten)]
        flags: ServerFlags,
    },
    /// Run the faces that are configured
    Serve(ServerFlags),
    /// Run tasks of a server, over its worker face
    Worker(WorkerFlags),
    /// Bring the store's tables up to date
    Migrate {
        /// Change nothing; exit with 1 when a migration is missing
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// Make, list and end API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Submit tasks to a server, look at them, follow and end them
    Tasks(TasksFlags),
    /// Print the OpenAPI document of a face
    Openapi {
        /// Which face
        #[arg(value_parser = face_parser())]
        face: Face,
    },
    /// Print the settings in force and where each comes from
    Config(ServerFlags),
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key; it is printed once, alone on standard output
    Create {
        #[command(flatten)]
        key: KeyFlags,
        #[command(flatten)]
        store: StoreFlags,
    },
    /// List the keys, without their secrets
    List {
        #[command(flatten)]
        store: StoreFlags,
    },
    /// End a key's validity
    Revoke {
        /// The key's id, as `keys list` shows it
        id: uuid::Uuid,
        #[command(flatten)]
        store: StoreFlags,
    },
}

/// What a new key is and may do.
#[derive(Debug, Args)]
pub(crate) struct KeyFlags {
    /// What people call the key
    #[arg(long)]
    pub(crate) name: String,
    /// Whose key it is, made when new [default: the tenant's user `default`]
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// Whose user that is, made when new [default: `default`]
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// What the key may be used for: gateway, research, worker, admin
    #[arg(long, value_delimiter = ',', default_value = "gateway")]
    pub(crate) scope: Vec<Scope>,
    /// A project that the key sees on the research face; give it again for
    /// more [default: all]
    #[arg(long, value_name = "ID")]
    pub(crate) project: Vec<i64>,
    /// When the key stops working: 2030-01-31T00:00:00Z, or 30d from now
    /// [default: never]
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<String>,
}

/// Reads a face by its name.
fn face_parser() -> impl TypedValueParser<Value = Face> {
    PossibleValuesParser::new(Face::ALL.map(Face::as_str)).try_map(|name| {
        Face::ALL.into_iter().find(|face| face.as_str() == name).ok_or("unknown face")
    })
}

// Settings are taken as text and read by `config`, so that a wrong one is
// refused with the same sentence wherever it comes from.

/// The settings of commands that only need the store.
#[derive(Debug, Default, Args)]
pub(crate) struct StoreFlags {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The store: sqlite://PATH or postgres://…
    /// [default: sqlite://.taskgate/taskgate.db]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// The settings of a server.
#[derive(Debug, Default, Args)]
pub(crate) struct ServerFlags {
    #[command(flatten)]
    pub(crate) store: StoreFlags,
    /// Where the gateway face listens, or off [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT")]
    gateway_addr: Option<String>,
    /// Where the research face listens, or off [default: 127.0.0.1:8000]
    #[arg(long, value_name = "HOST:PORT")]
    research_addr: Option<String>,
    /// Where the worker face listens, or off [default: 127.0.0.1:8090]
    #[arg(long, value_name = "HOST:PORT")]
    worker_addr: Option<String>,
    /// Who may call the research face: loopback (anybody on this machine),
    /// keys (whoever has a key), trusted-network (anybody, for the network
    /// keeps strangers out) [default: loopback]
    #[arg(long, value_name = "WHO")]
    research_access: Option<String>,
    /// Whose web pages may read the gateway's answers: * (everybody's) or
    /// origins with commas between them [default: *]
    #[arg(long, value_name = "ORIGINS")]
    cors_allowed_origins: Option<String>,
    /// How many connections to the store are kept at most [default: 16]
    #[arg(long, value_name = "N")]
    pool_size: Option<String>,
    #[command(flatten)]
    executors: ExecutorFlags,
    #[command(flatten)]
    log: LogFlags,
}

/// The settings of the log.
#[derive(Debug, Default, Args)]
pub(crate) struct LogFlags {
    /// The form of the log: text or json [default: text]
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// What is logged: error, warn, info, debug or trace, also by module
    /// (info,taskgate_infra=debug) [default: info,actix_server=warn]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl LogFlags {
    fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        given([("log_format", &self.log_format), ("log_level", &self.log_level)])
    }
}

/// Those of these settings that have a value.
fn given<'a, const N: usize>(
    all: [(&'static str, &'a Option<String>); N],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    all.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)))
}

/// Flags that are settings.
pub(crate) trait SettingFlags {
    /// The configuration file.
    fn config(&self) -> Option<PathBuf>;

    /// The settings that were given, by the names they have in a file.
    fn given(&self) -> Vec<(&'static str, &str)>;
}

impl SettingFlags for StoreFlags {
    fn config(&self) -> Option<PathBuf> {
        self.config.clone()
    }

    fn given(&self) -> Vec<(&'static str, &str)> {
        self.database_url.iter().map(|url| ("database_url", url.as_str())).collect()
    }
}

impl SettingFlags for ServerFlags {
    fn config(&self) -> Option<PathBuf> {
        self.store.config()
    }

    fn given(&self) -> Vec<(&'static str, &str)> {
        let own = given([
            ("gateway_addr", &self.gateway_addr),
            ("research_addr", &self.research_addr),
            ("worker_addr", &self.worker_addr),
            ("research_access", &self.research_access),
            ("cors_allowed_origins", &self.cors_allowed_origins),
            ("pool_size", &self.pool_size),
        ]);
        let store = self.store.given().into_iter();
        store.chain(own).chain(self.executors.given()).chain(self.log.given()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command, KeysCommand, SettingFlags};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_later_flag_wins_and_projects_add_up() {
        let line = "taskgate keys create --name a --name b --project 1 --project 2";
        let command = Cli::parse_from(line.split(' ')).command;
        let Command::Keys(KeysCommand::Create { key, .. }) = command else { panic!("not keys") };
        assert_eq!((key.name.as_str(), key.project), ("b", vec![1, 2]));
    }

    #[test]
    fn only_dev_goes_without_keys() {
        let dev = Cli::parse_from(["taskgate", "dev", "--no-auth"]).command;
        assert!(matches!(dev, Command::Dev { no_auth: true, .. }));
        let dev = Cli::parse_from(["taskgate", "dev"]).command;
        assert!(matches!(dev, Command::Dev { no_auth: false, .. }));
        assert!(Cli::try_parse_from(["taskgate", "serve", "--no-auth"]).is_err());
    }

    #[test]
    fn the_help_tells_the_defaults() {
        let mut cli = Cli::command();
        let serve = cli.find_subcommand_mut("serve").unwrap();
        let help = serve.render_help().to_string();
        for (name, default) in crate::config::DEFAULTS {
            let told = [']', ','].map(|end| format!("[default: {default}{end}"));
            assert!(told.iter().any(|told| help.contains(told)), "{name}");
        }
    }

    #[test]
    fn every_setting_is_a_flag_of_serve() {
        let mut line = vec!["taskgate".to_owned(), "serve".to_owned()];
        for (name, _) in crate::config::DEFAULTS {
            line.extend([format!("--{}", name.replace('_', "-")), "x".to_owned()]);
        }
        let Command::Serve(flags) = Cli::parse_from(line).command else { panic!("not serve") };
        let names: Vec<_> = flags.given().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, crate::config::DEFAULTS.map(|(name, _)| name));
    }
}

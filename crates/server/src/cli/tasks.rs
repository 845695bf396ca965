//! `taskgate tasks` on the command line.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::value::RawValue;

const EXIT_CODES: &str = "\
Exit codes:
  0    done; with watch: the task has completed
  1    the server refused, or something else failed
  2    the command line is wrong
  3    watch: the task has failed
  4    watch: the task was cancelled
  5    watch: the task passed its deadline (the research face says failed: 3)
  6    the server cannot be reached
  130  watch: interrupted; the task goes on";

/// Where the help lists the flags that say which server.
const SERVER: &str = "Server";

/// What `taskgate tasks` was asked for, and of whom.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct TasksFlags {
    #[command(flatten)]
    pub(crate) client: ClientFlags,
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
}

/// The server to talk to.
#[derive(Debug, Args)]
pub(crate) struct ClientFlags {
    /// Whose tasks: agent tasks (gateway), or jobs of projects (research)
    #[arg(
        long,
        global = true,
        help_heading = SERVER,
        value_enum,
        default_value_t = ClientFace::Gateway
    )]
    pub(crate) face: ClientFace,
    /// Where the face is [default: TASKGATE_URL or http://127.0.0.1:8080; for
    /// research TASKGATE_RESEARCH_URL or http://127.0.0.1:8000]
    #[arg(long, global = true, help_heading = SERVER)]
    pub(crate) url: Option<String>,
    /// The API key; others can see it here, so prefer the environment variable
    /// [default: TASKGATE_API_KEY]
    #[arg(long, global = true, help_heading = SERVER, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Print the JSON that the server answers, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// A face that applications use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientFace {
    Gateway,
    Research,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TasksCommand {
    /// Submit a task, and print its id alone on standard output
    Submit(SubmitFlags),
    /// List tasks, newest first
    List(ListFlags),
    /// Show all that is known of a task, and its result
    Show {
        /// The task's id
        id: String,
    },
    /// End a task
    Cancel(ControlFlags),
    /// Hold an agent task back
    Pause(ControlFlags),
    /// Let a paused agent task go on
    Resume(ControlFlags),
    /// Follow a task to its end, and print its result
    #[command(after_help = EXIT_CODES)]
    Watch {
        /// The task's id
        id: String,
    },
}

/// What is submitted.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct SubmitFlags {
    /// The question of an agent task; - reads it from standard input
    pub(crate) query: Option<String>,
    /// The conversation that the question belongs to [default: a new one]
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// simple, standard, complex or supervisor [default: simple]
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Settings for the agent, a JSON object
    #[arg(long, value_name = "JSON|@FILE", value_parser = json_object)]
    pub(crate) context: Option<Box<RawValue>>,
    /// A name for this submit: the same again makes no second task
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// The project of a research task
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<i64>,
    /// What a research task does: search, dedup, crawl, ocr, index,
    /// keyword_expand
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) task_type: Option<String>,
    /// The parameters of a research task, a JSON object [default: {}]
    #[arg(long, value_name = "JSON|@FILE", value_parser = json_object)]
    pub(crate) params: Option<Box<RawValue>>,
    /// Follow the task to its end; its result is then what is printed
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Which tasks are listed.
#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Only tasks in this status
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only agent tasks of this session
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Only research tasks of this project
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<i64>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// How many to skip; on the research face whole pages of --limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) offset: u64,
}

/// What is done to a task.
#[derive(Debug, Args)]
pub(crate) struct ControlFlags {
    /// The task's id
    pub(crate) id: String,
    /// Why, for whoever looks at the task later (gateway)
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// Reads a JSON object, given as it is or as `@` and the name of its file. Its
/// text is passed on unchanged.
fn json_object(text: &str) -> Result<Box<RawValue>, String> {
    let text = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| format!("cannot read it: {error}"))?
        }
    };
    match serde_json::from_str::<Box<RawValue>>(&text) {
        Ok(value) if value.get().starts_with('{') => Ok(value),
        Ok(_) => Err("must be a JSON object".to_owned()),
        Err(error) => Err(format!("must be a JSON object: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientFace, SubmitFlags, TasksCommand, TasksFlags, json_object};
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &[&str]) -> TasksFlags {
        let command = Cli::parse_from([&["taskgate", "tasks"], line].concat()).command;
        let Command::Tasks(flags) = command else { panic!("not tasks") };
        flags
    }

    fn submitted(line: &[&str]) -> SubmitFlags {
        let TasksCommand::Submit(flags) = parsed(line).command else { panic!("not submit") };
        flags
    }

    #[test]
    fn the_server_may_be_named_before_and_after_the_command() {
        for line in [["--face", "research", "list"], ["list", "--face", "research"]] {
            assert_eq!(parsed(&line).client.face, ClientFace::Research);
        }
        assert_eq!(parsed(&["list"]).client.face, ClientFace::Gateway);
    }

    #[test]
    fn objects_are_kept_as_they_are_written() {
        let flags = submitted(&["submit", "q", "--context", r#"{"n": 1e2, "a":[1.0]}"#]);
        assert_eq!(flags.context.unwrap().get(), r#"{"n": 1e2, "a":[1.0]}"#);
        for wrong in ["[]", "{", "1", "", "@/no/such/file"] {
            assert!(json_object(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_object_may_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"a\": 1}\n").unwrap();
        let named = format!("@{}", file.path().display());
        assert_eq!(json_object(&named).unwrap().get(), r#"{"a": 1}"#);
    }
}

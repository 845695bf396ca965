//! `taskgate tasks submit`

use super::{client::Client, exit, output::Output, route::TaskRef, text, watch};
use crate::{
    cli::{ClientFace, SubmitFlags},
    failure::Failure,
    terminal,
};
use reqwest::header::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{io::Read, process::ExitCode};

/// What a face is asked to do, in its words.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum NewTask {
    Agent {
        query: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<Box<RawValue>>,
    },
    Job {
        project_id: i64,
        task_type: String,
        params: Box<RawValue>,
    },
}

/// Submits a task, and follows it when asked to.
pub(super) async fn run(
    client: &Client,
    output: Output,
    flags: SubmitFlags,
) -> Result<ExitCode, Failure> {
    let mut headers = HeaderMap::new();
    if let Some(key) = &flags.idempotency_key {
        let key = HeaderValue::try_from(key)
            .map_err(|_| exit::usage("--idempotency-key must be printable ASCII"))?;
        headers.insert("Idempotency-Key", key);
    }
    let follow = flags.watch;
    let task = new_task(client.face, flags, &mut std::io::stdin())?;
    let answer = client.post(client.url(&["tasks"], &[]), headers, &task).await?;
    let id = match client.face {
        ClientFace::Gateway => answer.read::<Agent>()?.task_id,
        ClientFace::Research => answer.read::<Job>()?.id.to_string(),
    };
    if follow {
        if output.json {
            watch::report(output, "submitted", &answer)?;
        } else {
            terminal::note(&format!("submitted {}", text::line(&id)));
        }
        return watch::run(client, output, &TaskRef::new(client.face, &id)?).await;
    }
    if output.json {
        output.document(&answer.text)?;
    } else {
        terminal::print(&format!("{}\n", text::line(&id)))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
struct Agent {
    task_id: String,
}

#[derive(Deserialize)]
struct Job {
    id: i64,
}

fn new_task(
    face: ClientFace,
    flags: SubmitFlags,
    input: &mut dyn Read,
) -> Result<NewTask, Failure> {
    let for_gateway = [
        ("QUERY", flags.query.is_some()),
        ("--session", flags.session.is_some()),
        ("--mode", flags.mode.is_some()),
        ("--context", flags.context.is_some()),
        ("--idempotency-key", flags.idempotency_key.is_some()),
    ];
    let for_research = [
        ("--project", flags.project.is_some()),
        ("--type", flags.task_type.is_some()),
        ("--params", flags.params.is_some()),
    ];
    let (foreign, other) = match face {
        ClientFace::Gateway => (&for_research[..], "research"),
        ClientFace::Research => (&for_gateway[..], "gateway"),
    };
    if let Some((name, _)) = foreign.iter().find(|(_, given)| *given) {
        return Err(exit::usage(format!("{name} is for --face {other}")));
    }
    let missing = |what: &str| exit::usage(format!("{what} is missing"));
    Ok(match face {
        ClientFace::Gateway => NewTask::Agent {
            query: query(flags.query.ok_or_else(|| missing("the query"))?, input)?,
            session_id: flags.session,
            mode: flags.mode,
            context: flags.context,
        },
        ClientFace::Research => NewTask::Job {
            project_id: flags.project.ok_or_else(|| missing("--project"))?,
            task_type: flags.task_type.ok_or_else(|| missing("--type"))?,
            params: flags
                .params
                .unwrap_or_else(|| RawValue::from_string("{}".to_owned()).unwrap_or_default()),
        },
    })
}

/// The query, which `-` says is to be read from the input. The line ends that
/// `echo` and editors put behind it are not part of it.
fn query(given: String, input: &mut dyn Read) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given);
    }
    let mut text = String::new();
    input
        .read_to_string(&mut text)
        .map_err(|error| Failure::caused("cannot read the query from standard input", &error))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::new_task;
    use crate::{
        cli::{Cli, ClientFace, Command, SubmitFlags, TasksCommand},
        failure::Failure,
    };
    use clap::Parser;

    fn submit(line: &[&str], input: &str) -> Result<String, Failure> {
        let command = Cli::parse_from([&["taskgate", "tasks", "submit"], line].concat()).command;
        let Command::Tasks(flags) = command else { panic!("not tasks") };
        let (face, TasksCommand::Submit(submit)) = (flags.client.face, flags.command) else {
            panic!("not submit")
        };
        let task = of(face, submit, input)?;
        Ok(task)
    }

    fn of(face: ClientFace, flags: SubmitFlags, input: &str) -> Result<String, Failure> {
        let task = new_task(face, flags, &mut input.as_bytes())?;
        Ok(serde_json::to_string(&task).unwrap())
    }

    #[test]
    fn a_face_is_asked_in_its_own_words() {
        let line =
            ["How high?", "--session", "geo", "--mode", "simple", "--context", r#"{"a": 1.0}"#];
        let body =
            r#"{"query":"How high?","session_id":"geo","mode":"simple","context":{"a": 1.0}}"#;
        assert_eq!(submit(&line, "").unwrap(), body);
        assert_eq!(submit(&["q"], "").unwrap(), r#"{"query":"q"}"#);
        let line = ["--face", "research", "--project", "7", "--type", "ocr"];
        let body = r#"{"project_id":7,"task_type":"ocr","params":{}}"#;
        assert_eq!(submit(&line, "").unwrap(), body);
    }

    #[test]
    fn a_query_may_come_from_standard_input() {
        assert_eq!(submit(&["-"], "a\n b\n\r\n").unwrap(), r#"{"query":"a\n b"}"#);
        assert_eq!(submit(&["--", "--"], "").unwrap(), r#"{"query":"--"}"#);
    }

    #[test]
    fn what_is_missing_or_of_the_other_face_is_refused() {
        for (line, saying) in [
            (&[][..], "the query is missing"),
            (&["q", "--project", "7"], "--project is for --face research"),
            (&["--face", "research", "--type", "ocr"], "--project is missing"),
            (&["--face", "research", "--project", "7"], "--type is missing"),
            (&["--face", "research", "q"], "QUERY is for --face gateway"),
        ] {
            let refusal = submit(line, "").unwrap_err();
            assert_eq!(refusal, Failure::with_code(2, saying));
        }
    }
}

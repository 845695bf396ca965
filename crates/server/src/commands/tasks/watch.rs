//! `taskgate tasks watch`

use super::{
    client::{Answer, Client, Trouble},
    event::Event,
    exit,
    follow::{Follow, Step},
    output::Output,
    route::TaskRef,
    screen::Screen,
    sse::Frame,
    text,
    view::{End, View},
};
use crate::failure::Failure;
use serde::Serialize;
use serde_json::value::RawValue;
use std::{process::ExitCode, time::Duration};

/// Follows a task to its end, and tells how it ended.
pub(super) async fn run(
    client: &Client,
    output: Output,
    task: &TaskRef,
) -> Result<ExitCode, Failure> {
    let mut screen = Screen::new();
    let outcome = tokio::select! {
        outcome = follow(client, output, task, &mut screen) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::with_code(
            exit::INTERRUPTED,
            format!("stopped watching; {} goes on", task.id()),
        )),
    };
    screen.close();
    outcome
}

async fn follow(
    client: &Client,
    output: Output,
    task: &TaskRef,
    screen: &mut Screen,
) -> Result<ExitCode, Failure> {
    let mut stream = Follow::new(client, task.stream(client));
    loop {
        match stream.next().await? {
            Step::Lost(trouble, wait) => screen.line(&lost(&trouble, wait)),
            Step::Frame(frame) => match Event::of(&frame) {
                Event::End => break,
                _ if output.json => print(output, &frame, screen)?,
                event => screen.show(event),
            },
        }
    }
    let answer = stream.patiently(async || client.get(task.task(client)).await).await?;
    let view = View::of(client.face, &answer)?;
    if output.json {
        report(output, "task", &answer)?;
    } else if let Some(result) = &view.result {
        screen.result(output, result)?;
    }
    match view.end {
        Some(End::Completed) => Ok(ExitCode::SUCCESS),
        end => Err(unhappy(task, &view, end)),
    }
}

/// Prints a whole answer as one of the lines for programs.
pub(super) fn report(output: Output, event: &str, answer: &Answer) -> Result<(), Failure> {
    let line = line("", event, &answer.text)
        .map_err(|error| Failure::caused("this is no answer of a taskgate server", &error))?;
    output.document(&line).map(|_| ())
}

fn print(output: Output, frame: &Frame, screen: &mut Screen) -> Result<(), Failure> {
    let name = if frame.name.is_empty() { "message" } else { &frame.name };
    match line(&frame.id, name, &frame.data) {
        Err(error) => screen.line(&format!("an event {name:?} is left out: {error}")),
        Ok(line) if output.document(&line)? => {}
        Ok(_) => return Err(Failure::new("nobody reads the events any more")),
    }
    Ok(())
}

/// A line for programs. The name of a frame is told beside its data, which
/// does not always repeat it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    event: &'a str,
    data: &'a RawValue,
}

fn line(id: &str, event: &str, data: &str) -> serde_json::Result<String> {
    // Between the tokens of JSON a line feed is a space, and inside of them
    // there is none.
    let data = data.replace(['\n', '\r'], " ");
    serde_json::to_string(&Line { id, event, data: serde_json::from_str(&data)? })
}

fn lost(trouble: &Trouble, wait: Duration) -> String {
    format!("{}; next try in {:.1} s", trouble.sentence(), wait.as_secs_f64())
}

fn unhappy(task: &TaskRef, view: &View, end: Option<End>) -> Failure {
    let id = task.id();
    let why = if view.error.is_empty() { String::new() } else { format!(": {}", view.error) };
    let why = text::line(&why);
    match end {
        Some(End::Failed) => Failure::with_code(exit::FAILED, format!("{id} has failed{why}")),
        Some(End::Cancelled) => {
            Failure::with_code(exit::CANCELLED, format!("{id} was cancelled{why}"))
        }
        Some(End::TimedOut) => {
            Failure::with_code(exit::TIMED_OUT, format!("{id} passed its deadline{why}"))
        }
        _ => Failure::new(format!("the stream has ended, but {id} is {}", view.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::{line, run};
    use crate::{
        cli::ClientFace,
        commands::tasks::{
            client::Client,
            output::Output,
            route::TaskRef,
            testing::{Reply, Script},
        },
        failure::Failure,
    };
    use std::process::ExitCode;

    const QUIET: Output = Output { json: false, terminal: false };

    async fn watch(client: &Client, id: &str) -> Result<ExitCode, Failure> {
        run(client, QUIET, &TaskRef::new(client.face, id).unwrap()).await
    }

    fn job(status: &str) -> Reply {
        let job = format!(
            r#"{{"code":200,"message":"success","data":{{"id":7,"project_id":1,"task_type":"ocr","status":"{status}","progress":1,"total":1,"params":{{}},"result":null,"error_message":"so","created_at":"2025-03-12T10:00:00"}}}}"#
        );
        Reply::json(200, &job)
    }

    fn ended(status: &str) -> Vec<Reply> {
        vec![Reply::stream("retry: 1\n\nid: 1\nevent: done\ndata: [DONE]\n\n"), job(status)]
    }

    #[tokio::test]
    async fn each_end_has_its_exit_code() {
        for (status, expected) in [
            ("completed", Ok(ExitCode::SUCCESS)),
            ("failed", Err(Failure::with_code(3, "7 has failed: so"))),
            ("cancelled", Err(Failure::with_code(4, "7 was cancelled: so"))),
            ("running", Err(Failure::new("the stream has ended, but 7 is running"))),
        ] {
            let script = Script::play(ended(status)).await;
            let outcome = watch(&script.client(ClientFace::Research), "7").await;
            assert_eq!(outcome, expected, "{status}");
        }
        let task = r#"{"task_id":"task_1","status":"TASK_STATUS_TIMEOUT","error":"late"}"#;
        let mut replies = ended("");
        replies[1] = Reply::json(200, task);
        let script = Script::play(replies).await;
        let outcome = watch(&script.client(ClientFace::Gateway), "task_1").await;
        assert_eq!(outcome, Err(Failure::with_code(5, "task_1 passed its deadline: late")));
    }

    #[tokio::test]
    async fn the_end_is_read_again_from_a_server_that_comes_back() {
        let mut replies = ended("completed");
        replies.insert(1, Reply::json(503, "{}"));
        let script = Script::play(replies).await;
        let outcome = watch(&script.client(ClientFace::Research), "7").await;
        assert_eq!(outcome, Ok(ExitCode::SUCCESS));
    }

    #[tokio::test]
    async fn refused_and_unreachable_are_told_apart() {
        let script = Script::play(vec![Reply::json(404, r#"{"error":"Task not found"}"#)]).await;
        let client = script.client(ClientFace::Gateway);
        let outcome = watch(&client, "task_1").await;
        assert_eq!(outcome, Err(Failure::new("Task not found (404)")));
        drop(script);
        let failure = watch(&client, "task_1").await.unwrap_err();
        assert_eq!(failure.code(), ExitCode::from(6), "{failure}");
    }

    #[test]
    fn a_program_gets_one_line_for_each_event() {
        let shown = line("17-3", "workflow.paused", "{\n\"message\": 1e2}").unwrap();
        assert_eq!(shown, r#"{"id":"17-3","event":"workflow.paused","data":{ "message": 1e2}}"#);
        assert_eq!(line("", "task", "{}").unwrap(), r#"{"event":"task","data":{}}"#);
        assert!(line("", "task", "[DONE]").is_err());
    }
}

//! `taskgate tasks`: a client of the gateway and research faces. It knows what
//! they say over HTTP, and nothing of the store behind them.

mod agent;
mod backoff;
mod client;
mod control;
mod event;
mod exit;
mod follow;
mod job;
mod list;
mod output;
mod route;
mod screen;
mod sse;
mod submit;
mod text;
mod view;
mod watch;

#[cfg(test)]
mod testing;

use self::{client::Client, output::Output, route::TaskRef, view::View};
use crate::{
    cli::{TasksCommand, TasksFlags},
    failure::Failure,
};
use std::process::ExitCode;

/// Does what the command line asks for.
pub(crate) fn run(flags: TasksFlags) -> Result<ExitCode, Failure> {
    let client = Client::new(&flags.client, &|name| std::env::var_os(name))?;
    let output = Output::new(flags.client.json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused("cannot start", &error))?;
    let outcome = runtime.block_on(dispatch(&client, output, flags.command));
    // A name that is still being looked up must not delay the end.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(
    client: &Client,
    output: Output,
    command: TasksCommand,
) -> Result<ExitCode, Failure> {
    match command {
        TasksCommand::Submit(flags) => submit::run(client, output, flags).await,
        TasksCommand::List(flags) => list::run(client, output, &flags).await,
        TasksCommand::Show { id } => show(client, output, &id).await,
        TasksCommand::Cancel(flags) => control::run(client, output, "cancel", &flags).await,
        TasksCommand::Pause(flags) => control::run(client, output, "pause", &flags).await,
        TasksCommand::Resume(flags) => control::run(client, output, "resume", &flags).await,
        TasksCommand::Watch { id } => {
            watch::run(client, output, &TaskRef::new(client.face, &id)?).await
        }
    }
}

async fn show(client: &Client, output: Output, id: &str) -> Result<ExitCode, Failure> {
    let answer = client.get(TaskRef::new(client.face, id)?.task(client)).await?;
    if output.json {
        output.document(&answer.text)?;
    } else {
        View::of(client.face, &answer)?.print(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

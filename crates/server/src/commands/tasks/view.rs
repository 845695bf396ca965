//! A task as people see it, whichever face it came from.

use super::{agent::AgentTask, client::Answer, job::Job, output::Output, text};
use crate::{cli::ClientFace, failure::Failure, terminal};

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Failed,
    Cancelled,
    TimedOut,
}

/// What is known of a task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Names and values, one line each.
    pub(super) facts: Vec<[String; 2]>,
    /// Its status, in one word.
    pub(super) status: String,
    /// How it ended, if it has.
    pub(super) end: Option<End>,
    /// Why it failed; empty otherwise.
    pub(super) error: String,
    /// Its result, once it has one.
    pub(super) result: Option<String>,
}

impl View {
    /// The task of an answer.
    pub(super) fn of(face: ClientFace, answer: &Answer) -> Result<Self, Failure> {
        Ok(match face {
            ClientFace::Gateway => answer.read::<AgentTask>()?.view(),
            ClientFace::Research => answer.read::<Job>()?.view(),
        })
    }

    /// Adds a fact that is known.
    pub(super) fn tell(&mut self, name: &str, value: Option<impl ToString>) {
        let value = value.map(|value| text::line(&value.to_string())).unwrap_or_default();
        if !value.is_empty() {
            self.facts.push([name.to_owned(), value]);
        }
    }

    /// Prints the facts and, after an empty line, the result.
    pub(super) fn print(&self, output: Output) -> Result<(), Failure> {
        terminal::print(&terminal::table(&self.facts))?;
        match &self.result {
            Some(result) => terminal::print("\n").and_then(|()| output.result(result)),
            None => Ok(()),
        }
    }
}

/// A time of the wire, to the second; the research face leaves out that it is
/// UTC.
pub(super) fn time(wire: &str) -> String {
    let seconds = wire.split('.').next().unwrap_or_default().trim_end_matches('Z');
    text::line(&format!("{seconds}Z"))
}

//! `taskgate tasks cancel`, `pause` and `resume`

use super::{client::Client, exit, output::Output, route::TaskRef, text};
use crate::{
    cli::{ClientFace, ControlFlags},
    failure::Failure,
    terminal,
};
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// The gateway's answer; the research face refuses with a status instead.
#[derive(Deserialize)]
struct Done {
    success: Option<bool>,
    message: Option<String>,
}

/// Does it, and says so.
pub(super) async fn run(
    client: &Client,
    output: Output,
    verb: &str,
    flags: &ControlFlags,
) -> Result<ExitCode, Failure> {
    if client.face == ClientFace::Research {
        if verb != "cancel" {
            return Err(exit::usage(format!("{verb} is for --face gateway")));
        }
        if flags.reason.is_some() {
            return Err(exit::usage("--reason is for --face gateway"));
        }
    }
    let url = TaskRef::new(client.face, &flags.id)?.control(client, verb);
    let request = Request { reason: flags.reason.as_deref() };
    let answer = client.post(url, HeaderMap::new(), &request).await?;
    if output.json {
        output.document(&answer.text)?;
    }
    let done: Done = serde_json::from_str(&answer.text)
        .map_err(|error| Failure::caused("this is no answer of a taskgate server", &error))?;
    let said = text::line(done.message.as_deref().unwrap_or("done"));
    match done.success {
        Some(false) => Err(Failure::new(said)),
        _ => {
            terminal::note(&said);
            Ok(ExitCode::SUCCESS)
        }
    }
}

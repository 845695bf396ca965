//! `taskgate tasks list`

use super::{agent::AgentTasks, client::Client, exit, job::Jobs, output::Output};
use crate::{
    cli::{ClientFace, ListFlags},
    failure::Failure,
    terminal,
};
use std::process::ExitCode;

/// Prints a page of tasks.
pub(super) async fn run(
    client: &Client,
    output: Output,
    flags: &ListFlags,
) -> Result<ExitCode, Failure> {
    let answer = client.get(client.url(&["tasks"], &query(client.face, flags)?)).await?;
    if output.json {
        output.document(&answer.text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (rows, total) = match client.face {
        ClientFace::Gateway => {
            let page: AgentTasks = answer.read()?;
            (page.rows(), page.total)
        }
        ClientFace::Research => {
            let page: Jobs = answer.read()?;
            (page.rows(), page.total)
        }
    };
    terminal::print(&terminal::table(&rows))?;
    // The first row holds the headings.
    terminal::note(&format!("{} of {total} tasks", rows.len().saturating_sub(1)));
    Ok(ExitCode::SUCCESS)
}

fn query(face: ClientFace, flags: &ListFlags) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut query = Vec::new();
    let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
    add("status", flags.status.clone());
    match face {
        ClientFace::Gateway if flags.project.is_some() => {
            return Err(exit::usage("--project is for --face research"));
        }
        ClientFace::Gateway => {
            add("session_id", flags.session.clone());
            add("limit", Some(flags.limit.to_string()));
            add("offset", Some(flags.offset.to_string()));
        }
        ClientFace::Research if flags.session.is_some() => {
            return Err(exit::usage("--session is for --face gateway"));
        }
        ClientFace::Research => {
            if !flags.offset.is_multiple_of(flags.limit) {
                let rule = "--offset must be a multiple of --limit: the research face has pages";
                return Err(exit::usage(rule));
            }
            add("project_id", flags.project.map(|project| project.to_string()));
            add("page", Some((flags.offset / flags.limit + 1).to_string()));
            add("page_size", Some(flags.limit.to_string()));
        }
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::query;
    use crate::cli::{ClientFace, ListFlags};

    fn flags() -> ListFlags {
        let status = Some("RUNNING".to_owned());
        ListFlags { status, session: None, project: None, limit: 20, offset: 40 }
    }

    fn spelled(face: ClientFace, flags: &ListFlags) -> Result<String, String> {
        let pairs = query(face, flags).map_err(|failure| failure.to_string())?;
        let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={value}"));
        Ok(pairs.collect::<Vec<_>>().join("&"))
    }

    #[test]
    fn each_face_is_asked_in_its_own_words() {
        let gateway = ListFlags { session: Some("geo".to_owned()), ..flags() };
        let spelling = "status=RUNNING&session_id=geo&limit=20&offset=40";
        assert_eq!(spelled(ClientFace::Gateway, &gateway).unwrap(), spelling);
        let research = ListFlags { project: Some(7), ..flags() };
        let spelling = "status=RUNNING&project_id=7&page=3&page_size=20";
        assert_eq!(spelled(ClientFace::Research, &research).unwrap(), spelling);
    }

    #[test]
    fn what_a_face_does_not_have_is_refused() {
        let project = ListFlags { project: Some(7), ..flags() };
        assert!(spelled(ClientFace::Gateway, &project).unwrap_err().contains("--project"));
        let session = ListFlags { session: Some("geo".to_owned()), ..flags() };
        assert!(spelled(ClientFace::Research, &session).unwrap_err().contains("--session"));
        let between = ListFlags { offset: 30, ..flags() };
        assert!(spelled(ClientFace::Research, &between).unwrap_err().contains("multiple"));
    }
}

//! Where a task is found on its face.

use super::{client::Client, exit};
use crate::{cli::ClientFace, failure::Failure};
use reqwest::Url;

/// The id of a task, spelled as the face spells ids.
#[derive(Debug, Clone)]
pub(super) struct TaskRef(String);

impl TaskRef {
    /// The task of this id. One of the other face is told so here: the server
    /// could only say that it does not exist.
    pub(super) fn new(face: ClientFace, id: &str) -> Result<Self, Failure> {
        let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":_-.".contains(c);
        match face {
            ClientFace::Gateway if is_number => Err(exit::usage(format!(
                "{id} is the number of a research task; add --face research"
            ))),
            ClientFace::Research if id.starts_with("task_") => {
                Err(exit::usage(format!("{id} is an agent task; leave out --face research")))
            }
            ClientFace::Research if !is_number => {
                Err(exit::usage("the id of a research task is a number"))
            }
            // Dots alone would not be a segment of a path, but a way out of it.
            _ if id.is_empty() || !id.chars().all(allowed) || id.trim_matches('.').is_empty() => {
                Err(exit::usage("an id has letters, digits and `:_-.` only"))
            }
            _ => Ok(Self(id.to_owned())),
        }
    }

    /// The id.
    pub(super) fn id(&self) -> &str {
        &self.0
    }

    /// The task itself.
    pub(super) fn task(&self, client: &Client) -> Url {
        client.url(&["tasks", &self.0], &[])
    }

    /// What can be done to it: `cancel`, `pause`, `resume`.
    pub(super) fn control(&self, client: &Client, verb: &str) -> Url {
        client.url(&["tasks", &self.0, verb], &[])
    }

    /// Its events as they happen.
    pub(super) fn stream(&self, client: &Client) -> Url {
        match client.face {
            ClientFace::Gateway => {
                client.url(&["stream", "sse"], &[("workflow_id", self.0.clone())])
            }
            ClientFace::Research => client.url(&["tasks", &self.0, "events"], &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TaskRef;
    use crate::cli::ClientFace::{Gateway, Research};

    #[test]
    fn an_id_of_the_other_face_is_told_so() {
        let refusal = |face, id| TaskRef::new(face, id).unwrap_err().to_string();
        assert!(refusal(Gateway, "42").contains("add --face research"));
        assert!(refusal(Research, "task_1").contains("leave out --face research"));
    }

    #[test]
    fn an_id_cannot_lead_to_another_route() {
        for id in ["", "..", ".", "a/b", "a b", "a?b", "%2e", "é"] {
            assert!(TaskRef::new(Gateway, id).is_err(), "{id}");
            assert!(TaskRef::new(Research, id).is_err(), "{id}");
        }
        assert_eq!(TaskRef::new(Gateway, "task_01M7").unwrap().id(), "task_01M7");
        assert_eq!(TaskRef::new(Research, "42").unwrap().id(), "42");
    }
}

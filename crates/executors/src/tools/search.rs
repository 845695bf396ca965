//! Looks for documents.

use crate::answerer::{Source, ToolSpec};

/// Finds so many sources at most for a query, the best first.
pub type Search = dyn Fn(&str, usize) -> Vec<Source> + Send + Sync;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "search",
    description: "Finds passages in the local documents. Use it before answering anything that \
                  they may say something about.",
    parameter: "query",
    parameter_description: "What to look for, in a few words or as a question.",
};

/// What is found, and a list of it.
pub(super) fn search(search: &Search, query: &str, most: usize) -> (String, Vec<Source>) {
    let found = search(query, most);
    let list: Vec<String> =
        found.iter().map(|source| format!("{} ({})", source.title, source.url)).collect();
    let text = if list.is_empty() { "nothing found".to_owned() } else { list.join("\n") };
    (text, found)
}

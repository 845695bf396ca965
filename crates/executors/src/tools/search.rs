//! Looks for documents.

use crate::{
    answerer::{Source, ToolSpec},
    text::cut,
};

/// Finds so many sources at most for a query, the best first.
pub type Search = dyn Fn(&str, usize) -> Vec<Source> + Send + Sync;

/// How much of a source is told, in bytes: the model sees enough of it to decide
/// what to do next, and all of it when it answers.
const MOST_PASSAGE: usize = 600;

pub(super) const SPEC: ToolSpec = ToolSpec {
    name: "search",
    description: "Finds passages in the local documents. Use it before answering anything that \
                  they may say something about.",
    parameter: "query",
    parameter_description: "What to look for, in a few words or as a question.",
};

/// What is found, and a list of it with the start of each text.
pub(super) fn search(search: &Search, query: &str, most: usize) -> (String, Vec<Source>) {
    let found = search(query, most);
    let list: Vec<String> = found
        .iter()
        .map(|Source { title, url, text, .. }| format!("{title} ({url}): {}", passage(text)))
        .collect();
    let text = if list.is_empty() { "nothing found".to_owned() } else { list.join("\n") };
    (text, found)
}

/// The start of a text on one line.
fn passage(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, MOST_PASSAGE)
}

#[cfg(test)]
mod tests {
    use super::{MOST_PASSAGE, search};
    use crate::answerer::Source;

    #[test]
    fn what_is_found_is_told_in_its_words() {
        let found = |_: &str, _| {
            ["Its painter\nis Aoki.", &"あ".repeat(1000)]
                .map(|text| Source {
                    url: "docs/bridge.md".to_owned(),
                    title: "The bridge".to_owned(),
                    publisher: String::new(),
                    text: text.to_owned(),
                    credibility: 1.0,
                    quality: 1.0,
                })
                .to_vec()
        };
        let (text, sources) = search(&found, "bridge", 2);
        assert!(text.starts_with("The bridge (docs/bridge.md): Its painter is Aoki.\n"), "{text}");
        assert!(text.len() < MOST_PASSAGE + 100);
        assert_eq!(sources.len(), 2);
    }
}

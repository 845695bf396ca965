//! What agents can use on their way to an answer.

mod address;
mod calculator;
mod fetch_page;
mod page;
mod search;

pub use search::Search;

use crate::{
    answerer::{Observation, Source, ToolSpec},
    apart::apart,
};
use fetch_page::FetchPage;
use std::sync::Arc;

/// The tools of an agent: a search over documents, a calculator, and a reader
/// of pages on the public web.
#[derive(Clone)]
pub struct Toolbox {
    search: Arc<Search>,
    pages: FetchPage,
}

impl Toolbox {
    /// Every tool, as it is described to models.
    pub(crate) const SPECS: [ToolSpec; 3] = [search::SPEC, calculator::SPEC, fetch_page::SPEC];

    /// The name of the search.
    pub(crate) const SEARCH: &str = search::SPEC.name;

    /// The tools, over what the search finds.
    ///
    /// # Errors
    /// When this machine's TLS cannot be set up.
    pub fn new(
        search: impl Fn(&str, usize) -> Vec<Source> + Send + Sync + 'static,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self { search: Arc::new(search), pages: FetchPage::new()? })
    }

    /// Uses the tool of this name, for so many sources at most. Whatever goes
    /// wrong is what the tool says: an agent can try something else.
    pub(crate) async fn use_tool(&self, tool: &str, input: &str, most: usize) -> Observation {
        let (text, sources) = match tool {
            name if name == search::SPEC.name => {
                let (search, query) = (self.search.clone(), input.to_owned());
                apart(move || search::search(&*search, &query, most)).await
            }
            name if name == calculator::SPEC.name => (calculator::calculate(input), Vec::new()),
            name if name == fetch_page::SPEC.name => self.pages.read(input).await,
            _ => (format!("there is no tool of the name {tool}"), Vec::new()),
        };
        Observation { tool: tool.to_owned(), input: input.to_owned(), text, sources }
    }
}

//! The sources of several searches under one numbering.

use crate::answerer::Source;

/// Sources, each address once.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Vec<Source>);

impl Pool {
    /// Adds sources; returns their numbers here, from 1. A source that is
    /// there keeps its text.
    pub(super) fn add(&mut self, sources: Vec<Source>) -> Vec<usize> {
        sources.into_iter().map(|source| self.number(source)).collect()
    }

    fn number(&mut self, source: Source) -> usize {
        match self.0.iter().position(|known| known.url == source.url) {
            Some(place) => place + 1,
            None => {
                self.0.push(source);
                self.0.len()
            }
        }
    }

    /// The sources in the order of their numbers.
    pub(super) fn sources(&self) -> &[Source] {
        &self.0
    }

    /// The best of the sources for what was asked, so many at most.
    pub(super) fn into_best(self, most: usize) -> Vec<Source> {
        let mut sources = self.0;
        sources.sort_by(|one, other| other.quality.total_cmp(&one.quality));
        sources.truncate(most);
        sources
    }
}

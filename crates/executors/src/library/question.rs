//! What a question is about, by the words of a library.

use std::collections::BTreeSet;

use super::{
    Library,
    words::{Asked, asked_words, is_unspaced, wants_number, wants_reason},
};
use crate::text::start;

/// Bytes of a question that are looked at, and words of it that are looked for.
const QUESTION_BYTES: usize = 16 << 10;
const QUESTION_WORDS: usize = 64;
/// A word that is this rare says what a question is about; one that is rarer
/// says no more.
const MOST_WEIGHT: f64 = 4.5;
/// What a number weighs that no document has: it may be there to calculate with.
const NUMBER_WEIGHT: f64 = 0.3;
/// The part of a question, by the weight of its words, that a section must hold
/// to be an answer to it.
const LEAST_COVERAGE: f64 = 0.55;

/// What a question is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(super) words: Vec<QuestionWord>,
    /// Whether it is asked in Japanese.
    pub(super) japanese: bool,
    /// Whether it asks for a number.
    pub(crate) wants_number: bool,
    /// Whether it asks why.
    pub(super) wants_reason: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct QuestionWord {
    /// How it may be written.
    pub(super) forms: Vec<String>,
    /// How much it says about what the question is about.
    weight: f64,
}

impl QuestionWord {
    /// How much the word counts in a search, 0 to 1. Headings that all sections
    /// of a document share make a word look rarer than it is.
    pub(super) fn boost(&self) -> f32 {
        #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "0 to 1")]
        let boost = (self.weight / MOST_WEIGHT) as f32;
        boost
    }
}

impl Question {
    /// The place of a word in the question, however it is written.
    pub(crate) fn place_of(&self, word: &str) -> Option<usize> {
        self.words.iter().position(|it| it.forms.iter().any(|form| form == word))
    }

    /// The places of those that are among these words, in order: sums over them
    /// come out the same each time.
    pub(crate) fn held<'a>(&self, words: impl IntoIterator<Item = &'a String>) -> BTreeSet<usize> {
        words.into_iter().filter_map(|word| self.place_of(word)).collect()
    }

    /// The part of the question, by weight, that the words at these places are;
    /// 0 to 1.
    pub(crate) fn coverage(&self, held: &BTreeSet<usize>) -> f64 {
        self.share(held, |weight| weight)
    }

    /// The same, with more regard to rare words.
    pub(crate) fn sharp_coverage(&self, held: &BTreeSet<usize>) -> f64 {
        self.share(held, |weight| weight * weight)
    }

    fn share(&self, held: &BTreeSet<usize>, value: fn(f64) -> f64) -> f64 {
        let total: f64 = self.words.iter().map(|word| value(word.weight)).sum();
        let words = held.iter().filter_map(|place| self.words.get(*place));
        let part: f64 = words.map(|word| value(word.weight)).sum();
        if total > 0.0 { part / total } else { 0.0 }
    }

    /// Whether so much of the question is covered that there is an answer.
    pub(crate) fn is_met_by(coverage: f64) -> bool {
        coverage >= LEAST_COVERAGE
    }
}

impl Library {
    /// What a question is about.
    pub(crate) fn question(&self, text: &str) -> Question {
        let text = start(text, QUESTION_BYTES);
        let asked = asked_words(text, QUESTION_WORDS);
        let words: Vec<QuestionWord> = asked
            .iter()
            .enumerate()
            .filter(|(place, _)| !self.is_accident(&asked, *place))
            .map(|(_, asked)| {
                let joined = asked.joined.iter().filter(|form| self.sections_with(form) > 0);
                let forms: Vec<String> =
                    std::iter::once(&asked.word).chain(joined).cloned().collect();
                let sections = forms.iter().map(|form| self.sections_with(form)).max().unwrap_or(0);
                let is_number = sections == 0 && asked.word.chars().all(char::is_numeric);
                let weight = if is_number { NUMBER_WEIGHT } else { self.weight(sections) };
                QuestionWord { weight, forms }
            })
            .collect();
        let japanese = text.contains(is_unspaced);
        let (wants_number, wants_reason) = (wants_number(text), wants_reason(text));
        Question { words, japanese, wants_number, wants_reason }
    }

    /// Whether a pair of characters is the end of one word and the beginning of
    /// the next: unknown between two that are known.
    fn is_accident(&self, asked: &[Asked], place: usize) -> bool {
        let is_known = |it: &&Asked| self.sections_with(&it.word) > 0;
        let Some(pair) = asked.get(place).filter(|it| it.run.is_some() && !is_known(it)) else {
            return false;
        };
        let neighbours = [place.checked_sub(1), place.checked_add(1)];
        let neighbour = |place: &Option<usize>| {
            let other = place.and_then(|place| asked.get(place));
            other.filter(|it| it.run == pair.run).filter(is_known).is_some()
        };
        neighbours.iter().all(neighbour)
    }

    /// What a word that so many sections have says about what a text is about.
    fn weight(&self, sections: usize) -> f64 {
        let without = to_float(self.entries.len().saturating_sub(sections));
        let rarity = ((without + 0.5) / (to_float(sections) + 0.5)).ln_1p();
        if self.entries.is_empty() { 1.0 } else { rarity.clamp(0.1, MOST_WEIGHT) }
    }
}

fn to_float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

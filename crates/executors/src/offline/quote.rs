//! Finds the sentences that answer a question.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
};

use super::sentence::{Sentence, sentences};
use crate::{
    answerer::Source,
    library::{Question, is_unspaced, words_in_order, words_of},
    marks::without_marks,
};

/// Sources that are looked at.
const SOURCES: usize = 20;
/// Sentences of an answer.
const QUOTES: usize = 4;
/// Characters of an answer, beyond which no further sentence begins.
const ANSWER_CHARS: usize = 700;
/// What a word in the headings above a sentence counts, beside one in it.
const HEADING: f64 = 0.7;
/// How much worse than the best a source may fit.
const LEAST_QUALITY: f64 = 0.25;
/// How much worse than the best a sentence may be that tells of something else,
/// and one that tells more of the same.
const LEAST_SHARE: f64 = 0.5;
const LEAST_SHARE_OF_SAME: f64 = 0.8;
/// The part of the question that counts as something else.
const SOMETHING: f64 = 0.2;
/// The part of the question that a sentence of another source must be about.
const LEAST_COVERAGE_ELSEWHERE: f64 = 0.75;
/// How much better a sentence is that begins a section, or with what is asked.
const BEGINNING: f64 = 1.15;
/// How much better a sentence is for each two words of the question that stand
/// side by side in it, and how many of these count.
const PAIR: f64 = 1.08;
const PAIRS: usize = 2;
/// How much better a sentence with a number is, when one is asked for.
const NUMBER: f64 = 1.25;
/// Characters of an answer that is too short to leave out what comes next.
const SHORT_CHARS: usize = 120;
/// The share of their words by which two sentences say the same.
const SAME: f64 = 0.7;

/// Sentences that begin so cannot be understood without the one before.
const GOES_ON: &[&str] = &[
    "it",
    "its",
    "they",
    "their",
    "them",
    "this",
    "that",
    "these",
    "those",
    "he",
    "she",
    "so",
    "but",
    "and",
    "then",
    "there",
    "such",
    "both",
    "otherwise",
    "until",
    "without",
    "instead",
    "only",
    "for",
    "from",
    "after",
    "before",
];
const GOES_ON_JAPANESE: &[&str] = &[
    "その",
    "それ",
    "この",
    "これ",
    "また",
    "ただし",
    "しかし",
    "そして",
    "なお",
    "同じ",
    "ここ",
    "どちら",
];

/// A sentence of a source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quote {
    /// The source's place among those that were given, from 0.
    pub(super) source: usize,
    /// The sentence, with its end.
    pub(super) text: String,
    /// Whether it is an item of a list or a row of a table.
    pub(super) alone: bool,
}

/// A sentence that may be quoted.
struct Candidate {
    source: usize,
    place: usize,
    sentence: Sentence,
    words: HashSet<String>,
    /// The places of the question's words that it has.
    held: BTreeSet<usize>,
    /// The part of the question that it is about, with the headings above it.
    coverage: f64,
    /// How well it fits.
    fit: f64,
}

/// The few sentences that answer a question best, in the order of the sources
/// and of their texts, the source of the best first. None when none fits well.
pub(super) fn quotes(question: &Question, sources: &[Source]) -> Vec<Quote> {
    let texts: Vec<Vec<Sentence>> =
        sources.iter().take(SOURCES).map(|source| sentences(&source.text)).collect();
    let quality = sources.iter().map(|source| source.quality).fold(0.0, f64::max);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (number, (source, text)) in sources.iter().zip(&texts).enumerate() {
        if source.quality < quality * LEAST_QUALITY {
            continue;
        }
        candidates.extend(source_candidates(question, number, source, text));
    }
    candidates.sort_by(|one, other| other.fit.total_cmp(&one.fit));
    let Some(best) = candidates.first() else { return Vec::new() };
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    let mut said: Vec<&Candidate> = Vec::new();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    let mut length = 0;
    for candidate in &candidates {
        let place = (candidate.source, candidate.place);
        if chosen.len() >= QUOTES || length >= ANSWER_CHARS {
            break;
        }
        let is_said = said.iter().any(|it| same(&it.words, &candidate.words));
        let is_worth = said.is_empty() || is_worth_adding(question, candidate, best, &told);
        if is_said || !is_worth || chosen.contains(&place) {
            continue;
        }
        let before = texts.get(candidate.source).and_then(|text| what_it_goes_on(text, place.1));
        for place in before.map(|before| (candidate.source, before)).into_iter().chain([place]) {
            if !chosen.contains(&place) {
                chosen.push(place);
                length += text_of(&texts, place).map_or(0, |it| it.text.chars().count());
            }
        }
        told.extend(&candidate.held);
        said.push(candidate);
    }
    if let [(source, place)] = chosen[..]
        && length < SHORT_CHARS
        && is_followed(&texts, (source, place))
    {
        chosen.push((source, place + 1));
    }
    // A row that fits best stands first; sentences stay as they are written.
    let row = best.sentence.alone.then_some((best.source, best.place));
    chosen.sort_by_key(|&(source, place)| {
        (Reverse(source == best.source), Reverse(Some((source, place)) == row), source, place)
    });
    let quote = |&(source, place): &(usize, usize)| {
        let sentence = text_of(&texts, (source, place))?;
        // Its own marks are of other sources than those here.
        let text = ended(without_marks(&sentence.text).trim());
        Some(Quote { source, text, alone: sentence.alone })
    };
    chosen.iter().filter_map(quote).collect()
}

/// Whether a sentence adds to an answer that has told of these words of the
/// question.
fn is_worth_adding(
    question: &Question,
    candidate: &Candidate,
    best: &Candidate,
    told: &BTreeSet<usize>,
) -> bool {
    let is_beside = candidate.source == best.source;
    // Other rows of a table tell of other things.
    if is_beside && candidate.sentence.alone && best.sentence.alone {
        return candidate.held.is_superset(&best.held);
    }
    let is_subset = candidate.held.len() < best.held.len() && candidate.held.is_subset(told);
    if is_beside && candidate.fit >= best.fit * LEAST_SHARE_OF_SAME && !is_subset {
        return !candidate.held.is_empty();
    }
    let more = candidate.held.difference(told).copied().collect();
    candidate.fit >= best.fit * LEAST_SHARE
        && question.coverage(&more) >= SOMETHING
        && (is_beside || candidate.coverage >= LEAST_COVERAGE_ELSEWHERE)
}

/// Whether the sentence at a place goes on in the next one of its paragraph.
fn is_followed(texts: &[Vec<Sentence>], (source, place): (usize, usize)) -> bool {
    let (this, next) = (text_of(texts, (source, place)), text_of(texts, (source, place + 1)));
    this.zip(next).is_some_and(|(this, next)| this.block == next.block && !next.leads_on)
}

fn text_of(texts: &[Vec<Sentence>], (source, place): (usize, usize)) -> Option<&Sentence> {
    texts.get(source)?.get(place)
}

fn source_candidates(
    question: &Question,
    number: usize,
    source: &Source,
    text: &[Sentence],
) -> Vec<Candidate> {
    let headings = words_of(&source.title);
    let mut all = headings.clone();
    let words: Vec<Vec<String>> = text.iter().map(|it| words_in_order(&it.text)).collect();
    all.extend(words.iter().flatten().cloned());
    if !Question::is_met_by(question.coverage(&question.held(&all))) {
        return Vec::new();
    }
    let around = question.held(&headings);
    let begins = |place: usize, sentence: &Sentence| {
        !sentence.alone && (place == 0 || begins_with_asked(question, sentence))
    };
    let fit = |(place, (sentence, words)): (usize, (&Sentence, Vec<String>))| {
        let places: Vec<Option<usize>> = words.iter().map(|it| question.place_of(it)).collect();
        let held: BTreeSet<usize> = places.iter().flatten().copied().collect();
        // The first sentence below a heading tells what the heading promises.
        if sentence.leads_on || held.is_empty() && place > 0 {
            return None;
        }
        let within = question.sharp_coverage(&held);
        let about: BTreeSet<usize> = held.union(&around).copied().collect();
        let fit = (within + (question.sharp_coverage(&about) - within) * HEADING)
            * (0.7 + 0.3 * source.quality.clamp(0.0, 1.0))
            * brevity(sentence)
            * together(&places)
            * if begins(place, sentence) { BEGINNING } else { 1.0 }
            * if question.wants_number && has_number(&sentence.text) { NUMBER } else { 1.0 };
        let (sentence, coverage) = (sentence.clone(), question.coverage(&about));
        let words = words.into_iter().collect();
        Some(Candidate { source: number, place, sentence, words, held, coverage, fit })
    };
    text.iter().zip(words).enumerate().filter_map(fit).collect()
}

/// How much better words of the question are that stand side by side.
fn together(places: &[Option<usize>]) -> f64 {
    let is_pair =
        |pair: &&[Option<usize>]| matches!(pair, [Some(one), Some(other)] if one != other);
    places.windows(2).filter(is_pair).take(PAIRS).map(|_| PAIR).product()
}

/// Whether a sentence is about what is asked, by its first word: "Pausing …". One
/// that begins with code is about the code.
fn begins_with_asked(question: &Question, sentence: &Sentence) -> bool {
    let first = sentence.text.split_whitespace().next().unwrap_or("");
    !first.starts_with('`') && !question.held(&words_of(first)).is_empty()
}

/// Whether a number stands in a text by itself.
fn has_number(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(char::is_numeric))
}

/// Short sentences say little, long ones much else.
fn brevity(sentence: &Sentence) -> f64 {
    match sentence.text.chars().count() {
        0..15 => 0.7,
        15..250 => 1.0,
        _ => 0.8,
    }
}

/// The place of the sentence without which the one at a place cannot be
/// understood, if there is one.
fn what_it_goes_on(text: &[Sentence], place: usize) -> Option<usize> {
    let sentence = text.get(place)?;
    let before = place.checked_sub(1)?;
    let previous = text.get(before)?;
    if previous.block != sentence.block || sentence.alone || previous.leads_on {
        return None;
    }
    let first = sentence.text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    let goes_on = GOES_ON.contains(&first.to_lowercase().as_str())
        || GOES_ON_JAPANESE.iter().any(|start| sentence.text.starts_with(start));
    goes_on.then_some(before)
}

/// Whether two sentences say the same, by their words.
fn same(one: &HashSet<String>, other: &HashSet<String>) -> bool {
    let both = one.intersection(other).count();
    let fewer = one.len().min(other.len());
    let share = |part: usize, whole: usize| {
        f64::from(u32::try_from(part).unwrap_or(0)) / f64::from(u32::try_from(whole).unwrap_or(1))
    };
    fewer > 0 && share(both, fewer) >= SAME
}

/// A sentence with a full stop, if it has no end of its own.
fn ended(text: &str) -> String {
    let end = if text.contains(is_unspaced) { "。" } else { "." };
    let has_end = text.ends_with(['.', '!', '?', '。', '！', '？', '…', ':', ';']);
    format!("{text}{}", if has_end { "" } else { end })
}

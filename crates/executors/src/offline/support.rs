//! Compares what a text says with its sources, word by word.

use std::{collections::HashSet, sync::LazyLock};

use regex::Regex;

use super::{
    pattern,
    sentence::{cited, sentences},
};
use crate::{
    answerer::{Claim, Source},
    library::{content_words, fold, words_of},
};

/// Claims that are looked at.
const CLAIMS: usize = 100;
/// Words of a claim that are looked for.
const WORDS: usize = 64;
/// The share of a claim's words that a source must have to speak of the same.
const LEAST_SHARE: f64 = 0.7;
/// The same for a source that denies it.
const LEAST_SHARE_TO_DENY: f64 = 0.8;

static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d+(?:[.,]\d+)*"));
static DENIAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:not|never|no|nor|cannot|nothing|nobody|none)\b|n['’]t\b|ません|ない|なく")
});

/// What somebody says, as far as it can be compared.
struct Said {
    words: HashSet<String>,
    numbers: HashSet<String>,
    denies: bool,
}

impl Said {
    fn by(text: &str) -> Self {
        let folded = fold(text);
        Self { words: words_of(text), numbers: numbers(&folded), denies: DENIAL.is_match(&folded) }
    }
}

/// The numbers of a text, without the commas within them.
fn numbers(text: &str) -> HashSet<String> {
    NUMBER.find_iter(text).map(|it| it.as_str().replace(',', "")).collect()
}

/// What sources say, for many claims.
pub(super) struct Saying(Vec<Vec<Said>>);

impl Saying {
    pub(super) fn of(sources: &[Source]) -> Self {
        let said = |source: &Source| {
            sentences(&source.text).iter().map(|sentence| Said::by(&sentence.text)).collect()
        };
        Self(sources.iter().map(said).collect())
    }
}

/// The sentences of a text with the sources that say the same or otherwise.
pub(super) fn claims(text: &str, sources: &[Source]) -> Vec<Claim> {
    let saying = Saying::of(sources);
    let made = sentences(text).into_iter().filter(|sentence| !sentence.leads_on);
    made.take(CLAIMS).map(|sentence| claim(&cited(&sentence.text).0, &saying)).collect()
}

/// A sentence with the sources that say the same or otherwise.
pub(super) fn claim(text: &str, saying: &Saying) -> Claim {
    let wanted = content_words(text, WORDS);
    let said = Said::by(text);
    let mut claim = Claim {
        text: text.to_owned(),
        supporting: Vec::new(),
        conflicting: Vec::new(),
        confidence: 0.0,
    };
    let mut best: f64 = 0.0;
    for (source, number) in saying.0.iter().zip(1..) {
        let mut supports: f64 = 0.0;
        let mut conflicts: f64 = 0.0;
        for other in source {
            let share = share(&wanted, &other.words);
            best = best.max(share);
            if share < LEAST_SHARE {
                continue;
            }
            let same_numbers = said.numbers.is_subset(&other.numbers);
            if !same_numbers && !other.numbers.is_empty()
                || said.denies != other.denies && share >= LEAST_SHARE_TO_DENY
            {
                conflicts = conflicts.max(share);
            } else if same_numbers && said.denies == other.denies {
                supports = supports.max(share);
            }
        }
        if supports > 0.0 && supports >= conflicts {
            claim.supporting.push(number);
        } else if conflicts > 0.0 {
            claim.conflicting.push(number);
        }
    }
    let decided = !claim.supporting.is_empty() || !claim.conflicting.is_empty();
    claim.confidence = if decided { best } else { best / 2.0 };
    claim
}

fn share(wanted: &[String], words: &HashSet<String>) -> f64 {
    let held = wanted.iter().filter(|word| words.contains(*word)).count();
    let float = |count: usize| u32::try_from(count).map_or(0.0, f64::from);
    if wanted.is_empty() { 0.0 } else { float(held) / float(wanted.len()) }
}

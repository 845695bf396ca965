//! Draws the facts from a text: what it says with a number, a name or a date.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    pattern,
    sentence::{cited, sentences},
    support::{Saying, claim},
};
use crate::answerer::{Fact, Source};

/// Facts of one text.
const FACTS: usize = 50;
/// Names of one fact.
const ENTITIES: usize = 8;

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"\b\d{4}-\d{2}-\d{2}\b|\d{4}年(?:\d{1,2}月(?:\d{1,2}日)?)?|",
        r"\b(?:\d{1,2} )?(?:January|February|March|April|May|June|July|August|September|October",
        r"|November|December)(?: \d{1,2})?(?:,? \d{4})\b|\b(?:1[5-9]|20)\d{2}\b",
    ))
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d"));
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"`[^`]+`|\b\p{Lu}[\p{L}\d_]*(?:[ -]\p{Lu}[\p{L}\d_]*)*|[ァ-ヺー]{3,}|「[^」]+」")
});

/// The facts of a text, in its order, with the sources that say so.
pub(super) fn facts(text: &str, sources: &[Source]) -> Vec<Fact> {
    let said = sentences(text).into_iter().filter(|sentence| !sentence.leads_on);
    let saying = Saying::of(sources);
    said.filter_map(|sentence| fact(&sentence.text, &saying, sources.len())).take(FACTS).collect()
}

fn fact(sentence: &str, saying: &Saying, sources: usize) -> Option<Fact> {
    let (statement, mut numbers) = cited(sentence);
    let entities = entities(&statement);
    let time = DATE.find(&statement).map(|it| it.as_str().to_owned());
    let quantitative = NUMBER.is_match(&statement);
    let category = match (&time, quantitative, entities.is_empty()) {
        (Some(_), ..) => "date",
        (None, true, _) => "number",
        (None, false, false) => "name",
        (None, false, true) => return None,
    };
    let claim = claim(&statement, saying);
    numbers.retain(|number| (1..=sources).contains(number));
    numbers.extend(&claim.supporting);
    numbers.sort_unstable();
    numbers.dedup();
    Some(Fact {
        statement,
        confidence: claim.confidence,
        sources: numbers,
        category: category.to_owned(),
        entities,
        time,
        quantitative,
    })
}

/// The names in a sentence, each once.
fn entities(sentence: &str) -> Vec<String> {
    let mut entities: Vec<String> = Vec::new();
    for found in NAME.find_iter(sentence) {
        let name = found.as_str().trim_matches(['`', '「', '」']);
        let capitals = name.chars().filter(|c| c.is_uppercase()).count();
        // The first word of a sentence is written like a name.
        let is_name = found.start() > 0 || capitals != 1;
        if is_name && name.chars().count() > 1 && !entities.iter().any(|it| it == name) {
            entities.push(name.to_owned());
        }
    }
    entities.truncate(ENTITIES);
    entities
}

//! Cuts texts into sentences, and takes citations off them.

use regex::Regex;
use std::sync::LazyLock;

use super::pattern;
use crate::{
    library::{DASH, FENCE, is_unspaced},
    text::start,
};

/// Bytes of a text that are looked at.
const TEXT_BYTES: usize = 32 << 10;
/// An item of a list or a row of a table up to this is one sentence: taken
/// apart, its pieces mean nothing.
const ITEM_BYTES: usize = 500;
/// A longer sentence is no sentence.
const SENTENCE_CHARS: usize = 500;

/// After these a full stop does not end a sentence.
const ABBREVIATIONS: &[&str] =
    &["e.g.", "i.e.", "vs.", "cf.", "approx.", "no.", "dr.", "mr.", "mrs.", "ms.", "st.", "fig."];

static CITATION: LazyLock<Regex> = LazyLock::new(|| pattern(r"[ \t]*\[(\d{1,4})\]"));
static ITEM: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:[-*•]|\d{1,3}[.)])[ \t]+"));
/// An end of a sentence, with the citations that follow it.
static END: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"[.!?…]["'”’)*]*(?:[ \t]*\[\d{1,4}\])*(?:[ \t]+|$)|[。！？][」』）]*(?:[ \t]*\[\d{1,4}\])*"#,
    )
});

/// A sentence, and where it stands in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The sentence on one line, without control characters.
    pub(super) text: String,
    /// The number of its paragraph, item or row.
    pub(super) block: usize,
    /// Whether it is an item or a row.
    pub(super) alone: bool,
    /// Whether it leads to something that does not stand in it.
    pub(super) leads_on: bool,
}

/// The sentences of a text. Headings and code are none; a line of code belongs
/// to the sentence that leads to it.
pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    let text = start(text, TEXT_BYTES);
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut code: Option<Vec<&str>> = None;
    for (block, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with(FENCE) {
            if let Some(lines) = code.take() {
                add_code(sentences.last_mut(), &lines, block);
            } else {
                code = Some(Vec::new());
            }
        } else if let Some(lines) = &mut code {
            lines.push(line);
        } else if !line.starts_with('#') && CITATION.find(line).is_none_or(|it| it.start() > 0) {
            sentences.extend(line_sentences(line, block));
        }
    }
    sentences
}

fn add_code(sentence: Option<&mut Sentence>, code: &[&str], end: usize) {
    if let (Some(sentence), [line]) = (sentence, code)
        && sentence.leads_on
        && sentence.block + 3 == end
    {
        sentence.text.push_str(&format!(" `{line}`"));
        sentence.leads_on = false;
    }
}

fn line_sentences(line: &str, block: usize) -> Vec<Sentence> {
    let item = ITEM.find(line).map_or("", |it| it.as_str());
    let alone = !item.is_empty() && line.len() <= ITEM_BYTES;
    let text = line.strip_prefix(item).unwrap_or(line);
    let pieces = if alone { vec![text.to_owned()] } else { split(text) };
    let sentence = |text: String| {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let leads_on = text.ends_with([':', '：']);
        Sentence { text: shortened(text), block, alone, leads_on }
    };
    // A single word is a label: "Decision."
    let says_something = |text: &String| {
        text.contains(char::is_alphabetic) && (text.contains(' ') || text.contains(is_unspaced))
    };
    pieces.into_iter().filter(says_something).map(sentence).collect()
}

/// Divides a line where sentences end. Citations belong to what they follow.
fn split(line: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in END.find_iter(line) {
        let (piece, rest) = (line.get(start..end.end()), line.get(end.end()..));
        let (piece, rest) = (piece.unwrap_or(""), rest.unwrap_or(""));
        let in_code = piece.matches('`').count() % 2 == 1;
        let goes_on = rest.starts_with(char::is_lowercase) || ends_in_abbreviation(piece);
        if !in_code && !goes_on {
            pieces.push(piece.trim().to_owned());
            start = end.end();
        }
    }
    pieces.push(line.get(start..).unwrap_or("").trim().to_owned());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn ends_in_abbreviation(text: &str) -> bool {
    let last = text
        .trim_end()
        .rsplit([' ', '('])
        .find(|word| !word.is_empty())
        .unwrap_or("")
        .to_lowercase();
    ABBREVIATIONS.contains(&last.as_str())
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(SENTENCE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or("").trim_end()),
        None => text,
    }
}

/// A text without its citations, and the numbers that they were.
pub(super) fn cited(text: &str) -> (String, Vec<usize>) {
    let numbers = CITATION.captures_iter(text).filter_map(|it| it.get(1)?.as_str().parse().ok());
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    (CITATION.replace_all(text, "").trim().to_owned(), numbers)
}

/// A sentence of a list without what marks it as an item.
pub(super) fn without_dash(text: &str) -> &str {
    text.strip_prefix(DASH).unwrap_or(text)
}

#[cfg(test)]
mod tests;

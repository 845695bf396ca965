//! Divides questions.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    pattern,
    sentence::{sentences, without_dash},
};
use crate::{
    answerer::{Intent, Plan, Revision},
    library::{Library, content_words, fold, is_unspaced},
    text::start,
};

/// Bytes of a plan or a remark that are looked at.
const TEXT_BYTES: usize = 16 << 10;
/// Characters of one smaller question.
const QUESTION_CHARS: usize = 500;
/// Words that a question must have to be understood by itself.
const LEAST_WORDS: usize = 2;
/// Characters of a remark that may be nothing but a word of consent.
const CONSENT_CHARS: usize = 60;

/// Where another question begins in the middle of a sentence.
static JOINT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)[;；]\s*|,?\s+(?:and|or)\s+(?:also\s+)?(?P<next>(?:what|how|why|when|where|which|who",
        r"|does|do|is|are|can|could|should|must)\b)|、(?:また|そして|それから)、?",
    ))
});
static NUMBERED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^\d{1,2}\. (.+)$"));
static EXECUTE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:execute|run it|go ahead|proceed|start|do it)\b|実行|開始|始めて|進めて")
});
static READY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"\b(?:ready|looks good|good|ok|okay|fine|lgtm|approved?|yes|perfect)\b",
        r"|問題ありません|問題ない|大丈夫|これでよい|良い|いいです|了解|承認",
    ))
});

/// A plan of at most `breadth` smaller questions, and at least one: the parts of
/// the question, or else what the library's sections about it are about.
pub(super) fn make_plan(
    library: &Library,
    question: &str,
    breadth: usize,
    revision: Option<&Revision<'_>>,
) -> Plan {
    let breadth = breadth.max(1);
    let (questions, intent) = match revision {
        Some(revision) => revised(library, question, breadth, revision),
        None => (divided(library, question, breadth), Intent::Feedback),
    };
    let head = if question.contains(is_unspaced) {
        "次の点を文書から調べます。"
    } else {
        "The documents will be searched for:"
    };
    let lines = questions.iter().zip(1..).map(|(question, n)| format!("\n{n}. {question}"));
    Plan { text: format!("{head}{}", lines.collect::<String>()), questions, intent }
}

fn divided(library: &Library, question: &str, breadth: usize) -> Vec<String> {
    let mut parts = parts(question);
    if parts.len() < 2 {
        let whole = parts.pop().unwrap_or_else(|| shortened(question));
        let mut about: Vec<String> = Vec::new();
        for source in library.search(question, breadth) {
            let part = format!("{whole} ({})", source.title);
            if !about.contains(&part) {
                about.push(part);
            }
        }
        return if about.len() < 2 { vec![whole] } else { about };
    }
    parts.truncate(breadth);
    parts
}

/// The questions in a text. One that cannot be understood by itself gets the
/// one before it with it.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for sentence in sentences(text) {
        let marked = JOINT.replace_all(without_dash(&sentence.text), "\n$next");
        for part in marked.lines().map(str::trim) {
            let words = content_words(part, LEAST_WORDS).len();
            match parts.last_mut() {
                // "…, and why?"
                Some(before) if words == 0 => *before = shortened(&format!("{before}, {part}")),
                Some(before) if words < LEAST_WORDS => {
                    let part = shortened(&format!("{part} ({before})"));
                    parts.push(part);
                }
                _ if words == 0 => {}
                _ => parts.push(shortened(part)),
            }
        }
    }
    parts
}

fn revised(
    library: &Library,
    question: &str,
    breadth: usize,
    revision: &Revision<'_>,
) -> (Vec<String>, Intent) {
    let numbered = NUMBERED.captures_iter(beginning(revision.plan));
    let mut questions: Vec<String> =
        numbered.filter_map(|it| Some(it.get(1)?.as_str().to_owned())).collect();
    if questions.is_empty() {
        questions = divided(library, question, breadth);
    }
    let remark = fold(beginning(revision.feedback));
    let is_short = remark.chars().count() <= CONSENT_CHARS;
    let intent = match remark.as_str() {
        remark if is_short && EXECUTE.is_match(remark) => Intent::Execute,
        remark if is_short && READY.is_match(remark) => Intent::Ready,
        _ => Intent::Feedback,
    };
    if intent == Intent::Feedback {
        // What was said is looked for as well, in the place of what matters least.
        questions.truncate(breadth.saturating_sub(1));
        questions.push(shortened(revision.feedback));
    }
    questions.truncate(breadth);
    (questions, intent)
}

/// As much of a text as is looked at.
fn beginning(text: &str) -> &str {
    start(text, TEXT_BYTES)
}

/// A question on one line.
fn shortened(text: &str) -> String {
    let line =
        beginning(text).split(char::is_whitespace).filter(|it| !it.is_empty()).collect::<Vec<_>>();
    line.join(" ").chars().filter(|c| !c.is_control()).take(QUESTION_CHARS).collect()
}

//! Says which tool brings an answer nearer.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern;
use crate::{
    answerer::{Observation, Step, ToolSpec},
    library::{content_words, fold},
    text::start,
};

/// Pages that are fetched for one question.
const PAGES: usize = 3;
/// Characters that are searched for.
const SEARCHED_CHARS: usize = 2_000;
/// Bytes of a question in which addresses and sums are looked for.
const QUESTION_BYTES: usize = 16 << 10;

static URL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"https?://[^\s<>"'`、。「」（）]+"#));
static SUM: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[(\d][\d.,()\s]*(?:[-+*/^][\s(]*[\d.][\d.,()\s]*)+"));
static DATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"));
static WRITTEN_TOGETHER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d[-/]\d"));

/// What to do next: calculate, then read the pages that the question names, then
/// search, each once and with the first tool whose name says that it does so;
/// then answer.
pub(super) fn next_step(
    question: &str,
    asked: &str,
    tools: &[ToolSpec],
    done: &[Observation],
) -> Step {
    let question = start(question, QUESTION_BYTES);
    let tool = |kind: &str| tools.iter().find(|tool| tool.name.contains(kind));
    let used = |tool: &ToolSpec| done.iter().any(|it| it.tool == tool.name);
    let sum = sum(question);
    if let (Some(tool), Some(sum)) = (tool("calc"), &sum)
        && !used(tool)
    {
        return Step::Use { tool: tool.name.to_owned(), input: sum.text.clone() };
    }
    if let Some(tool) = tool("fetch") {
        let fetched = |url: &&str| done.iter().any(|it| it.tool == tool.name && it.input == *url);
        if let Some(url) = urls(question).into_iter().take(PAGES).find(|url| !fetched(url)) {
            return Step::Use { tool: tool.name.to_owned(), input: url.to_owned() };
        }
    }
    let is_known = done.iter().any(|it| !it.sources.is_empty()) || sum.is_some_and(|it| it.is_all);
    if let Some(tool) = tool("search")
        && !used(tool)
        && !is_known
    {
        return Step::Use {
            tool: tool.name.to_owned(),
            input: asked.chars().take(SEARCHED_CHARS).collect(),
        };
    }
    Step::Answer
}

/// The addresses in a question.
fn urls(question: &str) -> Vec<&str> {
    URL.find_iter(question).map(|url| url.as_str().trim_end_matches(END)).collect()
}

/// Marks that end a sentence rather than an address.
const END: [char; 8] = ['.', ',', ';', ':', '!', '?', ')', ']'];

/// Something to calculate.
struct Sum {
    text: String,
    /// Whether nothing else is asked.
    is_all: bool,
}

fn sum(question: &str) -> Option<Sum> {
    let folded = fold(&URL.replace_all(question, " "))
        .replace(['×', '∗', '·'], "*")
        .replace('÷', "/")
        .replace(['−', '–'], "-");
    let found = SUM.find(&folded)?;
    // Beside a word, hiragana is grammar.
    let rest = format!("{} sum {}", folded.get(..found.start())?, folded.get(found.end()..)?);
    let is_all = content_words(&rest, 8).iter().all(|word| MATHS.contains(&word.as_str()));
    let text = found.as_str().trim_end_matches([' ', '\n', '\t', '.', ',', '(']).trim();
    // "24/7" is a sum only where nothing else is asked.
    if DATE.is_match(text) || WRITTEN_TOGETHER.is_match(text) && !is_all {
        return None;
    }
    let text: String = text.chars().filter(|c| !matches!(c, ',' | '\n')).collect();
    let opened = text.matches('(').count();
    (opened == text.matches(')').count()).then_some(Sum { text, is_all })
}

/// Words, as they are stemmed, by which somebody asks for a sum and nothing else.
const MATHS: [&str; 10] =
    ["calcul", "comput", "equal", "result", "sum", "evalu", "solv", "計算", "結果", "答"];
